# Telling hooks that wait: Python is called, and whatever it raises is told and harms nobody.

from limen.engine.copies cimport gather_content
from limen.engine.keep cimport Keep
from limen.engine.state cimport ExchangeState


cdef void hand_body(ExchangeState exchange, Keep keep) noexcept:
    """Give the whole content to the hook that waits for it; None: there is none."""
    cdef object waiter = exchange.body_waiter
    exchange.body_waiter = None
    exchange.worker.wake = True
    try:
        waiter(b"" if keep is None else gather_content(exchange, keep))
    except Exception as error:
        exchange.worker.tell(40, f"route {exchange.action.name}: content could not be handed over: {error!r}")


cdef void withhold_body(ExchangeState exchange) noexcept:
    """Tell the hook that waits for content that it is too large, or was broken off."""
    cdef object waiter = exchange.body_waiter
    exchange.body_waiter = None
    exchange.worker.wake = True
    try:
        waiter(None)
    except Exception as error:
        exchange.worker.tell(40, f"route {exchange.action.name}: content could not be handed over: {error!r}")


cdef void drop_hooks(ExchangeState exchange) noexcept:
    cdef object waiter = exchange.body_waiter
    exchange.body_waiter = None
    exchange.worker.wake = True
    try:
        if waiter is not None:
            waiter(None)
        if exchange.hook_state is not None:
            exchange.hook_state.ended()
    except Exception as error:
        exchange.worker.tell(40, f"hook: {error!r}")
    exchange.hook_state = None
