# Exchanges that wait for a place at an endpoint.

from libc.stdint cimport uint64_t

from limen.engine.reactor cimport Handler
from limen.engine.stream cimport Party
from limen.engine.worker cimport Worker


cdef class Queue(Handler):
    # In order of arrival, urgent ones (retries, and routes that are so) first. One per upstream and worker.
    cdef Worker worker
    cdef readonly int size    # that may wait
    cdef uint64_t timeout     # ns
    cdef readonly int count   # that wait
    cdef object arrivals      # OrderedDict: Party -> deadline, the earliest first
    cdef object urgent        # likewise

    # Wait for on_place() or on_shed(); -1 if too many do.
    cdef int join(self, Party party, bint urgent) noexcept
    # No longer.
    cdef void drop(self, Party party) noexcept
    # A place may have become free.
    cdef void stir(self) noexcept
    cdef bint serve(self, object waiting) except -1
    cdef void expire(self, object waiting) except *
