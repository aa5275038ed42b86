# A connection of a stream listener: no protocol, only a tunnel to be.

from limen.engine.accepted cimport Accepted


cdef class RawClient(Accepted):
    cdef bint tunnelled
    cdef void open(self) noexcept
    cdef void read_preface(self) noexcept
