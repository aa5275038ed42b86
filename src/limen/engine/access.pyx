"""AccessTable: may this client reach this target?

Rules are tried in order; the first that matches decides. Rules with plain host conditions (names and
suffixes) are found through a hash, so that block lists of a million names cost what ten cost;
the lists of rules that the request's host leads to are merged by rule number with those that must be
scanned (no host condition, or patterns).
"""

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memset

from limen.engine.addresses cimport AddressSet
from limen.engine.bytes cimport fold
from limen.engine.effects cimport RuleEffect
from limen.engine.host_lists cimport HostHashes, HostList, HostListView, holds_name, suffix_start
from limen.engine.identity cimport IdentityMatch
from limen.engine.keys cimport (
    ENTRY_CONDITIONS, KeyIndex, KeyRecord, entries_of, find_key, hash_bytes, in_bucket, length_bit,
)
from limen.engine.paths cimport glob_match, host_glob_match
from limen.engine.places cimport PlaceMatch
from limen.engine.types cimport METHOD_OTHER

from limen.engine.addresses import canonical_host
from limen.engine.tables import METHODS, place_match

cimport cython


cdef enum:
    # Kinds of host keys, and so buckets of the index.
    EXACT_HOST = 0
    SUFFIX_HOST = 1           # "*.example.com": names below
    DOMAIN_HOST = 2           # ".example.com": the name and names below
    # Likewise of what stands before the public suffix: "www.example.<suffix>".
    EXACT_OWN = 3
    SUFFIX_OWN = 4
    DOMAIN_OWN = 5
    # In `scan` and in lists: the entry was reached through a matching host key.
    HOST_SETTLED = ENTRY_CONDITIONS
    LONGEST_HOST = 255
    # One exact list, two for each of at most 128 names above; the same before a public suffix; one to scan.
    MOST_LISTS = 520
    # Lists of names in one table: all are asked for each request.
    MOST_HOST_LISTS = 64
    # What judge() says beside a Decision.
    NO_MATCH = -1


cdef uint64_t NO_SIZE = 0xFFFFFFFFFFFFFFFFULL

SCHEMES = {"http": ACCESS_HTTP, "https": ACCESS_HTTPS, "tunnel": ACCESS_TUNNEL}


# The end of a host condition that stands for any public suffix.
cdef str ANY_SUFFIX = ".<suffix>"
# Among the lists that rules name, that of public suffixes; nobody can call a list so.
SUFFIXES = "<suffix>"


cdef tuple host_key(str host):
    """(kind, canonical name), or None for a glob."""
    cdef uint32_t kind = EXACT_HOST
    name = host
    if host.startswith("*."):
        kind, name = SUFFIX_HOST, host[2:]
    elif host.startswith("."):
        kind, name = DOMAIN_HOST, host[1:]
    if "*" in name or "?" in name:
        return None
    if name.endswith(ANY_SUFFIX):
        # canonical as part of a whole name; what is behind it does not matter
        canonical, literal = canonical_host(name.removesuffix(ANY_SUFFIX) + ".example")
        return (kind + EXACT_OWN, (<str>canonical).removesuffix(".example").encode())
    canonical, literal = canonical_host(name)
    if kind != EXACT_HOST and literal:
        raise ValueError(f"no names lie below an address: {host!r}")
    return (kind, (<str>canonical).encode())


cdef tuple put(bytearray text, bytes piece):
    at = len(text)
    text += piece
    return at, len(piece)


cdef list merge_ports(object ranges):
    """Sorted and disjoint."""
    cdef list merged = []
    for low, high in sorted(ranges):
        if not 1 <= low <= high <= 65535:
            raise ValueError(f"not a range of ports: {low}-{high}")
        if merged and low <= merged[len(merged) - 1][1] + 1:
            merged[len(merged) - 1] = (merged[len(merged) - 1][0], max(high, merged[len(merged) - 1][1]))
        else:
            merged.append((low, high))
    return merged


@cython.final
cdef class AccessTable:
    """Access rules of a listener, compiled from AccessSpecs. ValueError names what is malformed. `lists`: those
    that specs name; `effects`: what follows from the verdict of each, a RuleEffect per rule.

    Host conditions: an exact name or address; `.suffix` (the name and all below); `*.suffix` (all below);
    any other text with `*`, `**` or `?` is a glob whose `*` stays within a label. A bare `*` is any host. The first
    three may end with `.<suffix>`, any public suffix by the list SUFFIXES among `lists`.
    """

    def __cinit__(self, rules=(), lists=None, effects=None):
        cdef list specs = list(rules)
        self.seed = int.from_bytes(os.urandom(8), "little")
        self.hosts = KeyIndex()
        self.names = [spec.name or "" for spec in specs]
        self.windows = list(dict.fromkeys(window for spec in specs for window in spec.windows))
        self.kept = []
        self.effects = list(effects) if effects is not None else None
        if self.effects is not None:
            if len(self.effects) != len(specs):
                raise ValueError(f"{len(self.effects)} effects for {len(specs)} rules")
            self.redirects = any([(<RuleEffect?>effect).host.name_length for effect in self.effects])
        self.fill_rows(specs, lists)

    def __dealloc__(self):
        free(self.rows)
        free(self.scan)
        free(self.ports)
        free(self.pieces)
        free(self.window_numbers)
        free(self.window_states)
        free(self.lists)
        free(self.list_entries)

    def __len__(self):
        """How many rules there are."""
        return len(self.names)

    def set_windows(self, bytes flags not None):
        """Open (non-zero) and close (zero) the time windows; one byte for each of `windows`, else ValueError.

        Until the first call every window is open for rules that deny, and closed for rules that allow.
        """
        cdef size_t i
        if len(flags) != len(self.windows):
            raise ValueError(f"{len(flags)} flags for {len(self.windows)} windows")
        for i in range(<size_t>len(flags)):
            self.window_states[i] = WINDOW_OPEN if flags[i] else WINDOW_CLOSED

    cdef int fill_rows(self, list specs, object lists) except -1:
        cdef bytearray text = bytearray()
        cdef list pieces = [], ports = [], numbers = [], scan = []
        cdef dict keys = {}, listed = {}
        cdef dict window_of = {window: i for i, window in enumerate(self.windows)}
        cdef AccessRow* row
        cdef uint32_t number
        cdef size_t i
        self.rows = <AccessRow*>calloc(len(specs) + 1, sizeof(AccessRow))
        self.window_states = <uint8_t*>malloc(len(self.windows) + 1)
        if self.rows == NULL or self.window_states == NULL:
            raise MemoryError
        memset(self.window_states, WINDOW_UNKNOWN, len(self.windows))
        for number, spec in enumerate(specs):
            row = &self.rows[number]
            row.allow = bool(spec.allow)
            if spec.clients or spec.client_lists:
                clients = AddressSet(spec.clients, [lists[name] for name in spec.client_lists])
                self.kept.append(clients)
                row.clients = <void*>clients
            if spec.addresses or spec.address_lists:
                addresses = AddressSet(spec.addresses, [lists[name] for name in spec.address_lists])
                self.kept.append(addresses)
                row.addresses = <void*>addresses
            if spec.place is not None:
                place = place_match(spec.place)
                self.kept.append(place)
                row.place = <void*>place
                self.asks_place = True
            if spec.target_place is not None:
                place = place_match(spec.target_place)
                self.kept.append(place)
                row.target_place = <void*>place
                self.asks_target = True
            if spec.users or spec.groups:
                identity = IdentityMatch(spec.users, spec.groups)
                self.kept.append(identity)
                row.identity = <void*>identity
                self.asks_identity = True
            row.names = <uint32_t>len(pieces)
            for method in dict.fromkeys(spec.methods):
                row.methods |= <uint32_t>1 << <int>METHODS.get(method, METHOD_OTHER)
                if method not in METHODS:
                    pieces.append(put(text, method.encode()))
            row.name_count = <uint32_t>len(pieces) - row.names
            row.ports = <uint32_t>len(ports)
            ports += merge_ports(spec.ports)
            row.port_count = <uint32_t>len(ports) - row.ports
            row.windows = <uint32_t>len(numbers)
            numbers += [window_of[window] for window in spec.windows]
            row.window_count = <uint32_t>len(numbers) - row.windows
            row.schemes = 0
            for scheme in spec.schemes:
                row.schemes |= <uint8_t><int>SCHEMES[scheme]
            row.paths = <uint32_t>len(pieces)
            pieces += [put(text, path.encode()) for path in spec.paths]
            row.path_count = <uint32_t>len(pieces) - row.paths
            row.types = <uint32_t>len(pieces)
            pieces += [put(text, one.lower().encode()) for one in spec.content_types]
            row.type_count = <uint32_t>len(pieces) - row.types
            row.size_over = NO_SIZE if spec.size_over is None else <uint64_t>spec.size_over
            row.size_upto = NO_SIZE if spec.size_upto is None else <uint64_t>spec.size_upto
            row.answer_types = <uint32_t>len(pieces)
            pieces += [put(text, one.lower().encode()) for one in spec.response_types]
            row.answer_type_count = <uint32_t>len(pieces) - row.answer_types
            row.answer_over = NO_SIZE if spec.response_over is None else <uint64_t>spec.response_over
            row.answer_upto = NO_SIZE if spec.response_upto is None else <uint64_t>spec.response_upto
            row.answers = row.answer_type_count != 0 or row.answer_over != NO_SIZE or row.answer_upto != NO_SIZE
            if row.answers and (row.addresses != NULL or row.target_place != NULL):
                raise ValueError("a rule on the response has no condition on addresses")
            self.asks_answer = self.asks_answer or row.answers
            row.dry = bool(spec.dry_run)
            self.asks_path = self.asks_path or row.path_count
            self.asks_content = self.asks_content or row.type_count or (
                row.size_over != NO_SIZE or row.size_upto != NO_SIZE
            )
            row.any_host = "*" in spec.hosts or not (spec.hosts or spec.host_lists)
            if not row.any_host:
                for name in dict.fromkeys(spec.host_lists):
                    listed.setdefault(name, []).append(number << 1 | HOST_SETTLED)
            row.patterns = <uint32_t>len(pieces)
            if not row.any_host:
                for host in spec.hosts:
                    key = host_key(host)
                    if key is None:
                        pieces.append(put(text, host.lower().encode()))
                    else:
                        file_key(keys, key, number << 1 | HOST_SETTLED)
                        if key[0] >= EXACT_OWN and self.suffixes == NULL:
                            self.suffixes = self.keep_list(lists, SUFFIXES)
            row.pattern_count = <uint32_t>len(pieces) - row.patterns
            if row.any_host or row.pattern_count:
                scan.append(number << 1)
        self.text = bytes(text)
        self.texts = self.text
        self.ports = <PortRange*>malloc((len(ports) + 1) * sizeof(PortRange))
        self.pieces = <TextPiece*>malloc((len(pieces) + 1) * sizeof(TextPiece))
        self.window_numbers = <uint32_t*>malloc((len(numbers) + 1) * sizeof(uint32_t))
        self.scan = <uint32_t*>malloc((len(scan) + 1) * sizeof(uint32_t))
        if self.ports == NULL or self.pieces == NULL or self.window_numbers == NULL or self.scan == NULL:
            raise MemoryError
        for i, (low, high) in enumerate(ports):
            self.ports[i].low = low
            self.ports[i].high = high
        for i, (at, length) in enumerate(pieces):
            self.pieces[i].at = at
            self.pieces[i].length = length
        for i, window in enumerate(numbers):
            self.window_numbers[i] = window
        for i, entry in enumerate(scan):
            self.scan[i] = entry
        self.scan_count = <uint32_t>len(scan)
        self.fill_lists(listed, lists)
        return self.fill_hosts(keys)

    cdef int fill_lists(self, dict listed, object lists) except -1:
        cdef list entries = []
        cdef ListRules* rules
        cdef size_t i
        if len(listed) > MOST_HOST_LISTS:
            raise ValueError(f"rules name {len(listed)} lists of names, at most {MOST_HOST_LISTS} can be")
        self.lists = <ListRules*>malloc((len(listed) + 1) * sizeof(ListRules))
        if self.lists == NULL:
            raise MemoryError
        for name, numbers in listed.items():
            rules = &self.lists[self.list_count]
            rules.view = self.keep_list(lists, name)
            rules.first = <uint32_t>len(entries)
            rules.count = <uint32_t>len(numbers)
            self.list_count += 1
            entries += numbers
        self.list_entries = <uint32_t*>malloc((len(entries) + 1) * sizeof(uint32_t))
        if self.list_entries == NULL:
            raise MemoryError
        for i, entry in enumerate(entries):
            self.list_entries[i] = entry
        return 0

    cdef const HostListView* keep_list(self, object lists, str name) except NULL:
        cdef HostList one = lists[name]
        self.kept.append(one)
        return &one.view

    cdef int fill_hosts(self, dict keys) except -1:
        cdef bytes name
        cdef uint64_t h
        cdef uint32_t kind
        cdef size_t listed = sum(len(entries) for entries in keys.values() if isinstance(entries, list))
        self.hosts.begin(<size_t>len(keys), sum(len(key[1]) for key in keys), listed)
        for (kind, name), entries in keys.items():
            h = in_bucket(hash_bytes(self.seed, name, <size_t>len(name)), kind)
            self.hosts.add(kind, name, h, entries if isinstance(entries, list) else [entries])
            if kind == EXACT_HOST:
                self.host_lengths |= length_bit(<size_t>len(name))
            elif kind == SUFFIX_HOST:
                self.suffix_lengths |= length_bit(<size_t>len(name))
            elif kind == DOMAIN_HOST:
                self.domain_lengths |= length_bit(<size_t>len(name))
            else:
                self.own_lengths |= length_bit(<size_t>len(name))
        return 0

    cdef int add_list(self, uint32_t kind, uint64_t h, const char* host, size_t n, HeadList* lists, int count) noexcept:
        """Add what the key leads to; returns the new count."""
        cdef const KeyRecord* record = find_key(&self.hosts.table, in_bucket(h, kind), kind, host, n)
        if record == NULL:
            return count
        lists[count].next = entries_of(&self.hosts.table, record)
        lists[count].end = lists[count].next + record.count
        return count + 1

    cdef int add_own(self, size_t n, const char* host, HeadList* lists, int count) noexcept:
        """The same for the names at the end of `host`, which is what stands before a public suffix."""
        cdef size_t i
        cdef uint64_t h
        for i in range(n):
            if (i and host[i - 1] != 46) or not self.own_lengths & length_bit(n - i):
                continue
            h = hash_bytes(self.seed, host + i, n - i)
            count = self.add_list(SUFFIX_OWN if i else EXACT_OWN, h, host + i, n - i, lists, count)
            count = self.add_list(DOMAIN_OWN, h, host + i, n - i, lists, count)
        return count

    cdef int decide(self, const AccessView* view, int* rule, int* dry) noexcept:
        cdef HeadList lists[MOST_LISTS + MOST_HOST_LISTS]
        cdef HostHashes hashes
        cdef const ListRules* listed
        cdef HeadList* least
        cdef const char* host = view.host
        cdef size_t n = view.host_length, i
        cdef int count = 0, k, verdict
        cdef uint32_t entry
        cdef uint64_t below = self.suffix_lengths | self.domain_lengths, h, bit
        rule[0] = dry[0] = -1
        if n > LONGEST_HOST:
            return DENY
        if (self.host_lengths | self.domain_lengths) & length_bit(n):
            h = hash_bytes(self.seed, host, n)
            if self.host_lengths & length_bit(n):
                count = self.add_list(EXACT_HOST, h, host, n, lists, count)
            if self.domain_lengths & length_bit(n):
                count = self.add_list(DOMAIN_HOST, h, host, n, lists, count)
        if below:
            for i in range(1, n):
                bit = length_bit(n - i)
                if host[i - 1] != c"." or not below & bit:
                    continue
                h = hash_bytes(self.seed, host + i, n - i)
                if self.suffix_lengths & bit:
                    count = self.add_list(SUFFIX_HOST, h, host + i, n - i, lists, count)
                if self.domain_lengths & bit:
                    count = self.add_list(DOMAIN_HOST, h, host + i, n - i, lists, count)
        hashes.count = 0
        if self.own_lengths:
            i = suffix_start(self.suffixes, &hashes, host, n)
            if i > 1:
                count = self.add_own(i - 1, host, lists, count)
        for i in range(self.list_count):
            listed = &self.lists[i]
            if holds_name(listed.view, &hashes, host, n):
                lists[count].next = self.list_entries + listed.first
                lists[count].end = lists[count].next + listed.count
                count += 1
        if self.scan_count:
            lists[count].next = self.scan
            lists[count].end = self.scan + self.scan_count
            count += 1
        while count:
            least = &lists[0]
            for k in range(1, count):
                if lists[k].next[0] < least.next[0]:
                    least = &lists[k]
            entry = least.next[0]
            verdict = self.judge(entry >> 1, entry & HOST_SETTLED, view)
            if verdict != NO_MATCH:
                if not self.rows[entry >> 1].dry or verdict == NEED_ADDRESS:
                    rule[0] = <int>(entry >> 1)
                    return verdict
                if dry[0] < 0:
                    dry[0] = <int>(entry >> 1)
            least.next += 1
            if least.next == least.end:
                count -= 1
                least[0] = lists[count]
        return DENY

    cdef int judge(self, uint32_t number, bint host_settled, const AccessView* view) noexcept:
        """A Decision, or NO_MATCH. The address comes last: it is asked for only if all else matches."""
        cdef const AccessRow* row = &self.rows[number]
        cdef uint32_t i
        cdef bint listed = False
        if row.answers != view.answered:
            return NO_MATCH
        if row.methods and not self.holds_method(row, view):
            return NO_MATCH
        if row.port_count:
            for i in range(row.ports, row.ports + row.port_count):
                if view.port <= self.ports[i].high:
                    listed = view.port >= self.ports[i].low
                    break
            if not listed:
                return NO_MATCH
        if not self.holds_request(row, view) or (row.answers and not self.holds_answer(row, view)):
            return NO_MATCH
        if row.window_count and not self.is_open(row):
            return NO_MATCH
        if row.clients != NULL:
            if view.client == NULL or view.client.family == 1:
                return NO_MATCH
            if not (<AddressSet>row.clients).contains(view.client.ip):
                return NO_MATCH
        if row.place != NULL and not (<PlaceMatch>row.place).holds(view.place):
            return NO_MATCH
        if row.identity != NULL and not (<IdentityMatch>row.identity).holds(view.identity):
            return NO_MATCH
        if not host_settled and not row.any_host and not self.holds_host(row, view):
            return NO_MATCH
        if row.addresses != NULL or row.target_place != NULL:
            if view.by_name:
                return NO_MATCH
            if view.target == NULL:
                return NEED_ADDRESS
            if row.addresses != NULL and not (<AddressSet>row.addresses).contains(view.target.ip):
                return NO_MATCH
            if row.target_place != NULL and not (<PlaceMatch>row.target_place).holds(view.target_place):
                return NO_MATCH
        return ALLOW if row.allow else DENY

    cdef bint holds_request(self, const AccessRow* row, const AccessView* view) noexcept:
        """What is asked of the request itself; of a tunnel nothing but that it is one is known."""
        if row.schemes and not row.schemes & view.scheme:
            return False
        if row.path_count and (view.path == NULL or not self.holds_path(row, view)):
            return False
        if row.type_count and not self.holds_type(
            row.types, row.type_count, view.content_type, view.content_type_length
        ):
            return False
        if row.size_over != NO_SIZE and (view.scheme == ACCESS_TUNNEL or view.content_size <= row.size_over):
            return False
        return row.size_upto == NO_SIZE or (view.scheme != ACCESS_TUNNEL and view.content_size <= row.size_upto)

    cdef bint holds_path(self, const AccessRow* row, const AccessView* view) noexcept:
        """A pattern for the whole path, or its beginning up to a segment's border."""
        cdef uint32_t i
        cdef const TextPiece* piece
        cdef const char* text
        for i in range(row.paths, row.paths + row.path_count):
            piece = &self.pieces[i]
            text = self.texts + piece.at
            if memchr(text, 42, piece.length) != NULL or memchr(text, 63, piece.length) != NULL:
                if glob_match(text, piece.length, view.path, view.path_length):
                    return True
            elif piece.length <= view.path_length and memcmp(text, view.path, piece.length) == 0 and (
                piece.length == view.path_length or text[piece.length - 1] == 47 or view.path[piece.length] == 47
            ):
                return True
        return False

    cdef bint holds_answer(self, const AccessRow* row, const AccessView* view) noexcept:
        if row.answer_type_count and not self.holds_type(
            row.answer_types, row.answer_type_count, view.answer_type, view.answer_type_length
        ):
            return False
        if row.answer_over != NO_SIZE and view.answer_size <= row.answer_over:
            return False
        return row.answer_upto == NO_SIZE or view.answer_size <= row.answer_upto

    cdef bint holds_type(self, uint32_t first, uint32_t count, const char* given, size_t size) noexcept:
        """`type/subtype` or `type/*`, whatever the case and parameters of what is given; NULL is of no type."""
        cdef uint32_t i
        cdef size_t n = 0, k
        cdef const TextPiece* piece
        cdef const char* text
        if given == NULL:
            return False
        while n < size and given[n] not in b"; \t":
            n += 1
        for i in range(first, first + count):
            piece = &self.pieces[i]
            text = self.texts + piece.at
            k = 0
            while k < n and k < piece.length and text[k] == fold(given[k]):
                k += 1
            if k == piece.length and k == n:
                return True
            if k + 1 == piece.length and text[k] == 42 and k and text[k - 1] == 47:
                return True
        return False

    cdef bint holds_method(self, const AccessRow* row, const AccessView* view) noexcept:
        cdef uint32_t i
        cdef const TextPiece* name
        if not (row.methods >> view.method_id) & 1:
            return False
        if view.method_id != METHOD_OTHER:
            return True
        for i in range(row.names, row.names + row.name_count):
            name = &self.pieces[i]
            if name.length == view.method_length and memcmp(self.texts + name.at, view.method, name.length) == 0:
                return True
        return False

    cdef bint is_open(self, const AccessRow* row) noexcept:
        cdef uint32_t i
        cdef uint8_t state
        for i in range(row.windows, row.windows + row.window_count):
            state = self.window_states[self.window_numbers[i]]
            if state == WINDOW_OPEN or (state == WINDOW_UNKNOWN and not row.allow):
                return True
        return False

    cdef bint holds_host(self, const AccessRow* row, const AccessView* view) noexcept:
        cdef uint32_t i
        cdef const TextPiece* pattern
        for i in range(row.patterns, row.patterns + row.pattern_count):
            pattern = &self.pieces[i]
            if host_glob_match(self.texts + pattern.at, pattern.length, view.host, view.host_length):
                return True
        return False


cdef int file_key(dict keys, tuple key, uint32_t entry) except -1:
    """Most keys belong to one rule: a list is made only for those that do not."""
    cdef object there = keys.setdefault(key, entry)
    if isinstance(there, list):
        if there[len(there) - 1] != entry:      # entries come in the order of the rules
            there.append(entry)
    elif there != entry:
        keys[key] = [there, entry]
    return 0
