# What the access log does not tell: parts of a record are left out, cut, or replaced by pseudonyms, which are the same
# for the same value within a period, in all workers, and cannot be joined across periods without the key.

from libc.stdint cimport uint8_t, uint64_t

from limen.engine.journal cimport LogRecord


cdef enum Reveal:
    REVEAL_FULL = 0
    REVEAL_PART = 1           # of an address its network (/24, /48), of a target its host
    REVEAL_PSEUDONYM = 2
    REVEAL_NONE = 3


cdef enum:
    PSEUDONYM_SIZE = 17       # "~" and 16 hexadecimal digits
    CONCEAL_ROOM = 8 * PSEUDONYM_SIZE


cdef enum PseudonymOf:
    # What pseudonyms are of: equal values of two kinds have nothing in common. limen/observe/discretion.py has them.
    PSEUDONYM_CLIENT = 1
    PSEUDONYM_USER = 2
    PSEUDONYM_TARGET = 3


cdef struct Concealment:
    uint8_t clients           # Reveal, each
    uint8_t users
    uint8_t targets
    uint64_t key[2]           # of all periods
    uint64_t span             # ns of a period; 0: one without end
    uint64_t number           # of the period that `current` is for; 0: none yet
    uint64_t current[2]


# Whether anything is to be concealed.
cdef inline bint conceals(const Concealment* how) noexcept nogil:
    return how.clients or how.users or how.targets


# From (clients, users, targets, a secret of 16 bytes, seconds of a period). ValueError for what is none.
cdef int lay_concealment(Concealment* how, tuple settings) except -1
# In place; texts that are made anew go to `room`, of CONCEAL_ROOM bytes.
cdef void conceal(Concealment* how, LogRecord* record, char* room) noexcept nogil
