# Values are made and signed when a revision is compiled (limen.runtime.cookies): a request costs a look-up here.

cimport cython
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memmove


cdef inline size_t place_in(const char* text, size_t room) noexcept nogil:
    # tokens are random: any 8 bytes of them are a hash
    cdef uint64_t start
    memcpy(&start, text, sizeof(start))
    start = (start ^ (start >> 29)) * <uint64_t>0x9E3779B97F4A7C15
    return <size_t>(start >> 32) & (room - 1)


@cython.final
cdef class Cookie:
    """A cookie named `name` with the signed values of `tokens`: a list for each thing it may stand for, the one that is
    given to clients first. `plain` and `sealed` are its attributes without and with TLS, each beginning with "; "."""

    def __cinit__(self, str name not None, list tokens not None, *, str plain="", str sealed="", bint hidden=True):
        cdef int number
        cdef int i
        cdef bytes text
        cdef size_t all = sum(len(values) for values in tokens)
        self.name = name.encode("ascii")
        self.hidden = hidden
        self.count = <int>len(tokens)
        self.room = 8
        while self.room < 2 * all:
            self.room *= 2
        self.tokens = <Token*>calloc(self.room, sizeof(Token))
        if self.tokens == NULL:
            raise MemoryError
        self.plain = []
        self.sealed = []
        for number in range(self.count):
            for i in range(<int>len(tokens[number])):
                text = tokens[number][i].encode("ascii")
                if len(text) != TOKEN_SIZE:
                    raise ValueError(f"a token has {TOKEN_SIZE} characters")
                self.lay(text, number, i == 0)
            self.plain.append(f"{name}={tokens[number][0]}{plain}".encode("ascii"))
            self.sealed.append(f"{name}={tokens[number][0]}{sealed}".encode("ascii"))

    def __dealloc__(self):
        free(self.tokens)

    def __repr__(self) -> str:
        return f"<Cookie {self.name.decode()} of {self.count}>"

    cdef int lay(self, bytes text, int number, bint first) except -1:
        cdef size_t at = place_in(<const char*>text, self.room)
        while self.tokens[at].number:
            if memcmp(self.tokens[at].text, <const char*>text, TOKEN_SIZE) == 0:
                # the same key twice
                return 0
            at = (at + 1) & (self.room - 1)
        memcpy(self.tokens[at].text, <const char*>text, TOKEN_SIZE)
        self.tokens[at].number = number + 1
        self.tokens[at].first = first
        return 0

    cdef int find(self, const char* text, size_t size, bint* first) noexcept:
        cdef size_t at
        if size != TOKEN_SIZE:
            return -1
        at = place_in(text, self.room)
        while self.tokens[at].number:
            if memcmp(self.tokens[at].text, text, TOKEN_SIZE) == 0:
                first[0] = self.tokens[at].first
                return self.tokens[at].number - 1
            at = (at + 1) & (self.room - 1)
        return -1

    cdef bytes value(self, int number, bint sealed):
        return <bytes>(self.sealed[number] if sealed else self.plain[number])

    def matches(self, bytes text not None) -> int:
        """The number that a client's value stands for; -1 for one that was not made with these keys."""
        cdef bint first = False
        return self.find(<const char*>text, <size_t>len(text), &first)


cdef size_t without_pair(const char* text, size_t size, bytes name, char* out) noexcept:
    cdef size_t at = 0
    cdef size_t end
    cdef size_t used = 0
    cdef const char* wanted = <const char*>name
    cdef size_t length = <size_t>len(name)
    while at < size:
        while at < size and (text[at] == 32 or text[at] == 59):
            at += 1
        end = at
        while end < size and text[end] != 59:
            end += 1
        if end == at:
            break
        if not (end - at > length and text[at + length] == 61 and memcmp(text + at, wanted, length) == 0):
            if used:
                out[used] = 59
                out[used + 1] = 32
                used += 2
            memmove(out + used, text + at, end - at)
            used += end - at
        at = end + 1
    return used
