# Hop by hop: TLS with it where its URL says so, then the question for a tunnel to the next one, or at last to the
# target.
#
#   [TLS] -> CONNECT -----------------> next hop | target
#   [TLS] -> METHOD [-> LOGIN] -> OPENED -> next hop | target
#
# An answer is taken from the connection to its last byte and no further: what lies behind belongs to whoever comes
# next, who may be a server that speaks first. On a plain socket that is a look (MSG_PEEK) before the read; through TLS
# it is read byte by byte, which libssl does from a record that it has opened already.

cimport cython
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from limen.engine.addresses cimport TargetHost
from limen.engine.hops cimport (
    HOP_ANSWER,
    HOP_ASKING,
    HOP_IDENTITY,
    HOP_REFUSED,
    read_connected,
    read_login,
    read_method,
    read_opened,
    write_asked,
    write_connect,
    write_hello,
    write_login,
)
from limen.engine.http1.origin cimport ORIGIN_IDLE, ORIGIN_TUNNEL, Http1Origin
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Party, Stream
from limen.engine.sys cimport (
    EAGAIN,
    EINTR,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    MSG_PEEK,
    limen_errno,
    recv,
)
from limen.engine.types cimport (
    FAULT_MEMORY,
    FAULT_PARENT,
    FAULT_PARENT_IDENTITY,
    FAULT_PARENT_REFUSED,
    FAULT_PARENT_TIMEOUT,
    Address,
    HeadLimits,
)
from limen.engine.verdicts cimport goal_of
from limen.engine.ways_out cimport HOP_HTTP, Hop


cdef void begin_passage(ExchangeState exchange, Http1Origin origin) noexcept:
    cdef Passage passage
    try:
        passage = Passage.__new__(Passage)
    except MemoryError:
        origin.fail(FAULT_MEMORY)
        exchange.on_fault(origin, FAULT_MEMORY)
        return
    passage.worker = exchange.worker
    passage.owner = exchange
    passage.origin = origin
    passage.way = exchange.way_out
    passage.end = exchange.dialled_at + exchange.upstream.dial_timeout
    origin.party = passage
    origin.state = ORIGIN_TUNNEL
    origin.readable = True
    passage.enter_hop()


@cython.final
@cython.no_gc
cdef class Passage(Party):
    def __dealloc__(self):
        free(self.held)

    def __repr__(self) -> str:
        return f"<Passage hop={self.hop} stage={self.stage} {self.way!r}>"

    cdef void enter_hop(self) noexcept:
        cdef Hop hop = <Hop>self.way.hops[self.hop]
        if hop.tls is None:
            self.ask_hop()
            return
        self.stage = PASSAGE_TLS
        self.origin.state = ORIGIN_IDLE
        self.worker.flush()
        self.origin.begin_tls(
            hop.tls, self, self.end - self.worker.now if self.end > self.worker.now else 1, hop.host, True
        )

    cdef void on_secured(self, Stream source) noexcept:
        if self.stage == PASSAGE_TLS and source is self.origin:
            self.origin.state = ORIGIN_TUNNEL
            self.ask_hop()

    cdef void ask_hop(self) noexcept:
        cdef Hop hop = <Hop>self.way.hops[self.hop]
        cdef char* out
        self.worker.arm(self.origin, max(self.end, self.worker.now + 1))
        if hop.kind == HOP_HTTP:
            self.stage = PASSAGE_CONNECT
            self.ask_tunnel(hop)
        else:
            self.stage = PASSAGE_METHOD
            out = self.worker.claim(HOP_ASKING)
            self.say(out, write_hello(out, HOP_ASKING, len(hop.user) != 0))

    cdef void ask_tunnel(self, Hop hop) noexcept:
        """Ask for a tunnel to the next hop, or to the target."""
        cdef ExchangeState owner = self.owner
        cdef Hop after
        cdef size_t room = HOP_ASKING + <size_t>len(hop.authorization)
        cdef char* out = self.worker.claim(room)
        cdef const TargetHost* goal = goal_of(owner)
        cdef const char* host = <const char*>goal.name
        cdef size_t size = goal.name_length
        cdef const Address* literal = &goal.address
        cdef uint16_t port = goal.port
        if self.hop + 1 < len(self.way.hops):
            after = <Hop>self.way.hops[self.hop + 1]
            host = <const char*>after.host
            size = <size_t>len(after.host)
            literal = &after.literal
            port = <uint16_t>after.port
        elif owner.exit.family:
            literal = &owner.exit
        if hop.kind == HOP_HTTP:
            self.say(out, write_connect(out, room, host, size, literal, port, hop.authorization))
        else:
            self.say(out, write_asked(out, room, host, size, literal, port))

    cdef void say(self, const char* data, ssize_t size) noexcept:
        if size < 0:
            self.end_with(FAULT_PARENT)
            return
        self.origin.put(data, <size_t>size)
        self.worker.flush()
        if self.origin.readable and not self.origin.broken:
            # what has come already brings no other edge (a connection that is broken has its turn anyway)
            self.worker.defer(self.origin)

    # What comes ---------------------------------------------------------------------------------------

    cdef void on_ready(self, Stream source, uint32_t events) noexcept:
        cdef Http1Origin origin = self.origin
        if self.stage == PASSAGE_OVER or source is not origin:
            return
        if events & EPOLLOUT and not origin.writable:
            origin.writable = True
            origin.drain_backlog()
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            origin.readable = True
            if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                origin.hung = True
        self.read_on()
        if self.stage != PASSAGE_OVER and self.stage != PASSAGE_TLS and origin.broken:
            self.end_with(FAULT_PARENT)

    cdef void on_time(self, Stream source) noexcept:
        self.end_with(FAULT_PARENT_TIMEOUT)

    cdef void on_fault(self, Stream source, int fault) noexcept:
        # of the handshake with a hop; the connection has closed
        cdef ExchangeState owner = self.owner
        if self.stage == PASSAGE_OVER:
            return
        self.stage = PASSAGE_OVER
        self.owner = None
        self.origin = None
        owner.on_fault(source, fault)

    cdef void read_on(self) noexcept:
        """Take the answer that is awaited, and nothing behind it."""
        cdef char* input = self.worker.input
        cdef ssize_t got
        cdef ssize_t used
        cdef int stage = self.stage
        while self.stage == stage and self.origin.readable:
            if self.held_size:
                memcpy(input, self.held, self.held_size)
            got = self.look(input + self.held_size, INPUT_SIZE - self.held_size)
            if got == -1:
                return
            if got <= 0:
                self.end_with(FAULT_PARENT)
                return
            used = self.judge(input, self.held_size + <size_t>got)
            if used < 0:
                self.end_with(
                    FAULT_PARENT_IDENTITY if used == HOP_IDENTITY
                    else FAULT_PARENT_REFUSED if used == HOP_REFUSED else FAULT_PARENT
                )
                return
            if used == 0:
                if self.take(<size_t>got) < 0 or self.held_size + <size_t>got > HOP_ANSWER:
                    self.end_with(FAULT_PARENT)
                    return
                if self.hold(input + self.held_size, <size_t>got) < 0:
                    self.end_with(FAULT_MEMORY)
                    return
                continue
            if self.take(<size_t>used - self.held_size) < 0:
                self.end_with(FAULT_PARENT)
                return
            self.held_size = 0
            self.answered()
            return

    cdef ssize_t look(self, char* out, size_t room) noexcept:
        """Bytes that lie on the connection, left there if it is plain: > 0, 0 its end, -1 nothing now, -2 failed."""
        cdef ssize_t done
        if self.origin.tls is not None:
            return self.origin.receive(out, 1)
        while True:
            done = recv(self.origin.fd, out, min(room, <size_t>HOP_ANSWER), MSG_PEEK)
            if done >= 0 or limen_errno() != EINTR:
                break
        if done >= 0:
            return done
        if limen_errno() == EAGAIN:
            self.origin.readable = False
            return -1
        return -2

    cdef int take(self, size_t size) noexcept:
        """Take away what was looked at."""
        cdef char scratch[2048]
        cdef ssize_t done
        if self.origin.tls is not None or size == 0:
            return 0
        while size:
            done = recv(self.origin.fd, scratch, min(size, sizeof(scratch)), 0)
            if done <= 0:
                if done < 0 and limen_errno() == EINTR:
                    continue
                return -1
            size -= <size_t>done
        return 0

    cdef int hold(self, const char* data, size_t size) noexcept:
        cdef char* grown = <char*>realloc(self.held, self.held_size + size)
        if grown == NULL:
            return -1
        self.held = grown
        memcpy(self.held + self.held_size, data, size)
        self.held_size += size
        return 0

    cdef ssize_t judge(self, const char* data, size_t size) noexcept:
        """As read_connected() and the like; `next` says what follows."""
        cdef HeadLimits limits
        cdef Hop hop = <Hop>self.way.hops[self.hop]
        cdef bint login = False
        cdef int status = 0
        cdef ssize_t used
        self.next = NEXT_THROUGH
        if self.stage == PASSAGE_CONNECT:
            limits = self.origin.limits
            limits.line = limits.fields = HOP_ANSWER
            return read_connected(data, size, &limits, &self.worker.head, self.worker.parsed, &status)
        if self.stage == PASSAGE_METHOD:
            used = read_method(data, size, len(hop.user) != 0, &login)
            self.next = NEXT_LOGIN if login else NEXT_ASK
            return used
        if self.stage == PASSAGE_LOGIN:
            self.next = NEXT_ASK
            return read_login(data, size)
        return read_opened(data, size, &status)

    cdef void answered(self) noexcept:
        cdef Hop hop = <Hop>self.way.hops[self.hop]
        cdef char* out
        if self.next == NEXT_LOGIN:
            self.stage = PASSAGE_LOGIN
            out = self.worker.claim(HOP_ASKING)
            self.say(out, write_login(out, HOP_ASKING, hop.user, hop.password))
        elif self.next == NEXT_ASK:
            self.stage = PASSAGE_OPENED
            self.ask_tunnel(hop)
        elif self.hop + 1 < len(self.way.hops):
            self.hop += 1
            self.enter_hop()
        else:
            self.arrive()

    # Ends ---------------------------------------------------------------------------------------------

    cdef void arrive(self) noexcept:
        """The connection reaches the target."""
        cdef ExchangeState owner = self.owner
        cdef Http1Origin origin = self.origin
        self.stage = PASSAGE_OVER
        self.owner = None
        self.origin = None
        self.worker.disarm(origin)
        origin.state = ORIGIN_IDLE
        origin.party = None
        owner.passing = False
        if owner.bridged is not None:
            origin.begin_tls(
                owner.bridged.bridge.client, owner, owner.bridged.bridge.handshake_timeout, owner.bridged.name
            )
        else:
            owner.on_secured(origin)

    cdef void end_with(self, int fault) noexcept:
        cdef ExchangeState owner = self.owner
        cdef Http1Origin origin = self.origin
        if self.stage == PASSAGE_OVER:
            return
        self.stage = PASSAGE_OVER
        self.owner = None
        self.origin = None
        origin.party = None
        origin.abort()
        owner.on_fault(origin, fault)
