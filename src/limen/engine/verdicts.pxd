# What access rules see of a request, and what follows from their verdict.

from limen.engine.access cimport AccessView
from limen.engine.state cimport ExchangeState

# Scheme, path and content of the request, as far as the rules ask for them.
cdef void lay_request_view(ExchangeState exchange, AccessView* view) noexcept
# A fault, or FAULT_NONE: with the limits of the rule taken, and `redirect` set. `dialled`: the view's target is what is
# about to be dialled, so that it is too late for another.
cdef int follow(ExchangeState exchange, AccessView* view, int decision, bint dialled) noexcept
