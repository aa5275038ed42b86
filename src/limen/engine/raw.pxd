# A connection of a stream listener: no protocol, only a tunnel to be.

from limen.engine.accepted cimport Accepted


cdef class RawClient(Accepted):
    cdef bint tunnelled
    cdef bint choosing        # the hello decides where it goes

    cdef void open(self) noexcept
    cdef void try_preface(self) noexcept
    cdef void try_choice(self) noexcept
