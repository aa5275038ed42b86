# One exchange: the phase machine between a client's stream and an origin's.

from libc.stdint cimport uint64_t

from limen.engine.accepted cimport Accepted
from limen.engine.arrival cimport Arrival
from limen.engine.stream cimport Stream
from limen.engine.types cimport Field, Head
from limen.engine.worker cimport Worker


cdef class Exchange(Arrival):
    cdef void wait_for_place(self) noexcept
    cdef void reach(self) noexcept
    cdef void dialled(self, int outcome) noexcept
    cdef void use_origin(self, Stream origin) noexcept
    cdef void push_kept(self) noexcept
    cdef void begin_try(self) noexcept
    cdef void attempt_failed(self, int fault, bint reused) noexcept
    cdef void repeat(self, int again, bint reused) noexcept
    cdef void pause_for(self, uint64_t pause) noexcept
    cdef void end_try(self) noexcept
    cdef bint is_unwanted(self, const Head* head, const Field* fields, const char* base) noexcept
    cdef void end_hedge(self) noexcept
    cdef void take_request(self, const char* data, size_t size) noexcept
    cdef bint is_orphaned(self) noexcept
    cdef void end_request(self) noexcept
    cdef void pass_interim(self, const Head* head, const Field* fields, const char* base) noexcept
    cdef void reply_response(self, const Head* head, const Field* fields, const char* base) noexcept
    cdef void begin_connect(self) noexcept
    cdef void begin_look(self) noexcept
    cdef void begin_tunnel(self) noexcept
    cdef Accepted begin_relay(self)
    cdef void break_off(self, int fault) noexcept
    cdef void hook_failed(self, int fault) noexcept
    cdef void hooks_done(self) noexcept
    cdef void replace_content(self, const char* data, size_t size) noexcept


cdef Exchange new_exchange(Worker worker)
