# Who is there at one moment: the exchanges and tunnels of an engine, to be listed, judged again or ended.
#
# Nothing is kept for it while nobody asks: it walks the connections of the listeners, and what it says of an exchange
# is what that holds anyway. The walk takes references and no more; whoever reads on does so in portions, between turns
# of the loop, and what has ended meanwhile is passed over.

from limen.engine.accepted cimport Accepted
from limen.engine.demand cimport Demand
from limen.engine.engine cimport Engine
from limen.engine.service cimport Service
from limen.engine.state cimport ExchangeState


cdef class Census:
    cdef Engine engine
    cdef list connections     # of Accepted

    cdef ExchangeState exchange_at(self, Py_ssize_t index)
    cdef int end(self, Accepted connection, int fault) except -1
    cdef int recheck_idle(self, Accepted connection, object again) except -1
    cdef int judge(self, Accepted connection, ExchangeState exchange, object again) except -1


# FAULT_NONE, or that who it is for no longer holds. `again(demand, identity)` says who that is now: an Identity,
# perhaps with other groups, or None.
cdef int identify_again(ExchangeState exchange, Demand demand, object again) except -1
# FAULT_NONE, or why it may not go on by what is in force now.
cdef int judge_again(ExchangeState exchange, Accepted connection, Service service) noexcept
