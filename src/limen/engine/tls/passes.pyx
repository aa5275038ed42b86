# Names are found in O(1) per label; of all that fit, the one configured first wins.

from libc.stdint cimport uint32_t
from libc.string cimport memcmp

from limen.engine.keys cimport KeyIndex, KeyRecord, entries_of, find_key, hash_bytes, in_bucket
from limen.engine.tls.hello cimport Hello

import os


cdef enum:
    EXACT = 0                 # buckets of names
    WILDCARD = 1              # what follows the first label
    BELOW = 2                 # the name itself and all below it
    NAME_MOST = 255


cdef class PassTable:
    """Routes of TLS connections by what their hello says: (names or None, protocols or None, action) each."""

    def __init__(self, routes):
        found: dict[tuple[int, bytes], list[int]] = {}
        cdef bytes key
        cdef uint32_t bucket
        self.actions = [action for _, _, action in routes]
        self.protocols = [
            None if protocols is None else tuple(text.encode("ascii") for text in protocols)
            for _, protocols, _ in routes
        ]
        self.anywhere = [number for number, (names, _, _) in enumerate(routes) if names is None]
        for number, (names, _, _) in enumerate(routes):
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

    cdef int find(self, const Hello* hello) noexcept:
        cdef char text[NAME_MOST]
        cdef const char* name = hello.message + hello.name
        cdef size_t size = hello.name_length
        cdef size_t at
        cdef int best = -1
        cdef int number
        for number in self.anywhere:
            if self.speaks(number, hello):
                best = number
                break
        if not 0 < size <= NAME_MOST:
            return best
        for at in range(size):
            text[at] = name[at] | 32 if 65 <= name[at] <= 90 else name[at]
        if text[size - 1] == 46:
            size -= 1
        best = self.judge(EXACT, text, size, hello, best)
        best = self.judge(BELOW, text, size, hello, best)
        at = 0
        while at < size and text[at] != 46:
            at += 1
        if 0 < at < size:
            best = self.judge(WILDCARD, text + at, size - at, hello, best)
        while at < size:
            if text[at] == 46:
                best = self.judge(BELOW, text + at + 1, size - at - 1, hello, best)
            at += 1
        return best

    cdef int judge(self, uint32_t bucket, const char* text, size_t size, const Hello* hello, int best) noexcept:
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
            if self.speaks(number, hello):
                return number
        return best

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
