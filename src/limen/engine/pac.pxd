# A proxy auto-configuration file, served on the proxy's own port.


cdef class Pac:
    cdef readonly tuple paths # as requests name them, without a query
    cdef readonly bytes content

    cdef bint is_asked(self, const char* path, size_t size) noexcept
