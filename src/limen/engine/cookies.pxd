# Cookies that Limen sets itself: which value stands for which of several things, and the prepared fields that say so.


cdef enum:
    TOKEN_SIZE = 22           # characters: 128 bits in base64


cdef struct Token:
    char text[22]
    int number                # of what it stands for, counted from 1; 0: this place is free
    bint first                # signed with the first key: nothing newer to give


cdef class Cookie:
    cdef readonly bytes name
    cdef readonly bint hidden # taken out of what origins see
    cdef readonly int count
    cdef Token* tokens        # owned: a hash table, at most half full
    cdef size_t room          # a power of two
    cdef list plain           # Set-Cookie values by number
    cdef list sealed          # the same for clients that came by TLS

    # What the value stands for, from 0; -1 for one that nobody here has signed.
    cdef int find(self, const char* text, size_t size, bint* first) noexcept
    cdef bytes value(self, int number, bint sealed)
    cdef int lay(self, bytes text, int number, bint first) except -1


# `text` (a Cookie field's value) without the pairs of this name, into `out` (as long as `text`); the length.
cdef size_t without_pair(const char* text, size_t size, bytes name, char* out) noexcept
