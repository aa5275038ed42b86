# The server side of HTTP/1.1.
#
#   HEAD --request--> CONTENT --> (TRAILERS) --> WAIT --response over--> HEAD | CLOSING
#                     CONNECT, 101: TUNNEL
# A response may be over before its request is; the connection ends then, gently (RFC 9112, 9.6).
# While an exchange waits, nothing is read: what a client sends ahead stays in the kernel.

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from limen.engine.accepted cimport Accepted
from limen.engine.bridged cimport Bridged
from limen.engine.connection cimport Connection
from limen.engine.exchange cimport Exchange, new_exchange
from limen.engine.http1.chunked cimport CHUNK_DATA, CHUNK_LAST, chunk_begin, chunk_next
from limen.engine.http1.parse cimport head_ready, parse_request, parse_trailers
from limen.engine.http1.write cimport write_chunk_line, write_response, write_trailers
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.relay cimport (
    RELAY_DONE,
    RELAY_EOF,
    RELAY_SINK,
    RELAY_SINK_BROKEN,
    RELAY_SOURCE_BROKEN,
    RELAY_TURN,
    SPLICE_MIN,
    UNSEAL_MIN,
    relay,
)
from limen.engine.service cimport Action, Service
from limen.engine.stream cimport OutHead, Party, Stream
from limen.engine.sys cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, SHUT_WR, shutdown
from limen.engine.tls.certificate cimport Certificate
from limen.engine.tls.hello cimport HELLO_MOST, Hello, read_hello
from limen.engine.tls.session cimport Session, in_clear
from limen.engine.tls.shakes cimport SHAKES_MOST
from limen.engine.types cimport (
    FAULT_BODY_TIMEOUT,
    FAULT_CLIENT_CLOSED,
    FAULT_CLIENT_IDLE,
    FAULT_FIELDS_TOO_LARGE,
    FAULT_HEAD_TIMEOUT,
    FAULT_MEMORY,
    FAULT_SLOW_READER,
    FAULT_TLS_PLAIN,
    FAULT_TLS_TIMEOUT,
    FRAMING_CHUNKED,
    FRAMING_CLOSE,
    FRAMING_LENGTH,
    FRAMING_NONE,
    HEAD_KEEP_ALIVE,
    Field,
    Head,
)
from limen.engine.ways cimport WAY_GO_ON, take_way
from limen.engine.worker cimport Worker


cdef enum:
    READS_PER_TURN = 8
    LINGER_MOST = 1048576     # bytes read off a client that goes on sending after our last answer
    LINGER_TIME = 2000000000  # ns
    ENDING_GRACE = 250000000  # ns in which an idle client may still send when its listener goes
    RECORD_FIRST = 20         # types of TLS records
    RECORD_LAST = 24


cdef inline bint is_record(const char* data, size_t size) noexcept nogil:
    """Whether this begins like TLS: some servers take an alert, or a record with nothing in it, before the hello."""
    return RECORD_FIRST <= <uint8_t>data[0] <= RECORD_LAST and (size < 2 or data[1] == 3)


@cython.final
@cython.no_gc
cdef class Http1Client(Accepted):
    def __dealloc__(self):
        free(self.ahead)

    def __repr__(self) -> str:
        return f"<Http1Client state={self.state} party={self.party!r} remaining={self.remaining}>"

    cdef void begin(self) noexcept:
        if self.service.tls is not None:
            self.begin_tls()
            return
        # a client mostly sends at once: one recv now saves a round through epoll
        self.on_readable()

    cdef void on_open(self) noexcept:
        cdef Party party = self.party
        if party is not None:
            self.party = None
            party.on_secured(self)
        if self.closed:
            return
        if self.readable:
            self.on_readable()

    cdef void on_passed(self, int number, const char* name, size_t size) noexcept:
        # nothing is read from here on; the tunnel takes over when the endpoint is there
        self.state = CLIENT_WAIT
        self.keep_alive = False
        self.go_opaque(<Action>self.service.passes.actions[number], name, size)

    cdef void refuse_plain(self) noexcept:
        self.answer_malformed(FAULT_TLS_PLAIN)

    # Towards the client -----------------------------------------------------------------------------

    cdef void send_head(self, OutHead* head) noexcept:
        cdef size_t size
        cdef char* data
        if self.closed:
            return
        if self.way is not None:
            self.way.reply(self, head)
            return
        if head.status >= 200:
            self.silent = head.head_only
            self.chunked = False
            if (head.framing == FRAMING_CHUNKED or head.framing == FRAMING_CLOSE) and not head.head_only:
                if self.minor == 1:
                    self.chunked = True
                else:
                    self.keep_alive = False
            if head.close or self.ending or self.eof or self.state < CLIENT_WAIT:
                # an answer before the end of the request ends the connection (RFC 9112, 9.3): say so
                self.keep_alive = False
        data = write_response(self.worker, head, self.minor, self.chunked, not self.keep_alive, &size)
        if data == NULL:
            self.broken = True
            self.worker.defer(self)
            return
        self.put(data, size)

    cdef void send_data(self, const char* data, size_t size) noexcept:
        cdef char* line
        cdef int length
        if self.silent or size == 0:
            return
        if not self.chunked:
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
        self.response_over = True
        if self.chunked and not self.silent:
            if count == 0:
                self.put(b"0\r\n\r\n", 5)
                return
            data = write_trailers(self.worker, base, trailers, count, &size)
            if data == NULL:
                self.broken = True
                self.worker.defer(self)
                return
            self.put(data, size)

    cdef bint is_raw(self, uint64_t size) noexcept:
        if self.chunked or self.silent or self.closed:
            return False
        if in_clear(self.tls):
            return True
        # not where another TLS may come to lie above this one: libssl has to seal its records
        return size >= UNSEAL_MIN and self.tls.outgoing != NULL and self.service.bridge is None

    cdef void on_stuck(self) noexcept:
        """A reader that does not read: from now on it has to show progress."""
        if self.since == 0 and self.state == CLIENT_WAIT:
            self.since = self.worker.now
            self.mark = self.sent
            self.worker.arm(self, self.worker.now + self.service.body_timeout)

    # Events ------------------------------------------------------------------------------------------

    cdef void on_event(self, uint32_t events) noexcept:
        cdef Party party
        if self.state == CLIENT_TUNNEL:
            party = self.party
            if party is not None:
                party.on_ready(self, events)
            return
        if self.shaking:
            self.on_shake_event(events)
            return
        if events & EPOLLOUT and not self.writable:
            self.writable = True
            if self.drain_backlog():
                if self.state == CLIENT_CLOSING:
                    self.close_gently()
                    return
                party = self.party
                if party is not None:
                    party.on_drained(self)
                elif self.state == CLIENT_HEAD and self.paused:
                    self.go_on()
            if self.closed:
                return
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.readable = True
            if not self.paused and not self.held and self.state != CLIENT_WAIT:
                self.on_readable()
            if events & (EPOLLERR | EPOLLHUP) and self.state <= CLIENT_WAIT and not self.closed:
                # reset: nobody is there to answer. A half-close alone is a legal way to wait for one
                self.fail(FAULT_CLIENT_CLOSED)

    cdef void on_turn(self) noexcept:
        cdef Party party
        cdef uint32_t end
        if self.state == CLIENT_TUNNEL:
            party = self.party
            if party is not None:
                party.on_ready(self, 0)
            return
        if self.broken:
            self.fail(FAULT_CLIENT_CLOSED)
            return
        if self.paused or self.held or self.shaking:
            return
        if self.ahead_end > self.ahead_start and self.state < CLIENT_WAIT and not self.partial_only():
            end = self.ahead_end
            self.ahead_end = self.ahead_start
            self.process(self.ahead + self.ahead_start, end - self.ahead_start)
            self.worker.flush()
            if self.closed:
                return
            if self.ahead_start == self.ahead_end:
                free(self.ahead)
                self.ahead = NULL
                self.ahead_start = self.ahead_end = 0
        if not self.closed and not self.paused:
            self.on_readable()

    cdef bint partial_only(self) noexcept:
        # a partial head that waits for more is not worked on again without more
        return self.scanned != 0 and self.state == CLIENT_HEAD

    cdef void read_on(self) noexcept:
        if self.state == CLIENT_CONTENT or self.state == CLIENT_TRAILERS:
            # the time it was held back is not the client's
            self.arm_content()
        self.worker.defer(self)

    cdef void on_readable(self) noexcept:
        cdef char* input = self.worker.input
        cdef ssize_t got
        cdef uint32_t held
        cdef size_t room
        cdef int reads = 0
        while self.readable and not self.closed and not self.paused and not self.held and (
            self.state < CLIENT_WAIT or self.state == CLIENT_CLOSING
        ):
            if self.state == CLIENT_CONTENT and self.framing == FRAMING_LENGTH and (
                self.pipe != NULL or self.remaining >= SPLICE_MIN
            ) and self.ahead == NULL:
                if self.splice_content():
                    return
            if reads == READS_PER_TURN:
                self.worker.defer(self)
                return
            reads += 1
            if self.worker.gather_owner != NULL:
                self.worker.flush()
                if self.closed or self.paused:
                    return
            if self.state == CLIENT_CLOSING:
                self.read_off()
                continue
            held = self.ahead_end - self.ahead_start
            if held >= INPUT_SIZE:
                # more than any head: pipelined requests, worked on in turn
                self.worker.defer(self)
                return
            if held:
                memcpy(input, self.ahead + self.ahead_start, held)
            room = INPUT_SIZE - held
            if self.share and self.state == CLIENT_CONTENT:
                room = min(room, <size_t>self.share)
            got = self.receive(input + held, room)
            if got > 0:
                if held:
                    self.ahead_start = self.ahead_end = 0
                self.process(input, held + <size_t>got)
                if self.ahead != NULL and self.ahead_start == self.ahead_end:
                    free(self.ahead)
                    self.ahead = NULL
                    self.ahead_start = self.ahead_end = 0
                continue
            if got == -1:
                return
            if got == -2:
                self.fail(FAULT_CLIENT_CLOSED)
                return
            self.on_eof()
            return

    cdef void on_eof(self) noexcept:
        if self.state == CLIENT_HEAD:
            if self.ahead_end > self.ahead_start or self.way is not None:
                self.worker.board.count_fault(FAULT_CLIENT_CLOSED)
            # who says goodbye waits for an answer (RFC 5246, 7.2.1)
            self.say_end()
            self.abort()
        elif self.state == CLIENT_CONTENT or self.state == CLIENT_TRAILERS:
            self.fail(FAULT_CLIENT_CLOSED)
        elif self.state == CLIENT_CLOSING:
            self.abort()

    cdef void on_timer(self) noexcept:
        cdef Party party
        cdef uint64_t now = self.worker.now
        cdef uint64_t moved
        if self.state == CLIENT_TUNNEL:
            party = self.party
            if party is not None:
                party.on_time(self)
        elif self.shaking:
            if self.ending and self.party is None:
                self.abort()
            else:
                self.fail_shaking(FAULT_TLS_TIMEOUT)
        elif self.state == CLIENT_HEAD and (not self.paused or self.way is not None):
            if self.preface_due:
                # nobody has spoken HTTP yet
                self.worker.board.count_fault(FAULT_HEAD_TIMEOUT)
                self.abort()
            elif self.ahead_end > self.ahead_start or self.way is not None:
                self.paused = False
                self.fail(FAULT_HEAD_TIMEOUT)
            elif self.ending:
                # what has come in this very moment is answered
                self.readable = True
                self.on_readable()
                if not self.closed and self.is_idle():
                    self.say_end()
                    self.abort()
            else:
                self.worker.board.count_fault(FAULT_CLIENT_IDLE)
                self.say_end()
                self.abort()
        elif self.state == CLIENT_CONTENT or self.state == CLIENT_TRAILERS:
            if self.paused or self.held:
                # we hold it back: the time starts again with resume()
                return
            if self.received != self.noted:
                self.noted = self.received
                self.noted_at = now
            elif now - self.noted_at >= self.service.body_timeout:
                self.fail(FAULT_BODY_TIMEOUT)
                return
            if now - self.since >= self.service.min_rate_after and (
                (self.received - self.mark) * 1000000000 < self.service.min_rate * (now - self.since)
            ):
                self.fail(FAULT_BODY_TIMEOUT)
                return
            self.arm_look()
        else:
            if self.lingering:
                self.abort()
                return
            if self.backlog == NULL and self.writable and self.state == CLIENT_WAIT:
                self.since = 0
                return
            moved = self.sent - self.mark
            if moved == 0 or moved * 1000000000 < self.service.min_rate * (now - self.since):
                self.worker.board.count_fault(FAULT_SLOW_READER)
                self.fail(FAULT_SLOW_READER)
                return
            self.since = now
            self.mark = self.sent
            self.worker.arm(self, now + self.service.body_timeout)

    cdef void arm_content(self) noexcept:
        """Content begins, or goes on after we held it back: from now on it has to come, and fast enough."""
        self.since = self.noted_at = self.worker.now
        self.mark = self.noted = self.received
        self.arm_look()

    cdef void arm_look(self) noexcept:
        """Look again after a while. The rate is an average since the beginning, so windows don't hide a trickle."""
        cdef uint64_t pause = self.service.body_timeout
        if self.service.min_rate and self.service.min_rate_after < pause:
            pause = self.service.min_rate_after
        self.worker.arm(self, self.worker.now + pause)

    # From the client -----------------------------------------------------------------------------------

    cdef void save(self, const char* data, size_t size) noexcept:
        """Keep bytes for later: in place if they lie in `ahead` already."""
        cdef char* grown
        if self.ahead != NULL and self.ahead <= data < self.ahead + self.ahead_room:
            self.ahead_start = <uint32_t>(data - self.ahead)
            self.ahead_end = <uint32_t>(self.ahead_start + size)
            return
        grown = <char*>realloc(self.ahead, size)
        if grown == NULL:
            self.fail(FAULT_MEMORY)
            return
        self.ahead = grown
        self.ahead_room = <uint32_t>size
        memcpy(grown, data, size)
        self.ahead_start = 0
        self.ahead_end = <uint32_t>size

    cdef size_t process(self, const char* data, size_t size) noexcept:
        """Work on bytes from the client; what has to wait is saved."""
        cdef int result
        cdef size_t used
        cdef unsigned int count
        if self.preface_due:
            result = self.take_preface(data, size)
            if result == 0:
                self.save(data, size)
            if result <= 0:
                return size
            data += result
            size -= <size_t>result
        while size and not self.closed:
            if self.paused or self.state >= CLIENT_WAIT:
                if self.state == CLIENT_CLOSING:
                    return size
                self.save(data, size)
                return size
            if self.state == CLIENT_HEAD:
                result = self.take_head(data, size)
                if result <= 0:
                    return size
                data += result
                size -= <size_t>result
            elif self.state == CLIENT_CONTENT:
                used = self.take_content(data, size)
                data += used
                size -= used
            else:
                if self.scanned and size <= self.service.limits.fields and (
                    not head_ready(data, size, &self.scanned) and data[0] != 13
                ):
                    self.save(data, size)
                    return size
                result = parse_trailers(data, size, &self.service.limits, self.worker.parsed, &count)
                if result == 0 and size > self.service.limits.fields + 2:
                    result = -FAULT_FIELDS_TOO_LARGE
                if result == 0:
                    self.scanned = max(self.scanned, <size_t>1)
                    self.save(data, size)
                    return size
                if result < 0:
                    self.fail(-result)
                    return size
                self.scanned = 0
                self.content_over(data, count)
                data += result
                size -= <size_t>result
        return size

    cdef int take_head(self, const char* data, size_t size) noexcept:
        """A request head at `data`: its size once it was handled, 0 if it is not whole, -1 if refused."""
        cdef Worker worker = self.worker
        cdef Head* head = &worker.head
        cdef Exchange exchange
        cdef int skipped = 0
        cdef int result
        if self.service.detects and not self.served and self.bridged is None:
            result = take_way(self, data, size)
            if result != WAY_GO_ON:
                return result
        # one empty line before a request is forgiven (RFC 9112, 2.2)
        if size >= 2 and data[0] == 13 and data[1] == 10:
            data += 2
            size -= 2
            skipped = 2
            if size == 0:
                return 2
        if self.scanned and size <= self.service.limits.fields and not head_ready(data, size, &self.scanned):
            # over the bound the parser has the word: nothing grows because an end does not come
            self.save(data, size)
            return 0
        if self.listener is not None and self.service is not self.listener.service:
            self.follow()
        result = parse_request(data, size, &self.service.limits, head, worker.parsed)
        if result == 0 and size > self.service.limits.line + self.service.limits.fields + 4:
            result = -FAULT_FIELDS_TOO_LARGE
        if result == 0:
            if self.ahead_end == self.ahead_start and (self.served or self.ending):
                # the first bytes of another request: its time begins
                worker.arm(self, worker.now + self.service.head_timeout)
            self.scanned = max(self.scanned, <size_t>1)
            self.save(data, size)
            return 0
        if result < 0:
            self.fail(-result)
            return -1
        self.scanned = 0
        self.served = True
        worker.disarm(self)
        self.minor = head.minor
        self.keep_alive = (head.flags & HEAD_KEEP_ALIVE) != 0
        self.framing = head.framing
        self.remaining = head.length
        self.response_over = False
        self.chunked = False
        self.silent = False
        self.since = 0
        if head.framing == FRAMING_NONE or (head.framing == FRAMING_LENGTH and head.length == 0):
            self.state = CLIENT_WAIT
        else:
            self.state = CLIENT_CONTENT
            if head.framing == FRAMING_CHUNKED:
                chunk_begin(&self.decoder)
            self.arm_content()
        try:
            exchange = new_exchange(worker)
        except MemoryError:
            self.abort()
            return -1
        self.party = exchange
        exchange.bridged = self.bridged
        exchange.begin(self, self.service, &self.sender, head.minor, data)
        return skipped + result

    cdef void follow(self) noexcept:
        """The listener has a new service, in force from this request on."""
        cdef Service new = self.listener.service
        if self.bridged is not None:
            if new.bridge is self.bridged.bridge and (new.tls is None) == (self.service.tls is None):
                self.service = new
            else:
                # it bridges otherwise, or not at all: CONNECT has to be judged again
                self.ending = True
        elif (new.tls is None) == (self.tls is None):
            self.service = new
        else:
            # it begins or ends to speak TLS: what it says of its clients does not hold for this one
            self.ending = True

    cdef void hand_on(self, const char* data, size_t size) noexcept:
        cdef Party party = self.party
        if party is not None:
            party.on_data(self, data, size)

    cdef size_t take_content(self, const char* data, size_t size) noexcept:
        cdef size_t used
        cdef size_t length
        cdef const char* content
        cdef int event
        if self.framing == FRAMING_LENGTH:
            used = size if size < self.remaining else <size_t>self.remaining
            self.remaining -= used
            self.hand_on(data, used)
            if self.remaining == 0 and self.state == CLIENT_CONTENT:
                self.content_over(NULL, 0)
            return used
        event = chunk_next(&self.decoder, data, size, &used, &content, &length)
        if event < 0:
            self.fail(-event)
            return size
        if event == CHUNK_DATA:
            self.hand_on(content, length)
        elif event == CHUNK_LAST:
            self.state = CLIENT_TRAILERS
            self.scanned = 0
        return used

    cdef int splice_content(self) noexcept:
        """Move content to the origin without reading it. True when there is nothing more to do in this turn."""
        cdef Worker worker = self.worker
        cdef Connection sink
        cdef uint64_t moved = 0
        cdef uint64_t bound = self.remaining
        cdef uint64_t left
        cdef int result
        cdef Party party = self.party
        cdef Stream found = party.raw_sink(self, self.remaining) if party is not None and self.tls is None else None
        if found is None:
            return False
        worker.flush()
        if self.closed or self.party is None:
            return True
        sink = <Connection>found
        if sink.is_clogged() or not sink.writable:
            self.paused = True
            return True
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
            party.on_moved(self, moved)
        if result == RELAY_DONE:
            worker.pipe_give(self.pipe)
            self.pipe = NULL
            self.content_over(NULL, 0)
        elif result == RELAY_SINK:
            self.paused = True
            sink.on_stuck()
        elif result == RELAY_TURN:
            self.readable = True
            worker.defer(self)
        elif result == RELAY_EOF or result == RELAY_SOURCE_BROKEN:
            self.fail(FAULT_CLIENT_CLOSED)
        elif result == RELAY_SINK_BROKEN:
            sink.broken = True
            worker.defer(sink)
        return True

    cdef void content_over(self, const char* base, unsigned int trailers) noexcept:
        cdef Party party = self.party
        self.state = CLIENT_WAIT
        self.since = 0
        self.worker.disarm(self)
        if party is not None:
            party.on_end(self, base, self.worker.parsed, trailers)

    # Tunnel ------------------------------------------------------------------------------------------------

    cdef Stream to_raw(self):
        self.state = CLIENT_TUNNEL
        self.keep_alive = False
        return self

    cdef void give_ahead(self, Party party) noexcept:
        cdef uint32_t size = self.ahead_end - self.ahead_start
        if size:
            party.on_data(self, self.ahead + self.ahead_start, size)
            self.worker.flush()
        free(self.ahead)
        self.ahead = NULL
        self.ahead_start = self.ahead_end = 0

    # Bridging ------------------------------------------------------------------------------------------------

    cdef int look_ahead(self, Hello* hello) noexcept:
        cdef char* input = self.worker.input
        cdef uint32_t held = self.ahead_end - self.ahead_start
        cdef ssize_t got
        cdef int result
        while True:
            if held:
                result = read_hello(self.ahead + self.ahead_start, held, self.worker.sealed, hello)
                if result == -1 and is_record(self.ahead + self.ahead_start, held):
                    return -3
                if result != 0:
                    return result
            if held >= HELLO_MOST + 1024 or not self.readable:
                return -3 if held >= HELLO_MOST + 1024 else 0
            got = self.receive(input + held, INPUT_SIZE - held)
            if got == -1:
                return 0
            if got <= 0:
                return -2
            if held:
                memcpy(input, self.ahead + self.ahead_start, held)
            held += <uint32_t>got
            self.save(input, held)
            if self.closed:
                return -2

    cdef int begin_bridged(self, Bridged bridged, Certificate leaf) noexcept:
        cdef Session inner
        if self.worker.shakes.under_way >= SHAKES_MOST:
            return -2
        inner = bridged.bridge.server.accept(self.worker, self.fd, self.tls, leaf)
        if inner is None:
            return -1
        self.tls = inner
        self.bridged = bridged
        # what comes inside is HTTP, and was looked at
        self.way = None
        self.tls.early = self.ahead
        self.tls.early_start = self.ahead_start
        self.tls.early_end = self.ahead_end
        self.ahead = NULL
        self.ahead_start = self.ahead_end = self.ahead_room = 0
        self.scanned = 0
        self.state = CLIENT_HEAD
        self.keep_alive = True
        self.served = False
        self.readable = True
        self.worker.shakes.under_way += 1
        self.shaking = True
        self.worker.arm(self, self.worker.now + self.service.handshake_timeout)
        self.worker.shakes.enter(self)
        return 0

    # Ends ----------------------------------------------------------------------------------------------------

    cdef void fail(self, int fault) noexcept:
        """The client did something that ends the connection: its exchange answers, or we do."""
        cdef Party party = self.party
        if self.closed:
            return
        self.keep_alive = False
        if party is not None:
            if fault == FAULT_SLOW_READER:
                fault = FAULT_CLIENT_CLOSED
            if self.state < CLIENT_WAIT:
                # what still comes is not read as a request any more
                self.state = CLIENT_WAIT
                self.remaining = 1
            party.on_fault(self, fault)
            return
        if fault == FAULT_CLIENT_CLOSED or fault == FAULT_SLOW_READER or self.state == CLIENT_CLOSING:
            self.abort()
            return
        self.answer_malformed(fault)

    cdef void answer_malformed(self, int fault) noexcept:
        """Answer a request that could not be read: an exchange without a head, for log and counts."""
        cdef Exchange exchange
        try:
            exchange = new_exchange(self.worker)
        except MemoryError:
            self.abort()
            return
        self.minor = 1
        self.chunked = False
        self.silent = False
        self.state = CLIENT_WAIT
        self.remaining = 1
        self.framing = FRAMING_LENGTH
        self.party = exchange
        if self.way is not None:
            exchange.way_in = self.way.kind
        exchange.begin_refused(self, self.service, &self.sender, fault)

    cdef void release(self) noexcept:
        self.party = None
        if self.closed:
            return
        if not self.response_over or self.broken:
            self.abort()
            return
        if self.pipe != NULL:
            self.worker.pipe_give(self.pipe)
            self.pipe = NULL
        if self.state != CLIENT_WAIT or not self.keep_alive or self.ending:
            if self.state != CLIENT_WAIT:
                self.remaining = 1
            self.say_end()
            if self.closed:
                return
            self.state = CLIENT_CLOSING
            if self.backlog == NULL:
                self.close_gently()
            else:
                self.since = self.worker.now
                self.mark = self.sent
                self.worker.arm(self, self.worker.now + self.service.body_timeout)
            return
        self.state = CLIENT_HEAD
        if self.backlog != NULL:
            # answers that are not read must not pile up: the next request waits, and reading has to show progress
            self.paused = True
            if self.since == 0:
                self.since = self.worker.now
                self.mark = self.sent
                self.worker.arm(self, self.worker.now + self.service.body_timeout)
            return
        self.go_on()

    cdef void go_on(self) noexcept:
        """The last answer is out of our hands: now the next request may come."""
        self.paused = False
        if self.ending:
            self.close_gently()
            return
        self.since = 0
        self.worker.arm(self, self.worker.now + self.service.idle_timeout)
        if self.ahead_end > self.ahead_start or self.readable or self.eof:
            self.worker.defer(self)

    cdef void close_gently(self) noexcept:
        """End so that the client can read our last answer: closing with its bytes unread would reset it."""
        self.say_end()
        if self.closed:
            return
        if self.remaining == 0 and not self.readable and self.ahead == NULL:
            self.abort()
            return
        self.state = CLIENT_CLOSING
        self.lingering = True
        self.paused = False
        self.mark = self.received
        shutdown(self.fd, SHUT_WR)
        self.worker.arm(self, self.worker.now + LINGER_TIME)
        self.readable = True
        self.worker.defer(self)

    cdef void read_off(self) noexcept:
        cdef ssize_t got = self.receive(self.worker.input, INPUT_SIZE)
        if got == -1:
            return
        if got <= 0 or self.received - self.mark > LINGER_MOST:
            self.abort()

    cdef void drain(self) noexcept:
        if self.ending:
            return
        self.ending = True
        if self.is_idle():
            # closed at once, a request that is on its way would fail; a client that has just connected sends one
            self.worker.arm(self, self.worker.now + ENDING_GRACE)

    cdef bint is_idle(self) noexcept:
        return (
            self.state == CLIENT_HEAD and self.ahead_end == self.ahead_start and self.party is None
            and self.backlog == NULL
        )

    cdef void abort(self) noexcept:
        if self.closed:
            return
        self.party = None
        if self.way is not None:
            # it holds us
            self.way.leave()
        if self.pipe != NULL:
            self.worker.pipe_give(self.pipe)
            self.pipe = NULL
        self.leave()
        self.worker.bury(self)
