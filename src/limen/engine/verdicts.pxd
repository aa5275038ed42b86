# What access rules see of a request, and what follows from their verdict.

from limen.engine.access cimport AccessView
from limen.engine.addresses cimport TargetHost
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Address, Field, Head

# Who asks for what, as far as the rules ask for it; `target` is NULL.
cdef void lay_request(ExchangeState exchange, AccessView* view) noexcept
# The address that is about to be dialled, and its place; NULL: it is not known yet.
cdef void lay_target(ExchangeState exchange, AccessView* view, const Address* target) noexcept
# A fault, or FAULT_NONE: with the limits of the rule taken, and `redirect` set. `dialled`: the view's target is what is
# about to be dialled, so that it is too late for another.
cdef int follow(ExchangeState exchange, AccessView* view, int decision, bint dialled) noexcept
# The rules on the response, where it is a reply to a request that they let pass: FAULT_DENIED, with `rule` set, or
# FAULT_NONE. Only those count that stand before the rule that let it pass.
cdef int check_answer(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept
# The host that is dialled, or asked of a parent: the target, or what a rule says instead. Borrowed as long as nothing
# else runs: the rule's is shared by all that it redirects, and gets the port of this one.
cdef const TargetHost* goal_of(ExchangeState exchange) noexcept
