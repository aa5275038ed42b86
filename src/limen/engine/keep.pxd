# Content that has to be kept: for another attempt, or for a hook. Memory first, then a spool file.

from libc.stdint cimport int64_t, uint64_t


cdef enum:
    SPOOL_PIECE = 32768       # bytes read back from the spool file at a time


cdef class Keep:
    cdef char* data           # owned
    cdef uint64_t size        # bytes kept in all
    cdef uint64_t in_memory
    cdef uint64_t room
    cdef uint64_t memory_most
    cdef uint64_t most
    cdef int fd               # owned; the spool file, -1 while there is none

    # 0, or -1: over the bound, or no memory or disk; what was kept before stays readable.
    cdef int append(self, const char* data, size_t size) noexcept
    # Bytes at `offset`: copied for a spooled part, else *place points into memory. 0 at the end, -1 failed.
    cdef ssize_t look(self, uint64_t offset, char* scratch, size_t room, const char** place) noexcept
    cdef int to_memory(self, const char* data, uint64_t size) noexcept
    cdef int to_file(self, const char* data, size_t size) noexcept


cdef Keep new_keep(uint64_t memory_most, uint64_t most)
