# Bodies of the interfaces in stream.pxd: a call that lands here is a defect of the subclass and harmless.

cimport cython
from libc.stdint cimport uint32_t, uint64_t


@cython.no_gc
cdef class Stream(Handler):
    cdef void send_head(self, OutHead* head) noexcept:
        pass

    cdef void send_data(self, const char* data, size_t size) noexcept:
        pass

    cdef void send_end(self, const char* base, const Field* trailers, unsigned int count) noexcept:
        pass

    cdef bint is_clogged(self) noexcept:
        return False

    cdef void pause(self) noexcept:
        self.paused = True

    cdef void resume(self) noexcept:
        self.paused = False

    cdef void release(self) noexcept:
        pass

    cdef void abort(self) noexcept:
        pass

    cdef bint is_raw(self) noexcept:
        return False

    cdef Stream to_raw(self):
        return self

    cdef void give_ahead(self, Party party) noexcept:
        pass


@cython.no_gc
cdef class Party:
    cdef void on_response(self, Stream source, const Head* head, const Field* fields, const char* base) noexcept:
        pass

    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept:
        pass

    cdef void on_end(self, Stream source, const char* base, const Field* trailers, unsigned int count) noexcept:
        pass

    cdef void on_fault(self, Stream source, int fault) noexcept:
        pass

    cdef void on_drained(self, Stream sink) noexcept:
        pass

    cdef Stream raw_sink(self, Stream source):
        return None

    cdef void on_moved(self, Stream source, uint64_t size) noexcept:
        pass

    cdef void on_ready(self, Stream source, uint32_t events) noexcept:
        pass

    cdef void on_time(self, Stream source) noexcept:
        pass

    cdef void on_connected(self, int fd, const Address* address) noexcept:
        pass

    cdef void on_dial_fault(self, int fault) noexcept:
        pass

    cdef void on_resolved(self, object resolution) noexcept:
        pass
