"""From the text of a list of names to its table (host_lists.pxd says how it is laid out).

Formats: `hosts` (an address, then names), `domains` (a name per line), `adblock` (`||name^`, and `@@` before it for
names that are spared), `rpz` (a zone file of response policy), `suffixes` (the Public Suffix List). A line that is not
understood whole is not taken at all: it is counted by its reason, with the number of the first.
Run as a process of its own by limen.runtime.lists: whatever a file holds, it ends there.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcmp

from limen.engine.addresses cimport HOST_NAME, TargetHost, parse_authority, parse_ip
from limen.engine.bytes cimport same_folded
from limen.engine.host_lists cimport (
    AT_BUCKETS,
    AT_CLOSEST,
    AT_ENTRIES,
    AT_KEY,
    AT_MAGIC,
    AT_SPARED,
    AT_VERSION,
    BUCKET,
    HOST_BELOW,
    HOST_FLAGS,
    HOST_HEAD,
    HOST_SELF,
    HOST_VERSION,
    first_bucket,
    host_hash,
)
from limen.engine.types cimport Address


cdef uint64_t MAGIC = 0x4C494D454E484F53ULL   # "LIMENHOS"

cdef enum:
    MOST_TOKENS = 64              # of a line; hosts files have nine names at most where resolvers mind
    LONGEST_LINE = 65536          # bytes; a longer one is not understood
    # Names of a table's cells that are in use: 6.4 of 8, so that a chain leaves its bucket seldom.
    FILLED = 5                    # of each FILLED_OF
    FILLED_OF = 4


cdef enum Format:
    FORMAT_HOSTS = 0
    FORMAT_DOMAINS = 1
    FORMAT_ADBLOCK = 2
    FORMAT_RPZ = 3
    FORMAT_SUFFIXES = 4


cdef enum Reason:
    UNDERSTOOD = 0
    NO_NAME = 1
    NO_ADDRESS = 2
    COSMETIC = 3
    OPTIONS = 4
    PATTERN = 5
    TRIGGER = 6
    POLICY = 7
    RECORD = 8
    REASONS = 9


FORMATS = {"hosts": FORMAT_HOSTS, "domains": FORMAT_DOMAINS, "adblock": FORMAT_ADBLOCK, "rpz": FORMAT_RPZ,
           "suffixes": FORMAT_SUFFIXES}

WORDS = {
    NO_NAME: "no host name",
    NO_ADDRESS: "no address before the names",
    COSMETIC: "a rule on elements of pages",
    OPTIONS: "a rule with options",
    PATTERN: "a pattern on more than a name",
    TRIGGER: "a trigger on addresses or name servers",
    POLICY: "a policy that is neither refusal nor passthru",
    RECORD: "a record of another kind",
}


cdef struct Cells:
    uint64_t* words               # owned
    size_t count
    size_t room


cdef struct Token:
    const char* text
    size_t size


cdef int put_cell(Cells* cells, uint64_t word) except -1 nogil:
    cdef void* grown
    if cells.count == cells.room:
        cells.room = 2 * cells.room + 1024
        grown = realloc(cells.words, cells.room * sizeof(uint64_t))
        if grown == NULL:
            with gil:
                raise MemoryError
        cells.words = <uint64_t*>grown
    cells.words[cells.count] = word
    cells.count += 1
    return 0


cdef inline bint is_blank(char c) noexcept nogil:
    return c == 32 or c == 9 or c == 13


cdef inline bint is_text(const Token* token, const char* text, size_t size) noexcept nogil:
    """Without regard to case; `text` is in lower case."""
    return token.size == size and same_folded(token.text, text, size)


cdef inline bint ends_with(const Token* token, const char* text, size_t size) noexcept nogil:
    cdef Token rest
    if token.size < size:
        return False
    rest.text = token.text + token.size - size
    rest.size = size
    return is_text(&rest, text, size)


cdef inline bint is_digits(const Token* token) noexcept nogil:
    cdef size_t i
    for i in range(token.size):
        if not 48 <= token.text[i] <= 57:
            return False
    return token.size > 0


cdef class _Builder:
    """Of one table."""

    cdef Cells listed
    cdef Cells spared
    cdef uint64_t key[2]
    cdef size_t most
    cdef size_t counts[REASONS]
    cdef size_t first[REASONS]
    cdef object to_ascii
    cdef int format
    cdef int plain                # flags of a plain name
    cdef bytes origin             # of an RPZ zone, without its last dot; empty: not known
    cdef bytes owner              # of the last record
    cdef bint in_parentheses
    cdef bint in_private          # section of a list of suffixes

    def __cinit__(self, bytes key not None, int format, bint below, size_t most, object to_ascii):
        cdef int i
        if len(key) != 16:
            raise ValueError("the key has 16 bytes")
        self.key[0] = int.from_bytes(key[:8], "little")
        self.key[1] = int.from_bytes(key[8:], "little")
        self.format = format
        self.plain = HOST_SELF | HOST_BELOW if below else HOST_SELF
        self.most = most
        self.to_ascii = to_ascii
        self.origin = self.owner = b""
        self.listed.words = self.spared.words = NULL
        self.listed.count = self.listed.room = self.spared.count = self.spared.room = 0
        for i in range(<int>REASONS):
            self.counts[i] = self.first[i] = 0

    def __dealloc__(self):
        free(self.listed.words)
        free(self.spared.words)

    cdef int add(self, const char* name, size_t size, int flags, bint spares) except -1:
        """One name in any spelling; a Reason."""
        cdef bytes text
        cdef size_t i
        for i in range(size):
            if name[i] < 0:
                try:
                    text = self.to_ascii(name[:size].decode("utf-8")).encode("ascii")
                except (UnicodeError, ValueError):
                    return NO_NAME
                return self.add_plain(text, <size_t>len(text), flags, spares)
        return self.add_plain(name, size, flags, spares)

    cdef int add_plain(self, const char* name, size_t size, int flags, bint spares) except -1:
        cdef TargetHost host
        cdef Cells* cells = &self.spared if spares else &self.listed
        cdef uint64_t h
        if size == 0 or size > 254 or parse_authority(name, size, 0, &host) != 0 or host.has_port:
            return NO_NAME
        if name[size - 1] == 58:
            return NO_NAME                # an empty port
        if host.kind != HOST_NAME:
            flags &= HOST_SELF            # nothing lies below an address
            if flags == 0:
                return NO_NAME
        if self.listed.count + self.spared.count >= self.most:
            raise ValueError(f"over {self.most} names")
        h = host_hash(self.key, host.name, host.name_length) & ~<uint64_t>HOST_FLAGS
        put_cell(cells, (h or HOST_FLAGS + 1) | <uint64_t>flags)
        return UNDERSTOOD

    cdef int dotted(self, const char* name, size_t size, int flags, bint spares) except -1:
        """A name, `.name` (itself and all below) or `*.name` (all below)."""
        if size > 1 and name[0] == 46:
            return self.add(name + 1, size - 1, HOST_SELF | HOST_BELOW, spares)
        if size > 2 and name[0] == 42 and name[1] == 46:
            return self.add(name + 2, size - 2, HOST_BELOW, spares)
        return self.add(name, size, flags, spares)

    cdef int line(self, const char* p, size_t n, size_t number) except -1:
        cdef Token tokens[MOST_TOKENS]
        cdef int reason
        while n and is_blank(p[n - 1]):
            n -= 1
        if self.format == FORMAT_ADBLOCK:
            while n and is_blank(p[0]):
                p += 1
                n -= 1
            reason = self.adblock(p, n)
        elif self.format == FORMAT_SUFFIXES:
            reason = self.suffix(p, n)
        else:
            reason = self.words(p, n, tokens)
        if reason != UNDERSTOOD:
            if self.counts[reason] == 0:
                self.first[reason] = number
            self.counts[reason] += 1
        return 0

    cdef int words(self, const char* p, size_t n, Token* tokens) except -1:
        """A line of words; a comment begins at its beginning or after a blank."""
        cdef size_t at = 0, start
        cdef int count = 0, i, reason, worst = UNDERSTOOD
        cdef Address address
        cdef bint indented = n > 0 and is_blank(p[0])
        if n > LONGEST_LINE:
            return NO_NAME
        while at < n:
            while at < n and is_blank(p[at]):
                at += 1
            if at == n or p[at] == 59 or (p[at] == 35 and self.format != FORMAT_RPZ):
                break
            start = at
            while at < n and not is_blank(p[at]) and not (p[at] == 59 and self.format == FORMAT_RPZ):
                at += 1
            if count == MOST_TOKENS:
                return NO_NAME
            tokens[count].text = p + start
            tokens[count].size = at - start
            count += 1
        if count == 0:
            return UNDERSTOOD
        if self.format == FORMAT_RPZ:
            return self.record(tokens, count, indented)
        if self.format == FORMAT_DOMAINS:
            return self.dotted(tokens[0].text, tokens[0].size, self.plain, False) if count == 1 else NO_NAME
        start = 0
        while start < tokens[0].size and tokens[0].text[start] != 37:
            start += 1                    # fe80::1%lo0
        if count < 2 or parse_ip(tokens[0].text, start, &address) != 0:
            return NO_ADDRESS
        for i in range(1, count):
            if is_own(&tokens[i]):
                continue
            reason = self.add(tokens[i].text, tokens[i].size, self.plain, False)
            if reason != UNDERSTOOD:
                worst = reason
        return worst

    cdef int adblock(self, const char* p, size_t n) except -1:
        cdef bint spares = False
        cdef size_t i
        if n == 0 or p[0] == 33 or (p[0] == 91 and p[n - 1] == 93):
            return UNDERSTOOD             # "!" a comment, "[Adblock Plus 2.0]"
        for i in range(n - 1):
            # ##, #@#, #?#, #$#, #%#
            if p[i] == 35 and (p[i + 1] == 35 or (i + 2 < n and p[i + 2] == 35) or p[i + 1] == 64):
                return COSMETIC
        if p[0] == 35:
            return UNDERSTOOD             # a comment as hosts files have them
        if n > 2 and p[0] == 64 and p[1] == 64:
            spares = True
            p += 2
            n -= 2
        if n > 4 and memcmp(p + n - 4, b"$all", 4) == 0:
            n -= 4                        # an option that says what holds here anyway: for requests of all kinds
        for i in range(n):
            if p[i] == 36:
                return OPTIONS
        if n < 4 or p[0] != 124 or p[1] != 124:
            return PATTERN
        p += 2
        n -= 2
        if p[n - 1] == 124:
            n -= 1                        # "^|": the same
        if n < 2 or p[n - 1] != 94:
            return PATTERN
        n -= 1
        for i in range(n):
            if p[i] == 47 or p[i] == 94 or p[i] == 124 or p[i] == 58 or (p[i] == 42 and (i or n < 3 or p[1] != 46)):
                return PATTERN
        return self.dotted(p, n, HOST_SELF | HOST_BELOW, spares)

    cdef int suffix(self, const char* p, size_t n) except -1:
        """A rule of the Public Suffix List, up to the first blank: a name, `*.name`, or `!name` for an exception.

        What stands under PRIVATE DOMAINS belongs to companies, not to registries: there anybody has the name he likes.
        """
        cdef size_t at = 0
        if n >= 2 and p[0] == 47 and p[1] == 47:
            self.in_private = self.in_private or b"===BEGIN PRIVATE DOMAINS===" in p[:n]
            return UNDERSTOOD
        while at < n and not is_blank(p[at]):
            at += 1
        if at == 0 or self.in_private:
            return UNDERSTOOD
        if p[0] == 33:
            return self.add(p + 1, at - 1, HOST_SELF, True)
        return self.dotted(p, at, HOST_SELF, False) if p[0] != 46 else NO_NAME

    cdef int record(self, Token* tokens, int count, bint indented) except -1:
        """A record of a zone file: [owner] [ttl] [IN] type data."""
        cdef Token* kind
        cdef Token* data
        cdef Token owner
        cdef int at = 0 if indented else 1, i
        cdef bint spares = False, ends
        if self.in_parentheses:           # of the SOA, whose numbers say nothing here
            for i in range(count):
                if tokens[i].text[tokens[i].size - 1] == 41:
                    self.in_parentheses = False
            return UNDERSTOOD
        if tokens[0].text[0] == 36:
            if is_text(&tokens[0], b"$origin", 7) and count > 1:
                self.origin = trimmed(&tokens[1])
                return UNDERSTOOD
            return UNDERSTOOD if is_text(&tokens[0], b"$ttl", 4) else RECORD
        if not indented:
            self.owner = tokens[0].text[:tokens[0].size]
        while at < count and (is_digits(&tokens[at]) or is_ttl(&tokens[at]) or is_text(&tokens[at], b"in", 2)):
            at += 1
        if at >= count:
            return RECORD
        kind = &tokens[at]
        if is_text(kind, b"soa", 3):
            for i in range(at, count):
                self.in_parentheses = self.in_parentheses or tokens[i].text[0] == 40
            for i in range(at, count):
                if tokens[i].text[tokens[i].size - 1] == 41:
                    self.in_parentheses = False
            if not self.origin and self.owner.endswith(b"."):
                self.origin = self.owner.removesuffix(b".")
            return UNDERSTOOD
        if is_text(kind, b"ns", 2):
            return UNDERSTOOD
        if not is_text(kind, b"cname", 5) or at + 2 != count:
            return RECORD
        data = &tokens[at + 1]
        if is_text(data, b"rpz-passthru.", 13):
            spares = True
        elif not (is_text(data, b".", 1) or is_text(data, b"*.", 2) or is_text(data, b"rpz-drop.", 9)):
            return POLICY
        owner.text = <const char*>self.owner
        owner.size = <size_t>len(self.owner)
        ends = owner.size > 0 and owner.text[owner.size - 1] == 46
        if ends:
            # an absolute name lies below the origin
            i = <int>len(self.origin) + 1
            owner.size -= 1
            if i == 1 or owner.size <= <size_t>i or owner.text[owner.size - <size_t>i] != 46:
                return NO_NAME
            if not ends_with(&owner, self.origin.lower(), <size_t>i - 1):
                return NO_NAME
            owner.size -= <size_t>i
        if (ends_with(&owner, b".rpz-ip", 7) or ends_with(&owner, b".rpz-client-ip", 14)
                or ends_with(&owner, b".rpz-nsip", 9) or ends_with(&owner, b".rpz-nsdname", 12)):
            return TRIGGER
        if owner.size and owner.text[0] == 46:
            return NO_NAME
        return self.dotted(owner.text, owner.size, HOST_SELF, spares)

    cdef bytearray table(self):
        cdef size_t listed = distinct(&self.listed), spared = distinct(&self.spared)
        cdef uint64_t buckets = buckets_for(listed), others = buckets_for(spared) if spared else 0
        cdef bytearray made = bytearray((HOST_HEAD + BUCKET * (buckets + others)) * 8)
        cdef char* place = made
        cdef uint64_t* words = <uint64_t*>place
        words[AT_MAGIC] = MAGIC
        words[AT_VERSION] = HOST_VERSION
        words[AT_BUCKETS] = buckets
        words[AT_SPARED] = others
        words[AT_CLOSEST] = self.format == FORMAT_RPZ
        words[AT_ENTRIES] = listed + spared
        words[AT_KEY] = self.key[0]
        words[AT_KEY + 1] = self.key[1]
        fill(words + HOST_HEAD, buckets, &self.listed)
        if others:
            fill(words + HOST_HEAD + BUCKET * buckets, others, &self.spared)
        return made


cdef bytes trimmed(const Token* token):
    return token.text[:token.size].rstrip(b".")


cdef inline bint is_ttl(const Token* token) noexcept nogil:
    """As BIND has them: 1h30m."""
    cdef size_t i
    for i in range(token.size):
        if not 48 <= token.text[i] <= 57 and (i == 0 or (token.text[i] | 32) not in (b"s", b"m", b"h", b"d", b"w")):
            return False
    return token.size > 0


cdef inline bint is_own(const Token* token) noexcept nogil:
    """Names by which hosts files call the machine itself."""
    return (
        is_text(token, b"localhost", 9) or is_text(token, b"localhost.localdomain", 21) or is_text(token, b"local", 5)
        or is_text(token, b"broadcasthost", 13) or is_text(token, b"0.0.0.0", 7)
        or (token.size > 4 and memcmp(token.text, b"ip6-", 4) == 0)
    )


cdef int compare(const void* a, const void* b) noexcept nogil:
    cdef uint64_t x = (<const uint64_t*>a)[0], y = (<const uint64_t*>b)[0]
    return (x > y) - (x < y)


cdef size_t distinct(Cells* cells) noexcept nogil:
    """Sort, and join those of one name; so the table is filled from its beginning to its end."""
    cdef size_t i, kept = 0
    if cells.count == 0:
        return 0
    qsort(cells.words, cells.count, sizeof(uint64_t), compare)
    for i in range(1, cells.count):
        if (cells.words[i] ^ cells.words[kept]) <= HOST_FLAGS:
            cells.words[kept] |= cells.words[i] & HOST_FLAGS
        else:
            kept += 1
            cells.words[kept] = cells.words[i]
    cells.count = kept + 1
    return cells.count


cdef inline uint64_t buckets_for(size_t count) noexcept nogil:
    return (<uint64_t>count * FILLED // FILLED_OF) // BUCKET + 1


cdef void fill(uint64_t* table, uint64_t buckets, const Cells* cells) noexcept nogil:
    cdef size_t i
    cdef uint64_t bucket
    cdef uint64_t* place
    cdef int k
    for i in range(cells.count):
        bucket = first_bucket(cells.words[i], buckets)
        k = 0
        place = table + bucket * BUCKET
        while place[k]:
            k += 1
            if k == BUCKET:
                k = 0
                bucket = bucket + 1 if bucket + 1 < buckets else 0
                place = table + bucket * BUCKET
        place[k] = cells.words[i]


def build(
    bytes text not None, str kind not None, bytes key not None, object to_ascii, *, bint below=True,
    int most=16_000_000,
):
    """The table of a list's text, and of what was not understood: (lines, the first of them) by reason.

    `key` (16 bytes) is that of the hash; `to_ascii` gives a name with other letters its form in ASCII, or raises
    ValueError; `below`: a plain name stands for all below it, too. ValueError if there are over `most` names.
    """
    cdef const char* p = text
    cdef size_t size = <size_t>len(text), at = 0, end, number = 0
    cdef _Builder builder = _Builder(key, FORMATS[kind], below, most, to_ascii)
    if text.startswith(b"\xef\xbb\xbf"):
        at = 3
    while at < size:
        number += 1
        end = at
        while end < size and p[end] != 10:
            end += 1
        builder.line(p + at, end - at, number)
        at = end + 1
    ignored = {WORDS[i]: (builder.counts[i], builder.first[i]) for i in range(1, <int>REASONS) if builder.counts[i]}
    return builder.table(), ignored
