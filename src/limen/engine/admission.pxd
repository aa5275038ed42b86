# Whether an exchange may pass what stands before its route, and what its answer says of that.

from libc.stdint cimport uint64_t

from limen.engine.guard cimport Guard
from limen.engine.state cimport ExchangeState

# FAULT_NONE, or why not. Concurrency that was entered is left by leave_limits(), once, when the exchange is over.
cdef int admit(ExchangeState exchange) noexcept
# The same of an exchange that is only asked about: nothing is counted, entered or used up.
cdef int would_admit(ExchangeState exchange) noexcept
# How these limits stand for such an exchange, in order: dicts, see explain.pyi.
cdef list limits_now(ExchangeState exchange, Guard guard)
# The limits of the access rule that allowed it, once however often the rule is asked. `more`: what it has passed by
# other rules goes on (of an association, whose targets are many); bandwidth and quotas of all of them count for all.
cdef int admit_rule(ExchangeState exchange, Guard guard, bint more) noexcept
cdef void leave_limits(ExchangeState exchange) noexcept
# Whether its address may come by this guard.
cdef bint is_welcome(ExchangeState exchange, Guard guard) noexcept
# Measure by this guard's bandwidth and quotas, too; `anew`: it was admitted before, and counts as no other one.
cdef int begin_meter(ExchangeState exchange, Guard guard, bint anew) noexcept
# The least of how long a tunnel of these guards (None: nothing is said) may last and `most`, in ns.
cdef uint64_t life_of(Guard guard, Guard rule_guard, uint64_t most) noexcept
# Add RateLimit fields to worker.out: with `refused` of the limit that refused, else of those that tell.
cdef void add_limit_fields(ExchangeState exchange, unsigned int* count, bint refused) noexcept
# Retry-After in seconds of an exchange that was not admitted; length 0: not told. `room` holds 20 bytes.
cdef int retry_after(ExchangeState exchange, char* room) noexcept
