# The client side of HTTP/1.1: sends requests, reads responses as strictly as requests are read.
#
#   IDLE --engage--> HEAD --final head--> CONTENT --> (TRAILERS) --> COMPLETE --request over--> IDLE
#                    HEAD --101, 2xx to CONNECT--> TUNNEL
# Whatever breaks ends in fail(), which tells the party once and closes.

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from limen.engine.board cimport ENDPOINT_CONNECTIONS, ENDPOINT_RESPONSE_FAULTS
from limen.engine.connection cimport Connection
from limen.engine.http1.chunked cimport CHUNK_DATA, CHUNK_LAST, chunk_begin, chunk_next
from limen.engine.http1.parse cimport head_ready, parse_response, parse_trailers
from limen.engine.http1.write cimport write_chunk_line, write_request, write_trailers
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.relay cimport (
    RELAY_DONE,
    RELAY_EOF,
    RELAY_SINK,
    RELAY_SINK_BROKEN,
    RELAY_SOURCE_BROKEN,
    RELAY_TURN,
    SPLICE_MIN,
    relay,
)
from limen.engine.stream cimport OutHead, Party, Stream
from limen.engine.sys cimport (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    MSG_DONTWAIT,
    MSG_PEEK,
    recv,
)
from limen.engine.tls.contexts cimport ClientContext
from limen.engine.tls.libssl cimport X509_V_OK
from limen.engine.types cimport (
    FAULT_MEMORY,
    FAULT_ORIGIN_CLOSED,
    FAULT_ORIGIN_STALL,
    FAULT_RESPONSE,
    FAULT_RESPONSE_TIMEOUT,
    FAULT_TLS_CERTIFICATE,
    FAULT_TLS_ORIGIN,
    FAULT_TLS_ORIGIN_TIMEOUT,
    FAULT_TRUNCATED,
    FRAMING_CHUNKED,
    FRAMING_CLOSE,
    FRAMING_LENGTH,
    FRAMING_NONE,
    HEAD_KEEP_ALIVE,
    METHOD_CONNECT,
    Field,
    Head,
)
from limen.engine.upstream cimport Endpoint, Pooled
from limen.engine.worker cimport Worker


cdef enum:
    READS_PER_TURN = 8


# Alerts about the certificate that we have shown, or have not (RFC 8446, 6.2).
cdef frozenset CERTIFICATE_ALERTS = frozenset((42, 43, 44, 45, 46, 48, 49, 116))
cdef dict ALERTS = {
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    48: "unknown_ca",
    49: "access_denied",
    70: "protocol_version",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}


cdef bint is_turned_away(Http1Origin origin) noexcept:
    """Whether it takes no certificate of ours, or wants one: in TLS 1.3 it says so after the handshake, before it reads
    any request."""
    return (
        origin.tls is not None and not (origin.answered or origin.reused) and origin.tls.alert in CERTIFICATE_ALERTS
    )


cdef void tell_failed(Http1Origin origin) noexcept:
    """Why there is no TLS with an origin whose certificate is not the reason."""
    cdef int alert = origin.tls.alert
    if alert >= 0:
        tell_trouble(origin, f"TLS refused: it says {ALERTS.get(alert, f'alert {alert}')}")
    elif origin.tls.plain:
        tell_trouble(origin, "TLS failed: it speaks something else")
    else:
        tell_trouble(origin, "TLS failed: the handshake broke off")


cdef void tell_trouble(Http1Origin origin, str what) noexcept:
    """One line a second is enough: an origin that is refused is asked again and again."""
    cdef Worker worker = origin.worker
    if worker.now >= worker.told + 1000000000:
        worker.told = worker.now
        worker.tell(30, f"endpoint {origin.endpoint.label.decode()}: {what}")


cdef Http1Origin new_origin(Worker worker):
    cdef Http1Origin origin = Http1Origin.__new__(Http1Origin)
    origin.worker = worker
    origin.reactor = worker
    return origin


@cython.final
@cython.no_gc
cdef class Http1Origin(Pooled):
    def __cinit__(self):
        self.writable = True
        self.limits.line = 8192
        self.limits.fields = 65535 - 8192
        self.limits.count = 256
        self.limits.trailers = 64
        # an origin behind us is not where "_" does harm
        self.limits.allow_underscore = True

    def __dealloc__(self):
        free(self.partial)

    def __repr__(self) -> str:
        return f"<Http1Origin {self.endpoint!r} state={self.state} reused={self.reused} remaining={self.remaining}>"

    cdef int start(self, int fd, Endpoint endpoint) noexcept:
        """Take over a connected descriptor; 0 or -errno (it is closed then)."""
        cdef int result
        self.fd = fd
        self.endpoint = endpoint
        result = self.worker.adopt(self, EPOLLIN | EPOLLOUT | EPOLLRDHUP)
        if result < 0:
            self.worker.bury(self)
            return result
        self.join(endpoint)
        return 0

    cdef void join(self, Endpoint endpoint) noexcept:
        endpoint.connections += 1
        self.worker.board.endpoint_add(endpoint.slot, ENDPOINT_CONNECTIONS, 1)
        self.links = endpoint.links
        if endpoint.links is not None:
            endpoint.links.enter(0)

    cdef void part(self, Endpoint endpoint) noexcept:
        cdef Endpoint links = self.links
        endpoint.connections -= 1
        self.worker.board.endpoint_add(endpoint.slot, ENDPOINT_CONNECTIONS, -1)
        self.links = None
        if links is not None:
            links.leave()

    cdef bint is_stale(self) noexcept:
        """Ask the kernel whether the origin has closed or spoken out of turn; for requests that
        can't be repeated, where one system call is cheaper than an error."""
        cdef char byte
        cdef ssize_t done
        if self.tls is not None:
            # what is no record of content (a new ticket) is no speech. Never into the worker's input: content that
            # came with the client's head, or an answer that was gathered, may still lie there
            self.readable = True
            return self.receive(&byte, 1) != -1
        done = recv(self.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT)
        return done >= 0

    cdef void begin_tls(
        self, ClientContext context, Party party, uint64_t timeout, bytes name=None, bint opaque=False
    ) noexcept:
        """Shake hands, inside the TLS that is there already; the party hears on_secured() or on_fault()."""
        self.party = party
        self.shaking = True
        if name is None:
            self.tls = context.connect(
                self.worker, self.fd, self.tls, self.endpoint.server_name, self.endpoint.session_key, opaque
            )
        else:
            self.tls = context.connect(self.worker, self.fd, self.tls, name, self.endpoint.place, opaque)
        if self.tls is None:
            self.fail(FAULT_MEMORY)
            return
        self.worker.arm(self, self.worker.now + timeout)
        self.worker.shakes.enter(self)

    cdef void on_shake(self) noexcept:
        cdef int result
        cdef Party party = self.party
        if not self.shaking or party is None:
            return
        result = self.shake()
        if result == 0 and not self.broken:
            return
        if result < 0 or self.broken:
            if self.tls.verdict == X509_V_OK:
                tell_failed(self)
                self.fail(FAULT_TLS_ORIGIN)
                return
            self.tell_refused(self.tls.reason())
            self.fail(FAULT_TLS_CERTIFICATE)
            return
        if not (<ClientContext>self.tls.context).is_pinned(self.tls):
            self.tell_refused("its key is not a pinned one")
            self.fail(FAULT_TLS_CERTIFICATE)
            return
        self.shaking = False
        self.worker.disarm(self)
        party.on_secured(self)

    cdef void tell_refused(self, str reason) noexcept:
        # (the endpoint is the target's; who was refused may be a parent on the way)
        tell_trouble(self, f"certificate refused: {self.tls.name.decode('ascii', 'replace')}: {reason}")

    cdef void engage(self, Party party, int method) noexcept:
        self.party = party
        self.method = <uint8_t>method
        self.state = ORIGIN_HEAD
        self.framing = FRAMING_NONE
        self.answered = False
        self.request_over = False
        self.request_chunked = False
        self.paused = self.held = False
        self.share = 0
        self.mark = <uint64_t>-1
        self.worker.arm(self, self.worker.now + self.head_timeout)

    # Towards the origin --------------------------------------------------------------------------

    cdef void send_head(self, OutHead* head) noexcept:
        cdef size_t size
        cdef char* data = write_request(self.worker, head, &size)
        if data == NULL:
            self.broken = True
            self.worker.defer(self)
            return
        self.request_chunked = head.framing == FRAMING_CHUNKED
        self.put(data, size)

    cdef void send_data(self, const char* data, size_t size) noexcept:
        cdef char* line
        cdef int length
        if not self.request_chunked:
            self.put(data, size)
            return
        line = self.worker.claim(24)
        length = write_chunk_line(line, size)
        self.put(line, <size_t>length)
        self.put(data, size)
        self.put(b"\r\n", 2)

    cdef void send_end(self, const char* base, const Field* trailers, unsigned int count) noexcept:
        cdef size_t size
        cdef char* data
        if self.request_chunked:
            data = write_trailers(self.worker, base, trailers, count, &size)
            if data == NULL:
                self.broken = True
                self.worker.defer(self)
                return
            self.put(data, size)
        self.request_over = True
        if self.state == ORIGIN_HEAD:
            self.worker.arm(self, self.worker.now + self.head_timeout)

    # Events ----------------------------------------------------------------------------------------

    cdef void on_event(self, uint32_t events) noexcept:
        cdef Party party
        if self.state == ORIGIN_TUNNEL:
            party = self.party
            if party is not None:
                party.on_ready(self, events)
            return
        if self.shaking:
            if events & EPOLLOUT and not self.writable:
                self.writable = True
                self.drain_backlog()
            if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                self.readable = True
                self.worker.shakes.enter(self)
            return
        if self.state == ORIGIN_IDLE:
            # an idle origin has nothing to say: data or an end both mean that it is of no more use
            if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) and (self.tls is None or self.is_stale()):
                self.abort()
            return
        if events & EPOLLOUT and not self.writable:
            self.writable = True
            if self.drain_backlog():
                party = self.party
                if party is not None:
                    party.on_drained(self)
            if self.closed:
                return
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.readable = True
            if not self.paused and not self.held:
                self.on_readable()

    cdef void on_turn(self) noexcept:
        cdef Party party
        if self.state == ORIGIN_TUNNEL:
            party = self.party
            if party is not None:
                party.on_ready(self, 0)
        elif self.shaking:
            if self.broken:
                self.fail(FAULT_TLS_ORIGIN)
        elif self.broken:
            self.on_broken()
        elif not self.paused and not self.held and self.party is not None:
            self.on_readable()

    cdef void on_broken(self) noexcept:
        """Sending failed. The origin may have answered before it closed: read that first."""
        if self.state == ORIGIN_HEAD and not self.paused and self.pipe == NULL:
            self.readable = True
            self.on_readable()
            if self.closed or self.state == ORIGIN_CONTENT:
                return
        self.fail(FAULT_TRUNCATED if self.state == ORIGIN_CONTENT else FAULT_ORIGIN_CLOSED)

    cdef void on_timer(self) noexcept:
        cdef Party party
        if self.shaking:
            self.fail(FAULT_TLS_ORIGIN_TIMEOUT)
        elif self.state == ORIGIN_IDLE:
            self.say_end()
            self.abort()
        elif self.state == ORIGIN_TUNNEL:
            party = self.party
            if party is not None:
                party.on_time(self)
        elif self.held:
            # it is we who do not read
            self.worker.arm(self, self.worker.now + self.stall_timeout)
        elif self.state == ORIGIN_HEAD:
            if self.request_over:
                self.fail(FAULT_RESPONSE_TIMEOUT)
            elif self.sent == self.mark and (self.backlog != NULL or not self.writable):
                # it has taken nothing of the request since we looked last
                self.fail(FAULT_ORIGIN_STALL)
            else:
                # the client is still sending; its own time is kept on its side
                self.mark = self.sent
                self.worker.arm(self, self.worker.now + self.stall_timeout)
        elif self.state == ORIGIN_CONTENT or self.state == ORIGIN_TRAILERS:
            if self.paused:
                # the client is slow, not the origin
                self.worker.arm(self, self.worker.now + self.stall_timeout)
            else:
                self.fail(FAULT_ORIGIN_STALL)

    cdef void read_on(self) noexcept:
        if self.state == ORIGIN_CONTENT or self.state == ORIGIN_TRAILERS:
            # the time it was held back is not the origin's
            self.worker.arm(self, self.worker.now + self.stall_timeout)
        if self.readable or self.pipe != NULL or self.eof:
            self.worker.defer(self)

    cdef void on_readable(self) noexcept:
        cdef char* input = self.worker.input
        cdef ssize_t got
        cdef uint32_t held
        cdef size_t room
        cdef int reads = 0
        while self.readable and not self.paused and not self.held and not self.closed:
            if self.state == ORIGIN_CONTENT and self.framing == FRAMING_LENGTH and (
                self.pipe != NULL or self.remaining >= SPLICE_MIN
            ):
                if self.splice_content():
                    return
            if self.state == ORIGIN_TUNNEL:
                return
            if reads == READS_PER_TURN:
                self.worker.defer(self)
                return
            reads += 1
            if self.worker.gather_owner != NULL:
                self.worker.flush()
                if self.paused or self.closed:
                    return
            held = self.partial_size
            if held >= INPUT_SIZE:
                self.fail(FAULT_RESPONSE + 16)
                return
            if held:
                memcpy(input, self.partial, held)
            room = INPUT_SIZE - held
            if self.share and self.state == ORIGIN_CONTENT:
                room = min(room, <size_t>self.share)
            got = self.receive(input + held, room)
            if got > 0:
                self.answered = True
                self.partial_size = 0
                self.process(input, held + <size_t>got)
                continue
            if got == -1:
                return
            if got == -2 and is_turned_away(self):
                tell_failed(self)
                self.fail(FAULT_TLS_ORIGIN)
                return
            if got == -2:
                self.fail(FAULT_TRUNCATED if self.state >= ORIGIN_CONTENT else FAULT_ORIGIN_CLOSED)
                return
            self.on_eof()
            return

    cdef void on_eof(self) noexcept:
        if self.state == ORIGIN_CONTENT and self.framing == FRAMING_CLOSE:
            self.complete(NULL, 0)
        elif self.state == ORIGIN_CONTENT or self.state == ORIGIN_TRAILERS:
            self.fail(FAULT_TRUNCATED)
        elif self.state == ORIGIN_HEAD:
            self.fail(FAULT_ORIGIN_CLOSED)
        else:
            self.keep_alive = False
            self.abort()

    cdef void save(self, const char* data, size_t size) noexcept:
        """Keep an incomplete head until more comes."""
        cdef char* grown
        if size > self.limits.line + self.limits.fields + 4:
            self.fail(FAULT_RESPONSE + 16)
            return
        grown = <char*>realloc(self.partial, size)
        if grown == NULL:
            self.fail(FAULT_MEMORY)
            return
        self.partial = grown
        memcpy(self.partial, data, size)
        self.partial_size = <uint32_t>size

    cdef void drop_partial(self) noexcept:
        if self.partial != NULL:
            free(self.partial)
            self.partial = NULL
        self.partial_size = 0
        self.scanned = 0

    cdef void process(self, const char* data, size_t size) noexcept:
        cdef Worker worker = self.worker
        cdef int result
        cdef size_t used
        cdef unsigned int count
        while size and not self.closed and self.party is not None:
            if self.state == ORIGIN_HEAD:
                if self.partial != NULL and not head_ready(data, size, &self.scanned):
                    self.save(data, size)
                    return
                result = parse_response(data, size, &self.limits, self.method, &worker.head, worker.parsed)
                if result == 0:
                    self.save(data, size)
                    return
                if result < 0:
                    self.fail(FAULT_RESPONSE - result)
                    return
                self.drop_partial()
                self.surplus = size > <size_t>result
                self.take_head(data)
                data += result
                size -= <size_t>result
                if self.state == ORIGIN_TUNNEL:
                    if size:
                        self.hand_on(data, size)
                    return
            elif self.state == ORIGIN_CONTENT:
                used = self.take_content(data, size)
                data += used
                size -= used
            elif self.state == ORIGIN_TRAILERS:
                if self.partial != NULL and not head_ready(data, size, &self.scanned) and not (
                    size >= 2 and data[0] == 13
                ):
                    self.save(data, size)
                    return
                result = parse_trailers(data, size, &self.limits, worker.parsed, &count)
                if result == 0:
                    self.save(data, size)
                    return
                if result < 0:
                    self.fail(FAULT_RESPONSE - result)
                    return
                self.drop_partial()
                self.keep_alive = self.keep_alive and size == <size_t>result
                self.complete(data, count)
                return
            else:
                # bytes nobody asked for: whatever they are, they must not meet the next request
                self.keep_alive = False
                return

    # A party is held in a local while it is called: it may end itself, and with that let go of us.

    cdef void hand_on(self, const char* data, size_t size) noexcept:
        cdef Party party = self.party
        if party is not None:
            self.worker.arm(self, self.worker.now + self.stall_timeout)
            party.on_data(self, data, size)

    cdef void take_head(self, const char* data) noexcept:
        cdef Head* head = &self.worker.head
        cdef Party party = self.party
        if head.status < 200:
            if head.status == 101:
                self.state = ORIGIN_TUNNEL
                self.keep_alive = False
            party.on_response(self, head, self.worker.parsed, data)
            return
        self.framing = head.framing
        self.remaining = head.length
        self.keep_alive = (head.flags & HEAD_KEEP_ALIVE) != 0 and head.framing != FRAMING_CLOSE
        if self.method == METHOD_CONNECT and head.status < 300:
            self.state = ORIGIN_TUNNEL
            self.keep_alive = False
        else:
            self.state = ORIGIN_CONTENT
            if self.framing == FRAMING_CHUNKED:
                chunk_begin(&self.decoder)
        party.on_response(self, head, self.worker.parsed, data)
        if self.closed or self.party is None or self.state != ORIGIN_CONTENT:
            return
        if self.framing == FRAMING_NONE or (self.framing == FRAMING_LENGTH and self.remaining == 0):
            if self.surplus:
                # content where there is none: the connection must not meet another request
                self.keep_alive = False
            self.complete(NULL, 0)

    cdef size_t take_content(self, const char* data, size_t size) noexcept:
        cdef size_t used
        cdef size_t length
        cdef const char* content
        cdef int event
        if self.framing == FRAMING_LENGTH:
            used = size if size < self.remaining else <size_t>self.remaining
            self.remaining -= used
            self.hand_on(data, used)
            if self.remaining == 0 and self.party is not None and not self.closed:
                if size > used:
                    self.keep_alive = False
                self.complete(NULL, 0)
            return used
        if self.framing == FRAMING_CLOSE:
            self.hand_on(data, size)
            return size
        event = chunk_next(&self.decoder, data, size, &used, &content, &length)
        if event < 0:
            self.fail(FAULT_RESPONSE - event)
            return size
        if event == CHUNK_DATA:
            self.hand_on(content, length)
        elif event == CHUNK_LAST:
            self.state = ORIGIN_TRAILERS
        return used

    cdef int splice_content(self) noexcept:
        """Move content without reading it. True when there is nothing more to do in this turn."""
        cdef Worker worker = self.worker
        cdef Connection sink
        cdef uint64_t moved = 0
        cdef uint64_t bound = self.remaining
        cdef uint64_t left
        cdef int result
        cdef Party party = self.party
        cdef Stream found = party.raw_sink(self, self.remaining) if self.tls is None else None
        if found is None:
            if self.pipe != NULL:
                self.paused = True
                return True
            return False
        worker.flush()
        if self.closed or self.party is None:
            return True
        sink = <Connection>found
        if sink.is_clogged() or not sink.writable:
            self.paused = True
            return True
        if not sink.unseal():
            return False
        if self.pipe == NULL:
            self.pipe = worker.pipe_take()
            if self.pipe == NULL:
                return False
        if self.share:
            bound = min(bound, <uint64_t>self.share)
        left = bound
        result = relay(self, sink, self.pipe, &left, &moved)
        self.remaining -= bound - left
        if result == RELAY_DONE and self.remaining:
            result = RELAY_TURN
        if moved:
            self.worker.arm(self, self.worker.now + self.stall_timeout)
            party.on_moved(self, moved)
        if result == RELAY_DONE:
            worker.pipe_give(self.pipe)
            self.pipe = NULL
            self.complete(NULL, 0)
        elif result == RELAY_SINK:
            self.paused = True
            sink.on_stuck()
        elif result == RELAY_TURN:
            self.readable = True
            worker.defer(self)
        elif result == RELAY_EOF or result == RELAY_SOURCE_BROKEN:
            self.fail(FAULT_TRUNCATED)
        elif result == RELAY_SINK_BROKEN:
            sink.broken = True
            worker.defer(sink)
        return True

    # Ends ------------------------------------------------------------------------------------------

    cdef void complete(self, const char* base, unsigned int trailers) noexcept:
        cdef Party party = self.party
        self.state = ORIGIN_COMPLETE
        self.worker.disarm(self)
        if party is not None:
            party.on_end(self, base, self.worker.parsed, trailers)

    cdef bint is_raw(self, uint64_t size) noexcept:
        return not self.request_chunked and not self.closed and self.tls is None

    cdef void release(self) noexcept:
        """The exchange is over: into the pool if both messages were whole, else close."""
        self.party = None
        if self.closed:
            return
        if (
            self.state != ORIGIN_COMPLETE or not self.keep_alive or not self.request_over or self.broken or self.eof
            or self.backlog != NULL or self.worker.draining or self.hung or (self.readable and self.is_stale())
        ):
            # also if something lies unread behind the response: it would answer the next request
            self.abort()
            return
        self.settle()

    cdef void settle(self) noexcept:
        self.state = ORIGIN_IDLE
        self.reused = True
        self.paused = False
        self.served += 1
        if self.serves_most or self.retire_at:
            if self.served == self.serves_most or (self.retire_at and self.worker.now >= self.retire_at):
                self.say_end()
                self.abort()
                return
            if self.retire_at:
                self.worker.arm(self, min(self.worker.now + self.idle_timeout, self.retire_at))
                self.endpoint.give(self, self.idle_most)
                return
        self.worker.arm(self, self.worker.now + self.idle_timeout)
        self.endpoint.give(self, self.idle_most)

    cdef void rest(self) noexcept:
        self.party = None
        if self.closed:
            return
        if self.broken or self.eof or self.hung or self.worker.draining or (self.readable and self.is_stale()):
            self.abort()
            return
        self.settle()

    cdef void move_to(self, Endpoint endpoint) noexcept:
        cdef Endpoint before = self.endpoint
        self.part(before)
        self.endpoint = endpoint
        self.join(endpoint)

    cdef void abort(self) noexcept:
        cdef Endpoint endpoint = self.endpoint
        if self.closed:
            return
        self.party = None
        if self.idle:
            endpoint.lift(self)
        if self.pipe != NULL:
            self.worker.pipe_give(self.pipe)
            self.pipe = NULL
        self.worker.bury(self)
        if endpoint is not None:
            self.part(endpoint)
            if endpoint.is_target and endpoint.connections == 0 and endpoint.active == 0:
                endpoint.forget()

    cdef void fail(self, int fault) noexcept:
        cdef Party party = self.party
        if self.closed:
            return
        if fault != FAULT_ORIGIN_CLOSED or not self.reused:
            self.worker.board.endpoint_add(self.endpoint.slot, ENDPOINT_RESPONSE_FAULTS, 1)
        self.abort()
        if party is not None:
            party.on_fault(self, fault)
