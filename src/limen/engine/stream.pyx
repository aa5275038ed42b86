# Bodies of the interfaces in stream.pxd: a call that lands in an empty one is a defect of the subclass and harmless.

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
        if not self.paused:
            return
        self.paused = False
        if not self.held:
            self.read_on()

    cdef void unhold(self) noexcept:
        self.held = False
        if not self.paused:
            self.read_on()

    cdef void read_on(self) noexcept:
        pass

    cdef void release(self) noexcept:
        pass

    cdef void abort(self) noexcept:
        pass

    cdef bint is_raw(self, uint64_t size) noexcept:
        return False

    cdef Stream to_raw(self):
        return self

    cdef void give_ahead(self, Party party) noexcept:
        pass


cdef extern from *:
    """
    #ifdef LIMEN_DEBUG
    static long limen_parties = 0;
    #define LIMEN_PARTY_BORN() (limen_parties++)
    #define LIMEN_PARTY_GONE() (limen_parties--)
    #define LIMEN_PARTIES_LIVE() (limen_parties)
    #else
    #define LIMEN_PARTY_BORN() ((void)0)
    #define LIMEN_PARTY_GONE() ((void)0)
    #define LIMEN_PARTIES_LIVE() (-1L)
    #endif
    """
    void party_born "LIMEN_PARTY_BORN"() noexcept nogil
    void party_gone "LIMEN_PARTY_GONE"() noexcept nogil
    long parties_live "LIMEN_PARTIES_LIVE"() noexcept nogil


cdef long live_parties() noexcept nogil:
    return parties_live()


@cython.no_gc
cdef class Party:
    def __cinit__(self):
        party_born()

    def __dealloc__(self):
        party_gone()

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

    cdef Stream raw_sink(self, Stream source, uint64_t size):
        return None

    cdef void on_moved(self, Stream source, uint64_t size) noexcept:
        pass

    cdef void on_ready(self, Stream source, uint32_t events) noexcept:
        pass

    cdef void on_time(self, Stream source) noexcept:
        pass

    cdef bint on_place(self) noexcept:
        return False

    cdef void on_shed(self) noexcept:
        pass

    cdef void on_connected(self, int fd, const Address* address) noexcept:
        pass

    cdef void on_dial_fault(self, int fault) noexcept:
        pass

    cdef void on_secured(self, Stream source) noexcept:
        pass

    cdef void on_looked(self, int verdict) noexcept:
        pass

    cdef void on_alarm(self) noexcept:
        pass

    cdef void on_refill(self) noexcept:
        pass

    cdef void on_won(self, Party hedge) noexcept:
        pass

    cdef void on_lost(self, Party hedge) noexcept:
        pass

    cdef void on_resolved(self, object resolution) noexcept:
        pass

    cdef void on_identified(self, object claim) noexcept:
        pass
