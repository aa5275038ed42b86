# Counting and logging an exchange that is over.

from limen.engine.journal cimport LogRecord
from limen.engine.state cimport ExchangeState

# What was decided about the exchange, and for whom: rule, limit, user, id.
cdef void lay_decision(ExchangeState exchange, LogRecord* record) noexcept
# Count and write the exchange: always, once.
cdef void log_exchange(ExchangeState exchange) noexcept
