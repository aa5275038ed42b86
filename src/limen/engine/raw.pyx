# Nothing is read before the endpoint is there, but for a PROXY protocol header: what a client
# sends early waits in the kernel, so a slow dial costs no memory.

cimport cython
from libc.stdint cimport uint32_t

from limen.engine.accepted cimport Accepted
from limen.engine.service cimport Action
from limen.engine.stream cimport Party, Stream
from limen.engine.sys cimport EPOLLERR, EPOLLHUP
from limen.engine.types cimport (
    FAULT_CLIENT_CLOSED,
    FAULT_HEAD_TIMEOUT,
    FAULT_NO_ROUTE,
    FAULT_TLS_HANDSHAKE,
    FAULT_TLS_TIMEOUT,
)


@cython.final
@cython.no_gc
cdef class RawClient(Accepted):
    cdef void begin(self) noexcept:
        if self.service.tls is not None:
            self.begin_tls()
        elif self.preface_due:
            self.try_preface()
        else:
            self.open()

    cdef void try_preface(self) noexcept:
        if self.peek_preface():
            self.open()

    cdef void open(self) noexcept:
        if self.service.passes is None:
            self.go_opaque(self.service.action, NULL, 0)
            return
        self.choosing = True
        self.worker.arm(self, self.worker.now + self.service.handshake_timeout)
        self.try_choice()

    cdef void try_choice(self) noexcept:
        if self.try_pass() < 0:
            self.worker.board.count_fault(FAULT_TLS_HANDSHAKE if self.hung else FAULT_NO_ROUTE)
            self.listener.refused()
            self.abort()

    cdef void on_passed(self, int number, const char* name, size_t size) noexcept:
        self.choosing = False
        self.go_opaque(<Action>self.service.passes.actions[number], name, size)

    cdef void on_open(self) noexcept:
        """TLS has ended here: what is inside goes on."""
        cdef Action action = self.chosen if self.chosen is not None else self.service.action
        cdef size_t size = 0
        cdef const char* name = self.tls.server_name(&size)
        if action is None:
            self.worker.board.count_fault(FAULT_NO_ROUTE)
            self.listener.refused()
            self.abort()
            return
        self.go_opaque(action, name, size)

    cdef void on_event(self, uint32_t events) noexcept:
        cdef Party party = self.party
        if self.tunnelled:
            if party is not None:
                party.on_ready(self, events)
        elif self.shaking:
            self.on_shake_event(events)
        elif self.preface_due:
            self.try_preface()
        elif self.choosing:
            self.try_choice()
        elif events & (EPOLLERR | EPOLLHUP) and party is not None:
            party.on_fault(self, FAULT_CLIENT_CLOSED)

    cdef void on_turn(self) noexcept:
        cdef Party party = self.party
        if self.tunnelled and party is not None:
            party.on_ready(self, 0)

    cdef void on_timer(self) noexcept:
        cdef Party party = self.party
        if self.tunnelled:
            if party is not None:
                party.on_time(self)
        elif self.shaking:
            self.worker.board.count_fault(FAULT_TLS_TIMEOUT)
            self.abort()
        elif self.preface_due:
            self.worker.board.count_fault(FAULT_HEAD_TIMEOUT)
            self.abort()
        elif self.choosing:
            self.worker.board.count_fault(FAULT_TLS_TIMEOUT)
            self.abort()

    cdef Stream to_raw(self):
        self.tunnelled = True
        return self

    cdef void release(self) noexcept:
        self.abort()

    cdef void abort(self) noexcept:
        if self.closed:
            return
        self.party = None
        self.leave()
        self.worker.bury(self)
