# One exchange: the phase machine between a client's stream and an origin's.

from libc.stdint cimport uint64_t

from limen.engine.accepted cimport Accepted
from limen.engine.demand cimport Demand
from limen.engine.service cimport Action, Service
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Stream
from limen.engine.types cimport Address, Field, Head
from limen.engine.worker cimport Worker


cdef class Exchange(ExchangeState):
    cdef void begin(self, Stream client, Service service, const Address* sender, int minor, const char* data) noexcept
    cdef void begin_refused(self, Stream client, Service service, const Address* sender, int fault) noexcept
    cdef void begin_opaque(
        self, Stream client, Service service, Action action, const Address* sender, const char* name, size_t size
    ) noexcept
    cdef void enlist(self, Stream client, Service service, const Address* sender, int minor) noexcept
    cdef void proceed(self) noexcept
    cdef void ask_identity(self, Demand demand) noexcept
    cdef void go_on(self, int fault) noexcept
    cdef void find_way(self) noexcept
    cdef void admitted(self) noexcept
    cdef void answer_here(self, int (*send)(ExchangeState) noexcept) noexcept
    cdef void attempt(self) noexcept
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
    cdef void refuse(self, int fault) noexcept
    cdef void break_off(self, int fault) noexcept
    cdef void finish(self) noexcept
    cdef void run_hooks(self, bint response) noexcept
    cdef void hook_failed(self, int fault) noexcept
    cdef void hooks_done(self) noexcept
    cdef void replace_content(self, const char* data, size_t size) noexcept


cdef Exchange new_exchange(Worker worker)
