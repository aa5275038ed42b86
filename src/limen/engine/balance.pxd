# Choosing one of many endpoints: groups by priority, each with one policy.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from limen.engine.policies cimport Pick
from limen.engine.seats cimport Group, Load, Seat


cdef enum Policy:
    POLICY_ROUND_ROBIN = 0
    POLICY_LEAST_REQUESTS = 1
    POLICY_TWO_CHOICES = 2
    POLICY_RANDOM = 3
    POLICY_PEAK_EWMA = 4
    POLICY_HASH = 5
    POLICY_FIRST = 6


# Health of some endpoint changed: balancers survey theirs before the next choice.
cdef void health_changed() noexcept nogil
# An endpoint answered after `time` ns; `decay` as in Group.
cdef void load_measured(Load* load, uint64_t now, uint64_t time, double decay) noexcept nogil


cdef class Balancer:
    cdef readonly int policy
    cdef readonly int count
    cdef Pick pick
    cdef Seat* seats          # owned, by index
    cdef int* places          # owned: members, order and heap of all groups
    cdef uint32_t* draws      # owned: alias and chance of all groups
    cdef Group* groups        # owned, by priority; backups last
    cdef int group_count
    cdef int live             # usable endpoints
    cdef int open             # those that may be used, should nothing else be there
    cdef const uint64_t* word_epoch   # borrowed: the board's, for the supervisor's word on endpoints
    cdef uint64_t told        # its value at the last survey
    cdef list names           # of hash: what its tables are laid by
    cdef bint laid_anew       # weights changed: tables are to be laid again
    cdef bint measures        # peaks are asked for
    cdef int cursor
    cdef double decay
    cdef double spill         # of the weight of a group: with less alive, it gives load away
    cdef uint64_t slow_start  # ns; 0 = off
    cdef uint64_t epoch       # of the last survey
    cdef uint64_t survey_at   # monotonic ns

    # Index of an endpoint that has room; -1: none. Not `avoid` (an index; it has just failed) if another will do.
    cdef int choose(self, uint64_t now, int avoid, uint64_t key) noexcept
    # Take the place of another one.
    cdef void follow(self, Balancer before, const int* seats) noexcept
    # Whether an exchange that belongs to this endpoint (its client has it by a cookie) may go there, if it has room:
    # a draining endpoint keeps its own.
    cdef bint may_keep(self, uint64_t now, int index) noexcept
    # Choose among the endpoints of another balancer, by its weights and bounds.
    cdef int obey(self, Balancer leader) except -1
    # Survey the endpoints, if something has happened since the last time.
    cdef void look(self, uint64_t now) noexcept
    cdef void survey(self, uint64_t now) noexcept
    cdef void survey_group(self, Group* group, uint64_t now) noexcept
    cdef bint survey_seat(self, Group* group, Seat* seat, uint64_t now) noexcept
    cdef void portion_out(self) noexcept
    cdef int choose_group(self, uint64_t now, int avoid, uint64_t key) noexcept
    cdef int choose_out(self, int avoid) noexcept
    cdef int lay_groups(self) except -1
    cdef int lay_tables(self) except -1
    cdef int fill_table(self, Group* group) except -1
    cdef void lay_again(self) noexcept
