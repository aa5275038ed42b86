# Counting and logging an exchange that is over.

from limen.engine.state cimport ExchangeState

# Count and write the exchange: always, once.
cdef void log_exchange(ExchangeState exchange) noexcept
