# How busy endpoints say they are, in a field of ordinary responses: a plain number, or ORCA's load report.

from libc.stdint cimport int64_t, uint64_t

from limen.engine.seats cimport Load
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Field, Head


cdef enum:
    REPORT_MOST = 4096        # bytes of a report; longer ones say nothing


# The utilisation that the value tells, in thousandths (more than all is all); -1: none, or none that can be read.
cdef int parse_report(const char* value, size_t size) noexcept nogil
# What the response says of its endpoint, for all workers. Only where the upstream has such a field.
cdef void take_report(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept
cdef bint is_report(ExchangeState exchange, const Field* field, const char* base) noexcept
# In thousandths, as far as it was told within the last ten seconds; *until: monotonic ns when it is forgotten, or 0.
cdef int busy_now(const Load* load, uint64_t now, uint64_t* until) noexcept nogil
# Tell it.
cdef void note_busy(Load* load, uint64_t now, int busy) noexcept
