# What a hook that has an exchange parked is told from outside.

from limen.engine.keep cimport Keep
from limen.engine.state cimport ExchangeState


# Give the whole content to the hook that waits for it; None: there is none.
cdef void hand_body(ExchangeState exchange, Keep keep) noexcept
# Tell the hook that waits for content that it is too large, or was broken off.
cdef void withhold_body(ExchangeState exchange) noexcept
# The exchange has ended: nobody waits for its hooks any more.
cdef void drop_hooks(ExchangeState exchange) noexcept
