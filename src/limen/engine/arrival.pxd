# An exchange up to its way out: begun with a head, a fault or no HTTP at all.

from limen.engine.demand cimport Demand
from limen.engine.service cimport Action, Service
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Stream
from limen.engine.types cimport Address


cdef class Arrival(ExchangeState):
    cdef void begin(self, Stream client, Service service, const Address* sender, int minor, const char* data) noexcept
    cdef void begin_refused(self, Stream client, Service service, const Address* sender, int fault) noexcept
    cdef void begin_opaque(
        self, Stream client, Service service, Action action, const Address* sender, const char* name, size_t size
    ) noexcept
    cdef void enlist(self, Stream client, Service service, const Address* sender, int minor) noexcept
    cdef void proceed(self) noexcept
    cdef void ask_identity(self, Demand demand) noexcept
    cdef void go_on(self, int fault) noexcept
    cdef void find_way(self) noexcept
    cdef void admitted(self) noexcept
    cdef void answer_here(self, int (*send)(ExchangeState) noexcept) noexcept
    cdef void attempt(self) noexcept
    cdef void refuse(self, int fault) noexcept
    cdef void finish(self) noexcept
    cdef void run_hooks(self, bint response) noexcept
