# Names are found in O(1) per label; of all that fit, the one configured first wins.

from libc.stdint cimport uint32_t
from libc.string cimport memcmp

from limen.engine.keys cimport KeyIndex, KeyRecord, entries_of, find_key, hash_bytes, in_bucket
from limen.engine.paths cimport glob_match
from limen.engine.tls.hello cimport Hello

import os


cdef enum:
    EXACT = 0                 # buckets of names
    WILDCARD = 1              # what follows the first label
    BELOW = 2                 # the name itself and all below it
    NAME_MOST = 255


cdef object encoded(texts):
    return None if texts is None else tuple(text.encode("ascii") for text in texts)


cdef class PassTable:
    """Routes of TLS connections by what their hello says: (names, protocols, JA4 patterns, action) each, None: any."""

    def __init__(self, routes):
        found: dict[tuple[int, bytes], list[int]] = {}
        cdef bytes key
        cdef uint32_t bucket
        self.actions = [action for _, _, _, action in routes]
        self.protocols = [encoded(protocols) for _, protocols, _, _ in routes]
        self.fingerprints = [encoded(fingerprints) for _, _, fingerprints, _ in routes]
        self.asks_ja4 = any(fingerprints is not None for fingerprints in self.fingerprints)
        self.anywhere = [number for number, (names, _, _, _) in enumerate(routes) if names is None]
        free = [n for n in self.anywhere if self.protocols[n] is None and self.fingerprints[n] is None]
        self.rest = free[0] if free else -1
        for number, (names, _, _, _) in enumerate(routes):
            for name in names or ():
                text = name.encode("ascii")
                if not 0 < len(text) <= NAME_MOST or text != text.lower():
                    raise ValueError(f"not a name in lower case: {name!r}")
                if text.startswith(b"*."):
                    place = (WILDCARD, text[1:])
                elif text.startswith(b"."):
                    place = (BELOW, text[1:])
                else:
                    place = (EXACT, text)
                if number not in found.setdefault(place, []):
                    found[place].append(number)
        self.seed = int.from_bytes(os.urandom(8), "little")
        self.names = KeyIndex.__new__(KeyIndex)
        self.names.begin(len(found), sum(len(text) for _, text in found), sum(map(len, found.values())))
        for (bucket, key), numbers in found.items():
            self.names.add(bucket, key, in_bucket(hash_bytes(self.seed, key, len(key)), bucket), numbers)

    def __repr__(self) -> str:
        return f"<PassTable routes={len(self.actions)}>"

    cdef int find(self, const Hello* hello, bytes ja4) noexcept:
        cdef int best = -1
        cdef int number
        for number in self.anywhere:
            if self.fits(number, hello, ja4):
                best = number
                break
        return self.search(hello.message + hello.name, hello.name_length, hello, ja4, best)

    cdef int find_host(self, const char* name, size_t size) noexcept:
        return self.search(name, size, NULL, None, self.rest)

    cdef int search(self, const char* name, size_t size, const Hello* hello, bytes ja4, int best) noexcept:
        cdef char text[NAME_MOST]
        cdef size_t at
        if not 0 < size <= NAME_MOST:
            return best
        for at in range(size):
            text[at] = name[at] | 32 if 65 <= name[at] <= 90 else name[at]
        if text[size - 1] == 46:
            size -= 1
        best = self.judge(EXACT, text, size, hello, ja4, best)
        best = self.judge(BELOW, text, size, hello, ja4, best)
        at = 0
        while at < size and text[at] != 46:
            at += 1
        if 0 < at < size:
            best = self.judge(WILDCARD, text + at, size - at, hello, ja4, best)
        while at < size:
            if text[at] == 46:
                best = self.judge(BELOW, text + at + 1, size - at - 1, hello, ja4, best)
            at += 1
        return best

    cdef int judge(
        self, uint32_t bucket, const char* text, size_t size, const Hello* hello, bytes ja4, int best
    ) noexcept:
        """The best so far, or a number before it that has this name."""
        cdef const KeyRecord* record = find_key(
            &self.names.table, in_bucket(hash_bytes(self.seed, text, size), bucket), bucket, text, size
        )
        cdef uint32_t i
        cdef int number
        if record == NULL:
            return best
        for i in range(record.count):
            number = <int>entries_of(&self.names.table, record)[i]
            if 0 <= best <= number:
                break
            if self.fits(number, hello, ja4):
                return number
        return best

    cdef bint fits(self, int number, const Hello* hello, bytes ja4) noexcept:
        """Beside the name. Without a hello: whether every hello does."""
        cdef object wanted = self.fingerprints[number]
        cdef bytes pattern
        if hello == NULL:
            return wanted is None and self.protocols[number] is None
        if not self.speaks(number, hello):
            return False
        if wanted is None:
            return True
        for pattern in <tuple>wanted:
            if ja4 is not None and glob_match(
                <const char*>pattern, <size_t>len(pattern), <const char*>ja4, <size_t>len(ja4)
            ):
                return True
        return False

    cdef bint speaks(self, int number, const Hello* hello) noexcept:
        cdef object wanted = self.protocols[number]
        cdef bytes protocol
        cdef uint32_t at = hello.alpn
        cdef uint32_t end = hello.alpn + hello.alpn_length
        cdef uint32_t length
        if wanted is None:
            return True
        while at < end:
            length = <unsigned char>hello.message[at]
            for protocol in <tuple>wanted:
                if <uint32_t>len(protocol) == length and (
                    memcmp(<const char*>protocol, hello.message + at + 1, length) == 0
                ):
                    return True
            at += 1 + length
        return False
