# A kept body. The spool file is nameless (O_TMPFILE) where the file system can do that.

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from limen.engine.sys cimport EINTR, O_CLOEXEC, close, limen_errno, mkostemp, pread, pwrite, unlink

import tempfile


cdef Keep new_keep(uint64_t memory_most, uint64_t most):
    cdef Keep keep = Keep.__new__(Keep)
    keep.memory_most = memory_most
    keep.most = most
    return keep


cdef int open_spool() except -2:
    cdef bytes name = tempfile.gettempdir().encode() + b"/limen-spool-XXXXXX"
    cdef char* path = name
    cdef int fd = mkostemp(path, O_CLOEXEC)
    if fd >= 0:
        unlink(path)
    return fd


cdef class Keep:
    def __cinit__(self):
        self.fd = -1

    def __dealloc__(self):
        free(self.data)
        if self.fd >= 0:
            close(self.fd)

    cdef int append(self, const char* data, size_t size) noexcept:
        cdef uint64_t into
        if self.size + size > self.most:
            return -1
        if self.fd < 0:
            into = min(<uint64_t>size, self.memory_most - self.in_memory)
            if self.to_memory(data, into) < 0:
                return -1
            data += into
            size -= into
            if size == 0:
                return 0
            try:
                self.fd = open_spool()
            except Exception:
                # no temporary directory: the same as a full disk
                self.fd = -1
            if self.fd < 0:
                return -1
        return self.to_file(data, size)

    cdef int to_memory(self, const char* data, uint64_t size) noexcept:
        cdef uint64_t room
        cdef char* grown
        if self.in_memory + size > self.room:
            room = max(self.in_memory + size, min(2 * self.room, self.memory_most))
            grown = <char*>realloc(self.data, room)
            if grown == NULL:
                return -1
            self.data = grown
            self.room = room
        if size:
            memcpy(self.data + self.in_memory, data, size)
        self.in_memory += size
        self.size += size
        return 0

    cdef int to_file(self, const char* data, size_t size) noexcept:
        cdef ssize_t done
        while size:
            done = pwrite(self.fd, data, size, <int64_t>(self.size - self.in_memory))
            if done < 0:
                if limen_errno() == EINTR:
                    continue
                return -1
            data += done
            size -= <size_t>done
            self.size += <uint64_t>done
        return 0

    cdef ssize_t look(self, uint64_t offset, char* scratch, size_t room, const char** place) noexcept:
        cdef ssize_t done
        if offset >= self.size:
            return 0
        if offset < self.in_memory:
            place[0] = self.data + offset
            return <ssize_t>min(self.in_memory - offset, <uint64_t>room)
        place[0] = scratch
        while True:
            done = pread(self.fd, scratch, room, <int64_t>(offset - self.in_memory))
            if done > 0:
                return done
            if done == 0 or limen_errno() != EINTR:
                return -1
