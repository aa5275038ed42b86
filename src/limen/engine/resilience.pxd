# What a route does beyond one attempt, compiled: conditions, budget and pauses of retries, its deadline, its mirror and
# its hedge.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.upstream cimport Upstream


cdef enum Cause:
    # Why an attempt has failed; bits, as `retry.on` lists them.
    CAUSE_NONE = 0            # nothing that is ever repeated
    CAUSE_DIAL = 1            # the request never left: no connection
    CAUSE_RESET = 2           # the connection ended before an answer
    CAUSE_TIMEOUT = 4         # no answer in time
    CAUSE_STATUS = 8          # an answer, with one of `statuses`


cdef class Resilience:
    cdef readonly int on              # Cause bits
    cdef bytes statuses               # one byte per status below 600, or None: answers are not looked at
    cdef uint64_t per_try             # ns; 0 = no bound of its own
    cdef uint64_t total               # ns; 0 = none
    cdef double budget_share          # of the upstream's live exchanges
    cdef long budget_least            # retries that may be under way whatever the share says
    cdef uint64_t budget_wait         # ns that a retry waits for the budget
    cdef uint64_t backoff_base        # ns; 0 = no pauses
    cdef uint64_t backoff_most        # ns
    cdef bytes deadline_field         # name of the field that tells origins the time left, or None
    cdef bint deadline_grpc           # written like grpc-timeout, else as plain milliseconds
    cdef readonly Upstream mirror     # None: no copies
    cdef uint32_t mirror_share        # of 2^32 - 1
    cdef long mirror_most             # copies under way, per worker
    cdef bytes mirror_field           # its name; the value is 1
    cdef readonly long mirrors        # copies under way now
    cdef uint64_t hedge_after         # ns; 0 = never
    cdef long hedge_most              # hedges under way at the upstream, all workers together; 0 = no such bound
    cdef double hedge_share           # likewise, of its live exchanges; one is always allowed
    cdef readonly bint urgent         # waits before others while the upstream is full
    cdef bint guarded                 # something here has to be looked at in every exchange
    cdef uint64_t random              # state of draw_next()

    cdef uint64_t draw(self) noexcept
