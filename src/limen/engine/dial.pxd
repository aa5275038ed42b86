# Opening a connection: the addresses of one name raced by Happy Eyeballs (RFC 8305).

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.reactor cimport Handler
from limen.engine.source cimport Source
from limen.engine.stream cimport Party
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


cdef enum:
    DIAL_ADDRESSES = 16


cdef class Dial(Handler):
    # One race. Ends by exactly one call of the party, or by cancel().
    cdef Worker worker
    cdef Party party
    cdef Address addresses[16]
    cdef int count
    cdef int next             # first address not tried yet
    cdef list attempts
    cdef bytes path           # of a unix socket instead
    cdef Source source        # where from; None: as the system has it
    cdef uint64_t end         # monotonic ns
    cdef int fault            # of the attempt that failed last
    cdef bint over
    cdef object links         # an Endpoint that counts this dial as a connection until it ends; None: nobody does

    cdef void begin(self, uint64_t timeout) noexcept
    cdef void cancel(self) noexcept
    cdef void attempt_done(self, Attempt attempt, int error) noexcept
    cdef void try_next(self) noexcept
    cdef int start(self, Attempt attempt) noexcept
    cdef int name_error(self, int error) noexcept
    cdef void finish_with(self, Attempt attempt) noexcept
    cdef void finish(self, int fd, const Address* address, int fault) noexcept


cdef class Attempt(Handler):
    cdef Dial dial
    cdef Address address


cdef Dial new_dial(Worker worker, Party party)
