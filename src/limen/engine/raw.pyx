# Nothing is read before the endpoint is there, but for a PROXY protocol header: what a client
# sends early waits in the kernel, so a slow dial costs no memory.

cimport cython
from libc.stdint cimport uint32_t

from limen.engine.accepted cimport Accepted
from limen.engine.exchange cimport Exchange, new_exchange
from limen.engine.preface cimport PREFACE_MOST
from limen.engine.stream cimport Party, Stream
from limen.engine.sys cimport EPOLLERR, EPOLLHUP, EPOLLRDHUP, MSG_PEEK, recv
from limen.engine.types cimport FAULT_CLIENT_CLOSED, FAULT_HEAD_TIMEOUT


@cython.final
@cython.no_gc
cdef class RawClient(Accepted):
    cdef void begin(self) noexcept:
        if self.preface_due:
            self.read_preface()
        else:
            self.open()

    cdef void read_preface(self) noexcept:
        """Look at the first bytes and take away exactly the header."""
        cdef char* input = self.worker.input
        cdef ssize_t got = recv(self.fd, input, PREFACE_MOST, MSG_PEEK)
        cdef int size
        if got < 0:
            return
        if got == 0:
            self.abort()
            return
        size = self.take_preface(input, <size_t>got)
        if size > 0:
            # its bytes were peeked at and are there to be taken
            recv(self.fd, input, <size_t>size, 0)
            self.open()

    cdef void open(self) noexcept:
        cdef Exchange exchange
        self.worker.disarm(self)
        try:
            exchange = new_exchange(self.worker)
        except MemoryError:
            self.abort()
            return
        self.party = exchange
        exchange.begin_opaque(self, self.service, &self.sender)

    cdef void on_event(self, uint32_t events) noexcept:
        cdef Party party = self.party
        if events & EPOLLRDHUP:
            self.hung = True
        if self.tunnelled:
            if party is not None:
                party.on_ready(self, events)
        elif self.preface_due:
            self.read_preface()
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
        elif self.preface_due:
            self.worker.board.count_fault(FAULT_HEAD_TIMEOUT)
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
