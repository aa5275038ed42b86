# The file is made once, from the configuration (limen.policy.pac); here it is only recognised.

from libc.string cimport memcmp


cdef class Pac:
    """What is answered to requests in origin form for one of `paths` (bytes)."""

    def __init__(self, paths not None, bytes content not None):
        self.paths = tuple(paths)
        self.content = content

    def __repr__(self) -> str:
        return f"<Pac {self.paths} {len(self.content)} bytes>"

    cdef bint is_asked(self, const char* path, size_t size) noexcept:
        cdef bytes known
        for known in self.paths:
            if <size_t>len(known) == size and memcmp(<const char*>known, path, size) == 0:
                return True
        return False
