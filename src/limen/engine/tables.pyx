"""RouteTable: which route of a listener takes a request.

Every route is filed under each of its hosts (exact, suffix, or any: a *bucket*) and there under its path
(exact or prefix key; a pattern under the literal directory it starts with; everything else is scanned).
A match looks up the buckets of the request's host and in them the path and its prefixes, and keeps
the smallest route number whose remaining conditions hold. So its cost follows the request, not the table.
"""

import os
import re

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp

from limen.engine.addresses cimport AddressSet
from limen.engine.bytes cimport same_folded
from limen.engine.certificates cimport CertificateMatch
from limen.engine.identity cimport IdentityMatch
from limen.engine.keys cimport (
    ENTRY_CONDITIONS, KeyIndex, KeyRecord, entries_of, find_key, hash_bytes, in_bucket, length_bit, limen_fold,
)
from limen.engine.paths cimport glob_match, hex_digit, normalize_path
from limen.engine.places cimport PlaceMatch
from limen.engine.types cimport (
    METHOD_CONNECT, METHOD_DELETE, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_OTHER, METHOD_PATCH, METHOD_POST,
    METHOD_PUT, METHOD_TRACE, Field,
)

from limen.engine.addresses import canonical_host

cimport cython


cdef enum:
    NO_ROUTE = 0xFFFFFFFF
    # Bucket numbers of the host index.
    EXACT_HOST = 0
    SUFFIX_HOST = 1
    # In what a host's record leads to: not a bucket's number but a single entry, shifted by one.
    HOST_DIRECT = 1


METHODS: dict[str, int] = {
    "GET": METHOD_GET, "HEAD": METHOD_HEAD, "POST": METHOD_POST, "PUT": METHOD_PUT, "DELETE": METHOD_DELETE,
    "CONNECT": METHOD_CONNECT, "OPTIONS": METHOD_OPTIONS, "TRACE": METHOD_TRACE, "PATCH": METHOD_PATCH,
}


# --- hashes of path prefixes: by segment, so that one pass over a path yields those of all its prefixes

cdef inline uint64_t add_slash(uint64_t h) noexcept nogil:
    return limen_fold(h ^ 0x2F, 0xD6E8FEB86659FD93ULL)


cdef uint64_t hash_prefix(uint64_t h, const char* p, size_t n) noexcept nogil:
    cdef size_t i = 0, end
    while i < n:
        end = i
        while end < n and p[end] != c"/":
            end += 1
        if end > i:
            h = hash_bytes(h, p + i, end - i)
        if end < n:
            h = add_slash(h)
            end += 1
        i = end
    return h


# --- conditions on fields and the query

cdef bint field_holds(const Condition* condition, const char* texts, const RequestView* view) noexcept nogil:
    """Present, absent, or: one of the lines has exactly this value."""
    cdef unsigned int i
    cdef const Field* field
    for i in range(view.count):
        field = &view.fields[i]
        if field.name_length != condition.name_length:
            continue
        if not same_folded(view.head + field.name, texts + condition.name, field.name_length):
            continue
        if condition.kind != CONDITION_EQUAL:
            return condition.kind == CONDITION_PRESENT
        if field.value_length == condition.value_length and memcmp(
                view.head + field.value, texts + condition.value, field.value_length) == 0:
            return True
    return condition.kind == CONDITION_ABSENT


cdef bint equals_decoded(const char* raw, size_t n, const char* text, size_t length) noexcept nogil:
    """Whether a piece of a query is `text` once "+" and percent-encoding are decoded; malformed escapes are literal."""
    cdef size_t i = 0, j = 0
    cdef uint8_t c
    while i < n:
        if j == length:
            return False
        c = <uint8_t>raw[i]
        i += 1
        if c == c"+":
            c = 32
        elif c == c"%" and n - i >= 2 and hex_digit(<uint8_t>raw[i]) >= 0 and hex_digit(<uint8_t>raw[i + 1]) >= 0:
            c = <uint8_t>(hex_digit(<uint8_t>raw[i]) * 16 + hex_digit(<uint8_t>raw[i + 1]))
            i += 2
        if c != <uint8_t>text[j]:
            return False
        j += 1
    return j == length


cdef bint query_holds(const Condition* condition, const char* texts, const char* query, size_t n) noexcept nogil:
    """The same for a parameter; one without "=" is present with the empty value."""
    cdef size_t i = 0, end, equal, value
    while i < n:
        end = i
        equal = n
        while end < n and query[end] != c"&":
            if query[end] == c"=" and equal == n:
                equal = end
            end += 1
        if equal > end:
            equal = end
        if end > i and equals_decoded(query + i, equal - i, texts + condition.name, condition.name_length):
            if condition.kind != CONDITION_EQUAL:
                return condition.kind == CONDITION_PRESENT
            value = equal + 1 if equal < end else end
            if equals_decoded(query + value, end - value, texts + condition.value, condition.value_length):
                return True
        i = end + 1
    return condition.kind == CONDITION_ABSENT


# --- compilation of one spec

cdef bytes escaped(str path):
    """Characters beyond ASCII as they come over the wire: percent-encoded UTF-8."""
    return b"".join(bytes((c,)) if c < 128 else b"%%%02X" % c for c in path.encode())


def normal_path(str path not None):
    """`path` as match() sees paths. ValueError if it does not begin with "/" or has a malformed escape."""
    cdef bytes raw = escaped(path)
    cdef bytearray room = bytearray(len(raw) + 1)
    cdef int n
    if not raw.startswith(b"/"):
        raise ValueError(f"path must begin with '/': {path!r}")
    n = normalize_path(raw, <size_t>len(raw), room, <size_t>len(room))
    if n < 0:
        raise ValueError(f"malformed percent-encoding in path {path!r}")
    return bytes(room[:n]) if n else raw


def normal_pattern(str pattern not None):
    """The same for a glob, which may also begin with a star; its stars and question marks stay."""
    return normal_path(pattern) if pattern.startswith("/") else escaped(pattern)


cdef tuple literal_directory(bytes pattern):
    """What every match of a glob starts with, up to its last "/": a prefix key that finds the pattern."""
    cut = min((pattern.index(c) for c in (b"*", b"?") if c in pattern), default=len(pattern))
    slash = pattern.rfind(b"/", 0, cut)
    return ("prefix", pattern[:slash + 1]) if pattern.startswith(b"/") else ("scan", b"")


cdef tuple path_plan(object spec):
    """(kind of key, key) under which a spec's path is filed."""
    kind = str(spec.path_kind)
    if kind == "none":
        return ("scan", b"")
    if kind == "prefix" or kind == "exact":
        return (kind, normal_path(spec.path))
    if kind == "pattern":
        return literal_directory(normal_pattern(spec.path))
    if kind == "regex":
        return ("scan", b"")
    raise ValueError(f"unknown kind of path: {kind!r}")


cdef tuple host_key(str host):
    """(EXACT_HOST or SUFFIX_HOST, canonical name) of a host condition; None for "*"."""
    if host == "*":
        return None
    if host.startswith("*."):
        name, kind = canonical_host(host[2:])
        if kind:
            raise ValueError(f"no names lie below an address: {host!r}")
        return (SUFFIX_HOST, name.encode())
    return (EXACT_HOST, canonical_host(host)[0].encode())


@cython.final
cdef class RouteTable:
    """Routes of a listener, compiled from RouteSpecs. ValueError (re.error for a regex) names what is malformed.

    `lists` are those that specs name.
    """

    def __cinit__(self, routes=(), lists=None):
        cdef list specs = list(routes)
        cdef list hosts = [], plans = []
        self.seed = int.from_bytes(os.urandom(8), "little")
        self.hosts = KeyIndex()
        self.exact = KeyIndex()
        self.prefixes = KeyIndex()
        self.actions = [spec.action for spec in specs]
        self.regexes = []
        self.kept = []
        for spec in specs:
            keys = dict.fromkeys(host_key(host) for host in spec.hosts)
            hosts.append([None] if not keys or None in keys else list(keys))
            plans.append(path_plan(spec))
        self.fill_rows(specs, lists)
        self.fill_buckets(hosts, plans)

    def __dealloc__(self):
        free(self.buckets)
        free(self.rows)
        free(self.conditions)
        free(self.scans)

    def __len__(self):
        """How many routes there are."""
        return len(self.actions)

    cdef int fill_rows(self, list specs, object lists) except -1:
        cdef bytearray text = bytearray()
        cdef list conditions = []
        cdef RouteRow* row
        cdef size_t number
        self.rows = <RouteRow*>calloc(len(specs) + 1, sizeof(RouteRow))
        if self.rows == NULL:
            raise MemoryError
        for number, spec in enumerate(specs):
            row = &self.rows[number]
            row.regex = -1
            if spec.clients or spec.client_lists:
                clients = AddressSet(spec.clients, [lists[name] for name in spec.client_lists])
                self.kept.append(clients)
                row.clients = <void*>clients
            if spec.certificate is not None:
                certificate = match_of(spec.certificate)
                self.kept.append(certificate)
                row.certificate = <void*>certificate
                self.asks_certificate = True
            if spec.ja4:
                fingerprints = tuple(pattern.encode() for pattern in spec.ja4)
                self.kept.append(fingerprints)
                row.ja4 = <void*>fingerprints
                self.asks_ja4 = True
            if spec.place is not None:
                place = place_match(spec.place)
                self.kept.append(place)
                row.place = <void*>place
                self.asks_place = True
            if spec.users or spec.groups:
                identity = IdentityMatch(spec.users, spec.groups)
                self.kept.append(identity)
                row.identity = <void*>identity
                self.asks_identity = True
            row.names = <uint32_t>len(conditions)
            for method in dict.fromkeys(spec.methods):
                row.methods |= <uint32_t>1 << <int>METHODS.get(method, METHOD_OTHER)
                if method not in METHODS:
                    conditions.append((CONDITION_PRESENT, put(text, method.encode()), (0, 0)))
            row.name_count = <uint32_t>len(conditions) - row.names
            row.conditions = <uint32_t>len(conditions)
            row.field_count = put_conditions(conditions, text, spec.fields, True)
            row.query_count = put_conditions(conditions, text, spec.query, False)
            kind = str(spec.path_kind)
            if kind == "pattern":
                row.path = PATH_PATTERN
                row.pattern, row.pattern_length = put(text, normal_pattern(spec.path))
            elif kind == "regex":
                row.path = PATH_REGEX
                row.regex = <int>len(self.regexes)
                self.regexes.append(re.compile(spec.path.encode()).fullmatch)
        self.text = bytes(text)
        self.texts = self.text
        self.conditions = <Condition*>malloc((len(conditions) + 1) * sizeof(Condition))
        if self.conditions == NULL:
            raise MemoryError
        for number, (kind, name, value) in enumerate(conditions):
            self.conditions[number].kind = kind
            self.conditions[number].name, self.conditions[number].name_length = name
            self.conditions[number].value, self.conditions[number].value_length = value
        return 0

    cdef int fill_buckets(self, list hosts, list plans) except -1:
        cdef dict numbers = {None: 0}
        cdef dict exact = {}, prefixes = {}
        cdef list scans = [[]]
        cdef HostBucket* bucket
        cdef RouteRow* row
        cdef uint32_t number, entry, route
        cdef size_t scanned = 0
        for keys in hosts:
            for key in keys:
                if key not in numbers:
                    numbers[key] = len(scans)
                    scans.append([])
        self.buckets = <HostBucket*>calloc(len(scans), sizeof(HostBucket))
        if self.buckets == NULL:
            raise MemoryError
        for number in range(<uint32_t>len(scans)):
            bucket = &self.buckets[number]
            bucket.lowest = bucket.lowest_exact = bucket.lowest_prefix = NO_ROUTE
        for route in range(<uint32_t>len(plans)):
            kind, text = plans[route]
            row = &self.rows[route]
            entry = route << 1
            if row.clients or row.certificate or row.ja4 or row.place or row.identity or row.methods or row.path or (
                row.field_count or row.query_count
            ):
                entry |= ENTRY_CONDITIONS
            for key in hosts[route]:
                number = numbers[key]
                bucket = &self.buckets[number]
                bucket.lowest = min(bucket.lowest, route)
                if kind == "exact":
                    exact.setdefault((number, text), []).append(entry)
                    bucket.exact_lengths |= length_bit(<size_t>len(text))
                    bucket.lowest_exact = min(bucket.lowest_exact, route)
                elif kind == "prefix":
                    prefixes.setdefault((number, text), []).append(entry)
                    bucket.prefix_lengths |= length_bit(<size_t>len(text))
                    bucket.lowest_prefix = min(bucket.lowest_prefix, route)
                    bucket.longest_prefix = max(bucket.longest_prefix, <uint32_t>len(text))
                else:
                    (<list>scans[number]).append(entry)
                    scanned += 1
        del numbers[None]
        self.scans = <uint32_t*>malloc((scanned + 1) * sizeof(uint32_t))
        if self.scans == NULL:
            raise MemoryError
        scanned = 0
        for number in range(<uint32_t>len(scans)):
            self.buckets[number].scan = <uint32_t>scanned
            self.buckets[number].scan_count = <uint32_t>len(scans[number])
            for entry in scans[number]:
                self.scans[scanned] = entry
                scanned += 1
        self.fill_hosts(numbers)
        fill_paths(self.exact, exact, self.seed, False)
        fill_paths(self.prefixes, prefixes, self.seed, True)
        return 0

    cdef int fill_hosts(self, dict numbers) except -1:
        cdef bytes name
        cdef uint64_t h
        cdef const HostBucket* bucket
        self.hosts.begin(<size_t>len(numbers), sum(len(key[1]) for key in numbers), 0)
        for (kind, name), number in numbers.items():
            h = hash_bytes(self.seed, name, <size_t>len(name))
            bucket = &self.buckets[<uint32_t>number]
            if bucket.scan_count == 1 and bucket.lowest_exact == NO_ROUTE and bucket.lowest_prefix == NO_ROUTE:
                # A host with one route and no path to look up: its record leads straight to the route.
                self.hosts.add(kind, name, in_bucket(h, kind), [self.scans[bucket.scan] << 1 | HOST_DIRECT])
            else:
                self.hosts.add(kind, name, in_bucket(h, kind), [number << 1])
            if kind == EXACT_HOST:
                self.host_lengths |= length_bit(<size_t>len(name))
            else:
                self.suffix_lengths |= length_bit(<size_t>len(name))
        return 0

    cdef int match(self, const RequestView* view) noexcept:
        cdef const char* host = view.host
        cdef size_t n = view.host_length, i
        cdef const KeyRecord* record
        cdef uint32_t best = NO_ROUTE
        if self.host_lengths & length_bit(n):
            record = find_key(&self.hosts.table, in_bucket(hash_bytes(self.seed, host, n), EXACT_HOST),
                              EXACT_HOST, host, n)
            if record != NULL:
                best = self.follow(record.first, view, best)
        if self.suffix_lengths:
            for i in range(1, n):
                if host[i - 1] != c"." or not self.suffix_lengths & length_bit(n - i):
                    continue
                record = find_key(&self.hosts.table, in_bucket(hash_bytes(self.seed, host + i, n - i), SUFFIX_HOST),
                                  SUFFIX_HOST, host + i, n - i)
                if record != NULL:
                    best = self.follow(record.first, view, best)
        if self.buckets[0].lowest < best:
            best = self.search(0, view, best)
        return <int>best              # NO_ROUTE is -1

    cdef uint32_t follow(self, uint32_t found, const RequestView* view, uint32_t best) noexcept:
        """Search what the record of a host leads to."""
        cdef uint32_t entry = found >> 1
        if found & HOST_DIRECT:
            return self.consider(&entry, 1, view, best)
        return self.search(entry, view, best) if self.buckets[entry].lowest < best else best

    cdef uint32_t search(self, uint32_t number, const RequestView* view, uint32_t best) noexcept:
        """The smallest of `best` and the routes of a bucket that match."""
        cdef const HostBucket* bucket = &self.buckets[number]
        cdef const KeyRecord* record
        cdef uint64_t h
        if bucket.lowest_exact < best and bucket.exact_lengths & length_bit(view.path_length):
            h = in_bucket(hash_bytes(self.seed, view.path, view.path_length), number)
            record = find_key(&self.exact.table, h, number, view.path, view.path_length)
            if record != NULL:
                best = self.consider(entries_of(&self.exact.table, record), record.count, view, best)
        if bucket.lowest_prefix < best:
            best = self.search_prefixes(number, view, best)
        return self.consider(self.scans + bucket.scan, bucket.scan_count, view, best)

    cdef uint32_t search_prefixes(self, uint32_t number, const RequestView* view, uint32_t best) noexcept:
        cdef const HostBucket* bucket = &self.buckets[number]
        cdef const char* path = view.path
        cdef size_t n = view.path_length, limit = bucket.longest_prefix, start = 0, end
        cdef uint64_t h = self.seed
        cdef const KeyRecord* record
        cdef bint slash = False
        # Every length at which a prefix may end: before a "/" or at the end, and after a "/".
        while True:
            if slash:
                h = add_slash(h)
                end = start
            else:
                end = start
                while end < n and path[end] != c"/" and end <= limit:
                    end += 1
                if end > limit:
                    return best
                if end > start:
                    h = hash_bytes(h, path + start, end - start)
            if (slash or end > start) and bucket.prefix_lengths & length_bit(end):
                record = find_key(&self.prefixes.table, in_bucket(h, number), number, path, end)
                if record != NULL and record.first >> 1 < best:
                    best = self.consider(entries_of(&self.prefixes.table, record), record.count, view, best)
                    if best <= bucket.lowest_prefix:
                        return best
            if slash:
                slash = False
                continue
            if end >= n or end >= limit:
                return best
            slash = True
            start = end + 1

    cdef uint32_t consider(self, const uint32_t* entries, uint32_t count, const RequestView* view,
                           uint32_t best) noexcept:
        """`entries` ascend: the first one below `best` whose other conditions hold wins."""
        cdef uint32_t i, route
        for i in range(count):
            route = entries[i] >> 1
            if route >= best:
                break
            if not entries[i] & ENTRY_CONDITIONS or self.holds(&self.rows[route], view):
                return route
        return best

    cdef bint holds(self, const RouteRow* row, const RequestView* view) noexcept:
        cdef uint32_t i
        cdef const Condition* condition
        if row.methods and not self.holds_method(row, view):
            return False
        if row.clients != NULL:
            if view.client == NULL or view.client.family == 1:
                return False
            if not (<AddressSet>row.clients).contains(view.client.ip):
                return False
        if row.place != NULL and not (<PlaceMatch>row.place).holds(view.place):
            return False
        if row.identity != NULL and not (<IdentityMatch>row.identity).holds(view.identity):
            return False
        for i in range(<uint32_t>row.field_count + row.query_count):
            condition = &self.conditions[row.conditions + i]
            if i < row.field_count:
                if not field_holds(condition, self.texts, view):
                    return False
            elif not query_holds(condition, self.texts, view.query, view.query_length):
                return False
        if (row.certificate != NULL or row.ja4 != NULL) and not self.holds_tls(row, view):
            return False
        if row.path == PATH_PATTERN:
            return glob_match(self.texts + row.pattern, row.pattern_length, view.path, view.path_length)
        if row.path == PATH_REGEX:
            return self.holds_regex(row.regex, view)
        return True

    cdef bint holds_tls(self, const RouteRow* row, const RequestView* view) noexcept:
        cdef bytes pattern
        if row.certificate != NULL and not (<CertificateMatch>row.certificate).holds(view.certificate):
            return False
        if row.ja4 == NULL:
            return True
        for pattern in <tuple>row.ja4:
            if glob_match(<const char*>pattern, <size_t>len(pattern), view.ja4, view.ja4_length):
                return True
        return False

    cdef bint holds_method(self, const RouteRow* row, const RequestView* view) noexcept:
        cdef uint32_t i
        cdef const Condition* name
        if not (row.methods >> view.method_id) & 1:
            return False
        if view.method_id != METHOD_OTHER:
            return True
        for i in range(row.name_count):
            name = &self.conditions[row.names + i]
            if name.name_length == view.method_length and memcmp(
                    self.texts + name.name, view.method, view.method_length) == 0:
                return True
        return False

    cdef bint holds_regex(self, int number, const RequestView* view) noexcept:
        try:
            return self.regexes[number](view.path[:view.path_length]) is not None
        except BaseException:         # recursion or memory: such a route did not match
            self.errors += 1
            return False


def match_of(spec):
    """The condition that a spec's `certificate` stands for."""
    if spec is True or spec is False:
        return CertificateMatch(spec)
    return CertificateMatch(subjects=spec.subjects, names=spec.names, fingerprints=spec.fingerprints)


def place_match(spec):
    """The condition that a spec's `place` stands for."""
    return PlaceMatch(
        countries=spec.countries, continents=spec.continents, asns=spec.asns, regions=spec.regions
    )


cdef tuple put(bytearray text, bytes piece):
    at = len(text)
    text += piece
    return at, len(piece)


cdef uint16_t put_conditions(list conditions, bytearray text, object pairs, bint fold) except? 65535:
    for name, value in pairs:
        name = (name.lower() if fold else name).encode()
        if value is True or value is False:
            conditions.append((CONDITION_PRESENT if value else CONDITION_ABSENT, put(text, name), (0, 0)))
        else:
            conditions.append((CONDITION_EQUAL, put(text, name), put(text, value.encode())))
    if len(pairs) > 1000:
        raise ValueError("over 1000 conditions on fields or query of one route")
    return <uint16_t>len(pairs)


cdef int fill_paths(KeyIndex index, dict paths, uint64_t seed, bint prefix) except -1:
    cdef bytes text
    cdef uint64_t h
    index.begin(<size_t>len(paths), sum(len(key[1]) for key in paths), sum(map(len, paths.values())))
    for (number, text), entries in paths.items():
        if prefix:
            h = hash_prefix(seed, text, <size_t>len(text))
        else:
            h = hash_bytes(seed, text, <size_t>len(text))
        index.add(number, text, in_bucket(h, number), entries)
    return 0
