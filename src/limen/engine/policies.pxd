# The ways to choose one of a group's live endpoints. Each gives an index, or -1 if none has room.

from libc.stdint cimport uint64_t

from limen.engine.seats cimport Group


ctypedef int (*Pick)(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil


cdef int pick_turn(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil
cdef int pick_least(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil
cdef int pick_two(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil
cdef int pick_random(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil
cdef int pick_ewma(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil
cdef int pick_hash(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil
cdef int pick_first(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil

# After a survey: lay the live ones out anew for turns, for draws.
cdef void settle_turns(Group* group) noexcept nogil
cdef void settle_draws(Group* group) noexcept nogil
