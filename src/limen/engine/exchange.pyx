# The phase machine. The phases are closed and ordered (see Phase in state.pxd):
#
#   request -> route -> access -> [hooks] -> egress -> forward -> [hooks] -> reply -> log
#                                              ^__________|  another attempt, nothing answered yet
#
# One place branches on where the target comes from: find_target(). Every path ends in finish(),
# once, which writes the log. All changes of `phase` are in this file.

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memset

from limen.engine.account cimport log_exchange
from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport parse_authority
from limen.engine.admission cimport admit, leave_limits
from limen.engine.affinity cimport exchange_key
from limen.engine.balance cimport POLICY_HASH, load_measured
from limen.engine.board cimport ENDPOINT_RETRIES, WORKER_EXCHANGES, WORKER_HOOK_CALLS, WORKER_HOOK_FAILURES
from limen.engine.bridged cimport BRIDGE_LOOK, BRIDGE_PASS
from limen.engine.connection cimport Connection
from limen.engine.copies cimport copy_head, hold_head, hold_trailers
from limen.engine.dial cimport Dial, new_dial
from limen.engine.forwarding cimport find_client, lay_request, lay_response
from limen.engine.http1.origin cimport ORIGIN_TUNNEL, Http1Origin, new_origin
from limen.engine.journal cimport RETRY_ANSWERED, RETRY_CLIENT_CLOSED
from limen.engine.keep cimport SPOOL_PIECE, Keep, new_keep
from limen.engine.look cimport Look
from limen.engine.preface cimport send_preface
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.repeat cimport PARKED_CONTENT, hold_most, is_keeping, is_repeatable, keep_more, may_repeat
from limen.engine.replies cimport fault_status, send_action, send_fault, send_last_hop, send_page
from limen.engine.routing cimport (
    check_access,
    check_authority,
    check_target_address,
    find_route,
    find_target,
    has_certificate,
    is_last_hop,
    lay_id,
    upgrade_allowed,
)
from limen.engine.service cimport Action, Service
from limen.engine.state cimport (
    PHASE_ACCESS,
    PHASE_EGRESS,
    PHASE_FORWARD,
    PHASE_HOOK,
    PHASE_LOG,
    PHASE_REPLY,
    PHASE_REQUEST,
    PHASE_RESPONSE_HOOK,
    PHASE_ROUTE,
    PHASE_TUNNEL,
    ExchangeState,
)
from limen.engine.stream cimport LOOKED_PASS, LOOKED_REDIAL, OutHead, Stream
from limen.engine.sys cimport monotonic
from limen.engine.tls.libssl cimport X509_V_OK
from limen.engine.tunnel cimport Tunnel
from limen.engine.types cimport (
    FAULT_BODY_TOO_LARGE,
    FAULT_CLIENT_CERTIFICATE,
    FAULT_CLIENT_CLOSED,
    FAULT_DNS,
    FAULT_HOOK,
    FAULT_INTERNAL,
    FAULT_MEMORY,
    FAULT_METHOD,
    FAULT_NONE,
    FAULT_NO_ENDPOINT,
    FAULT_ORIGIN_CLOSED,
    FAULT_RESPONSE,
    FAULT_SHED,
    FAULT_TLS_CERTIFICATE,
    FAULT_TLS_REFUSED,
    FAULT_UPGRADE,
    FIELD_MAX_FORWARDS,
    FRAMING_LENGTH,
    FRAMING_NONE,
    HEAD_EXPECT_CONTINUE,
    HEAD_UPGRADE,
    METHOD_GET,
    METHOD_TRACE,
    SEEN,
    Address,
    Field,
    Head,
)
from limen.engine.upstream cimport Pooled, target_endpoint
from limen.engine.waiters cimport drop_hooks, hand_body, withhold_body
from limen.engine.worker cimport Resolution, Worker


cdef Exchange new_exchange(Worker worker):
    cdef Exchange exchange = Exchange.__new__(Exchange)
    exchange.worker = worker
    return exchange


@cython.final
@cython.no_gc
cdef class Exchange(ExchangeState):
    def __repr__(self) -> str:
        return (
            f"<Exchange phase={self.phase} action={self.action!r} endpoint={self.endpoint!r} attempts={self.attempts} "
            f"status={self.status} fault={self.fault} received={self.received} sent={self.sent}>"
        )

    # request -------------------------------------------------------------------------------------

    cdef void begin(self, Stream client, Service service, const Address* sender, int minor, const char* data) noexcept:
        """Start with the head just parsed into worker.head and worker.parsed from `data`."""
        self.enlist(client, service, sender, minor)
        if copy_head(self, data) < 0:
            # the head is only in the scratch buffer: there is nothing to log but the fault
            self.head.method = METHOD_GET
            self.refuse(FAULT_MEMORY)
            return
        self.request_over = self.head.framing == FRAMING_NONE or (
            self.head.framing == FRAMING_LENGTH and self.head.length == 0
        )
        self.proceed()

    cdef void begin_refused(self, Stream client, Service service, const Address* sender, int fault) noexcept:
        """Stand in for a request that could not be read: answered, counted and logged like any other."""
        self.enlist(client, service, sender, 1)
        lay_id(self)
        self.refuse(fault)

    cdef void begin_opaque(
        self, Stream client, Service service, Action action, const Address* sender, const char* name, size_t size
    ) noexcept:
        """Bytes that are not looked into: only the way out is chosen, then it is a tunnel. `name`: whom TLS names."""
        self.enlist(client, service, sender, 1)
        self.action = action
        if size and parse_authority(name, size, 443, &self.host) < 0:
            self.host.name_length = 0
        self.is_connect = True
        self.is_opaque = True
        self.request_over = True
        self.upstream = self.action.upstream
        self.attempt()

    cdef void enlist(self, Stream client, Service service, const Address* sender, int minor) noexcept:
        self.client = client
        self.service = service
        self.action = service.action
        self.sender = sender[0]
        self.peer = sender[0]
        self.minor = minor
        self.rule = -1
        self.started = monotonic()
        self.worker.exchanges += 1
        self.worker.board.worker_add(WORKER_EXCHANGES, 1)
        self.phase = PHASE_REQUEST

    cdef void proceed(self) noexcept:
        """From a whole head to the way out."""
        cdef int fault
        cdef int result
        if self.service.trusted is not None:
            find_client(self)
        lay_id(self)
        self.phase = PHASE_ROUTE
        fault = find_target(self)
        if fault == FAULT_NONE and self.head.method == METHOD_TRACE and not self.request_over:
            fault = FAULT_METHOD
        if fault == FAULT_NONE and self.service.tls is not None:
            fault = check_authority(self, (<Connection>self.client).tls)
        if fault != FAULT_NONE:
            self.refuse(fault)
            return
        if self.head.seen & SEEN(FIELD_MAX_FORWARDS) and is_last_hop(self):
            self.answer_here(send_last_hop)
            return
        fault = find_route(self)
        if fault != FAULT_NONE:
            self.refuse(fault)
            return
        if self.action.certificate is not None and not has_certificate(self):
            self.refuse(FAULT_CLIENT_CERTIFICATE)
            return
        if self.action.guard is not None:
            fault = admit(self)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        if self.action.body_most and self.head.framing == FRAMING_LENGTH and self.head.length > self.action.body_most:
            self.refuse(FAULT_BODY_TOO_LARGE)
            return
        if self.action.status:
            self.answer_here(send_action)
            return
        if self.head.flags & HEAD_UPGRADE and self.action.upgrade and self.request_over:
            self.is_upgrade = upgrade_allowed(self)
        if self.service.access is not None:
            self.phase = PHASE_ACCESS
            fault = check_access(self, NULL)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        if self.is_connect and self.service.bridge is not None:
            self.looking = True
            result = self.service.bridge.at_connect(self.worker, &self.peer, &self.host)
            if result == BRIDGE_PASS:
                self.looking = False
            elif result != BRIDGE_LOOK:
                self.refuse(FAULT_TLS_REFUSED)
                return
        if self.action.request_hooks:
            self.run_hooks(False)
            return
        self.phase = PHASE_EGRESS
        self.attempt()

    cdef void answer_here(self, int (*send)(ExchangeState) noexcept) noexcept:
        """Answer without any origin."""
        cdef int fault
        self.phase = PHASE_REPLY
        self.worker.values_used = 0
        fault = send(self)
        if fault != FAULT_NONE:
            self.refuse(fault)
        else:
            self.finish()

    # egress -----------------------------------------------------------------------------------------

    cdef void attempt(self) noexcept:
        """One more try to reach somebody who answers."""
        self.phase = PHASE_EGRESS
        if self.upstream is None:
            self.attempt_target()
        elif self.upstream.queue is not None and self.upstream.queue.count and not self.retrying:
            # those who came earlier go first
            self.wait_for_place()
        elif not self.on_place():
            self.wait_for_place()

    cdef bint on_place(self) noexcept:
        cdef uint64_t key = 0
        if self.upstream.balancer.policy == POLICY_HASH:
            key = exchange_key(self)
        self.endpoint = self.upstream.claim(self.worker.now, self.avoid, key)
        if self.endpoint is None:
            return False
        self.waiting = False
        self.entered = True
        self.attempt_endpoint()
        return True

    cdef void wait_for_place(self) noexcept:
        """All endpoints are full: queue for one, if there is a queue with room."""
        if self.upstream.count == 0:
            self.refuse(FAULT_NO_ENDPOINT)
        elif self.upstream.queue is None or self.upstream.queue.join(self, self.retrying) < 0:
            self.refuse(FAULT_SHED)
        else:
            self.waiting = True

    cdef void on_shed(self) noexcept:
        self.waiting = False
        self.refuse(FAULT_SHED)

    cdef void attempt_endpoint(self) noexcept:
        """Entered: a pooled connection, or dial."""
        cdef Pooled pooled
        self.attempts += 1
        while not self.fresh and not self.is_opaque:
            pooled = self.endpoint.take()
            if pooled is None:
                break
            if not is_repeatable(self) and (<Http1Origin>pooled).is_stale():
                pooled.abort()
                continue
            self.use_origin(pooled, True)
            return
        self.dial_endpoint()

    cdef void attempt_target(self) noexcept:
        """The target came with the request: a pooled connection to it, or resolve, check and dial."""
        cdef Pooled pooled
        if self.endpoint is None:
            if self.bridged is not None:
                self.endpoint = self.bridged.endpoint
            else:
                self.endpoint = target_endpoint(self.worker, &self.host)
            if self.endpoint is None:
                self.refuse(FAULT_INTERNAL)
                return
        self.attempts += 1
        self.enter()
        while not self.fresh and not self.is_connect:
            pooled = self.endpoint.take()
            if pooled is None:
                break
            # the pool is shared: this client's rules are asked about the address that was dialled
            if check_target_address(self, &pooled.peer) != FAULT_NONE:
                pooled.abort()
                continue
            if not is_repeatable(self) and (<Http1Origin>pooled).is_stale():
                pooled.abort()
                continue
            self.use_origin(pooled, True)
            return
        self.dial_endpoint()

    cdef void dial_endpoint(self) noexcept:
        cdef Resolution answer
        cdef Dial dial
        self.dialled_at = self.worker.now
        if self.endpoint.literal.family == 0:
            answer = self.worker.ask_name(self.endpoint.host, self)
            if answer is not None:
                self.dial_resolved(answer)
            return
        try:
            dial = new_dial(self.worker, self)
        except MemoryError:
            self.attempt_failed(FAULT_MEMORY, False)
            return
        dial.addresses[0] = self.endpoint.literal
        dial.count = 1
        dial.path = self.endpoint.path
        self.start_dial(dial, FAULT_NONE)

    cdef void on_resolved(self, object resolution) noexcept:
        if self.finished or self.phase != PHASE_EGRESS or self.waiting or self.dial is not None:
            return
        self.dial_resolved(<Resolution>resolution)

    cdef void dial_resolved(self, Resolution answer) noexcept:
        cdef Dial dial
        cdef int i
        if answer.fault:
            self.attempt_failed(answer.fault, False)
            return
        try:
            dial = new_dial(self.worker, self)
        except MemoryError:
            self.attempt_failed(FAULT_MEMORY, False)
            return
        for i in range(answer.count):
            dial.addresses[i] = answer.addresses[i]
            dial.addresses[i].port = <uint16_t>self.endpoint.port
        dial.count = answer.count
        self.start_dial(dial, FAULT_DNS)

    cdef void start_dial(self, Dial dial, int empty) noexcept:
        """Race the addresses that may be dialled; a target's are judged one by one, here and now."""
        cdef int i
        cdef int kept = 0
        cdef int fault
        cdef int refused = empty
        if self.upstream is None:
            for i in range(dial.count):
                fault = check_target_address(self, &dial.addresses[i])
                if fault == FAULT_NONE:
                    dial.addresses[kept] = dial.addresses[i]
                    kept += 1
                else:
                    refused = fault
            dial.count = kept
            if kept == 0:
                self.refuse(refused)
                return
        self.dial = dial
        dial.begin(self.upstream.dial_timeout if self.upstream is not None else self.service.dial_timeout)

    cdef void on_dial_fault(self, int fault) noexcept:
        self.dial = None
        if self.finished:
            return
        self.dial_time += self.worker.now - self.dialled_at
        if self.upstream is not None:
            self.endpoint.dial_failed()
        self.attempt_failed(fault, False)

    cdef void on_connected(self, int fd, const Address* address) noexcept:
        cdef Http1Origin origin
        self.dial = None
        self.dial_time += self.worker.now - self.dialled_at
        try:
            origin = new_origin(self.worker)
        except MemoryError:
            origin = None
        if origin is None or origin.start(fd, self.endpoint) < 0:
            self.attempt_failed(FAULT_MEMORY, False)
            return
        origin.peer = address[0]
        if self.endpoint.proxy_protocol:
            send_preface(
                origin, &self.sender, <Connection>self.client, self.endpoint.proxy_protocol, self.host.name,
                self.host.name_length if self.is_opaque else 0,
            )
        if self.upstream is not None and self.upstream.tls is not None:
            # what was put before goes out as it is
            self.worker.flush()
            self.origin = origin
            origin.begin_tls(self.upstream.tls, self, self.upstream.handshake_timeout, None, self.is_opaque)
            return
        if self.bridged is not None:
            self.origin = origin
            origin.begin_tls(self.bridged.bridge.client, self, self.bridged.bridge.handshake_timeout, self.bridged.name)
            return
        self.endpoint.dial_done()
        self.use_origin(origin, False)

    cdef void on_secured(self, Stream source) noexcept:
        if self.finished or source is not self.origin:
            return
        self.dial_time = self.worker.now - self.dialled_at
        if self.bridged is not None and (<Http1Origin>source).tls.verdict != X509_V_OK:
            # it was good when the client came; now it is not, or somebody else answers
            (<Http1Origin>source).tell_refused((<Http1Origin>source).tls.reason())
            self.origin = None
            source.abort()
            self.attempt_failed(FAULT_TLS_CERTIFICATE, False)
            return
        self.endpoint.dial_done()
        self.use_origin(source, False)

    cdef void use_origin(self, Stream stream, bint reused) noexcept:
        """An origin is there: forward the request (or join the tunnel)."""
        cdef Http1Origin origin = <Http1Origin>stream
        cdef Worker worker = self.worker
        self.origin = origin
        origin.head_timeout = self.action.response_timeout
        origin.stall_timeout = self.action.stall_timeout
        if self.upstream is not None:
            origin.idle_timeout = self.upstream.idle_timeout
            origin.idle_most = self.upstream.idle_most
        else:
            origin.idle_timeout = <uint64_t>55000000000
            origin.idle_most = 256
        if self.endpoint.proxy_protocol:
            # its header named this client: no other may come by this connection
            origin.idle_most = 0
        origin.engage(self, self.head.method)
        self.phase = PHASE_FORWARD
        self.forwarded_at = worker.now
        if self.is_connect:
            self.begin_connect()
            return
        if lay_request(self) < 0:
            self.refuse(FAULT_INTERNAL)
            return
        origin.send_head(&worker.out_head)
        self.origin_ready = True
        self.keep_sent = 0
        if self.keep is not None:
            self.push_kept()
        elif self.request_over:
            self.end_request()

    cdef void push_kept(self) noexcept:
        """Send what was kept of the content, as far as the origin takes it."""
        cdef const char* place = NULL
        cdef char* scratch
        cdef ssize_t size
        while self.keep is not None and self.keep_sent < self.keep.size:
            if self.origin.is_clogged():
                return
            scratch = self.worker.claim(SPOOL_PIECE)
            size = self.keep.look(self.keep_sent, scratch, SPOOL_PIECE, &place)
            if size <= 0:
                self.refuse(FAULT_INTERNAL)
                return
            self.keep_sent += <uint64_t>size
            self.origin.send_data(place, <size_t>size)
            if self.keep.in_memory > self.keep_sent or self.keep.fd >= 0:
                # `place` may move or be overwritten by the next piece
                self.worker.flush()
        if self.keep is not None and (
            not is_keeping(self) or (self.keep.size > self.action.keep_most and not self.replaced)
        ):
            # more was held until there was an origin than is kept for another one
            self.worker.flush()
            self.keep = None
            self.keep_lost = True
        if self.request_over or self.replaced:
            self.end_request()
        if not self.request_over:
            self.client.resume()

    # another attempt ----------------------------------------------------------------------------------

    cdef void attempt_failed(self, int fault, bint reused) noexcept:
        """The attempt is over; the endpoint has been entered, the origin is gone."""
        cdef bint again = may_repeat(self, fault, reused)
        self.leave()
        self.origin_ready = False
        if not again:
            self.refuse(fault)
            return
        if reused:
            self.fresh = True
            self.attempts -= 1
        else:
            self.avoid = self.endpoint
            if not self.retrying:
                self.retrying = True
                self.worker.retries += 1
        if self.upstream is not None:
            self.worker.board.endpoint_add(self.endpoint.slot, ENDPOINT_RETRIES, 1)
        self.attempt()

    # content --------------------------------------------------------------------------------------------

    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept:
        if self.finished:
            return
        if source is self.client:
            self.take_request(data, size)
        elif source is self.origin:
            if self.phase == PHASE_RESPONSE_HOOK:
                self.hold_response(data, size)
                return
            self.sent += size
            self.client.send_data(data, size)
            if self.client.is_clogged():
                source.pause()

    cdef void take_request(self, const char* data, size_t size) noexcept:
        self.received += size
        if self.action is not None and self.action.body_most and self.received > self.action.body_most:
            self.refuse(FAULT_BODY_TOO_LARGE)
            return
        if self.phase == PHASE_TUNNEL or self.replaced or self.is_orphaned():
            return
        if self.origin_ready and (self.keep is None or self.keep_sent == self.keep.size):
            if is_keeping(self):
                keep_more(self, data, size)
                if self.keep is not None:
                    self.keep_sent = self.keep.size
            self.origin.send_data(data, size)
            if self.origin.is_clogged():
                self.client.pause()
            return
        # nobody to send it to yet: hold it, and hold the client back soon
        if self.keep is None:
            try:
                self.keep = new_keep(hold_most(self), max(self.action.keep_most, hold_most(self) + 2 * size))
            except MemoryError:
                self.refuse(FAULT_MEMORY)
                return
        if self.keep.append(data, size) < 0:
            self.refuse(FAULT_BODY_TOO_LARGE if self.body_limit else FAULT_MEMORY)
            return
        if self.body_waiter is not None and self.keep.size > self.body_limit:
            withhold_body(self)
        if self.body_waiter is None and self.keep is not None and self.keep.size >= PARKED_CONTENT:
            # (a hook that waits has to see the end, or one byte too much)
            self.client.pause()

    cdef bint is_orphaned(self) noexcept:
        """Whether the origin has answered early and gone while a hook has its response: the rest of the
        request goes nowhere."""
        return self.origin is None and self.phase == PHASE_RESPONSE_HOOK

    cdef void end_request(self) noexcept:
        """Tell the origin that the request is whole."""
        if self.trailer_block == NULL:
            self.origin.send_end(NULL, NULL, 0)
            return
        self.origin.send_end(
            self.trailer_block + self.trailer_count * sizeof(Field), <Field*>self.trailer_block, self.trailer_count
        )

    cdef void on_end(self, Stream source, const char* base, const Field* trailers, unsigned int count) noexcept:
        if self.finished:
            return
        if source is self.client:
            self.request_over = True
            if self.replaced or self.is_orphaned():
                return
            if count and hold_trailers(self, base, trailers, count) < 0:
                self.refuse(FAULT_MEMORY)
                return
            if self.parked and self.body_waiter is not None and self.phase == PHASE_HOOK:
                hand_body(self, self.keep)
            elif self.origin_ready and (self.keep is None or self.keep_sent == self.keep.size):
                self.end_request()
        elif source is self.origin:
            self.response_over = True
            if self.phase == PHASE_RESPONSE_HOOK:
                if self.body_waiter is not None:
                    hand_body(self, self.response_keep)
                return
            self.client.send_end(base, trailers, count)
            self.finish()

    cdef void on_drained(self, Stream sink) noexcept:
        if self.finished:
            return
        if sink is self.client:
            if self.origin is not None:
                self.origin.resume()
        elif sink is self.origin and self.origin_ready:
            if self.keep is not None and self.keep_sent < self.keep.size:
                self.push_kept()
            else:
                self.client.resume()

    cdef Stream raw_sink(self, Stream source):
        """Whom content may be spliced to: the client if its framing leaves the bytes as they are."""
        if self.finished or self.phase == PHASE_RESPONSE_HOOK:
            return None
        if source is self.origin:
            return self.client if self.client.is_raw() else None
        if source is self.client and self.origin_ready and not is_keeping(self) and self.keep is None:
            return self.origin if self.origin.is_raw() else None
        return None

    cdef void on_moved(self, Stream source, uint64_t size) noexcept:
        if source is self.client:
            self.received += size
        else:
            self.sent += size

    # response ---------------------------------------------------------------------------------------------

    cdef void on_response(self, Stream source, const Head* head, const Field* fields, const char* base) noexcept:
        if self.finished:
            return
        if head.status < 200:
            self.pass_interim(head, fields, base)
            return
        self.response_time = self.worker.now - self.forwarded_at
        if self.upstream is not None and self.upstream.balancer.measures:
            load_measured(
                &self.endpoint.load, self.worker.now, self.dial_time + self.response_time, self.upstream.balancer.decay
            )
        if self.action.response_hooks:
            if hold_head(self, head, fields, base) < 0:
                self.refuse(FAULT_MEMORY)
                return
            self.run_hooks(True)
            return
        self.reply_response(head, fields, base)

    cdef void pass_interim(self, const Head* head, const Field* fields, const char* base) noexcept:
        if head.status == 101:
            if not self.is_upgrade:
                self.drop_origin()
                self.refuse(FAULT_RESPONSE + FAULT_UPGRADE)
                return
            self.status = 101
            if lay_response(self, head, fields, base) < 0:
                self.refuse(FAULT_INTERNAL)
                return
            self.response_begun = True
            self.client.send_head(&self.worker.out_head)
            self.begin_tunnel()
            return
        if self.minor == 0 or (
            head.status == 100 and (self.continued or not self.head.flags & HEAD_EXPECT_CONTINUE)
        ):
            return
        if lay_response(self, head, fields, base) == 0:
            self.client.send_head(&self.worker.out_head)
            if self.client.is_clogged():
                # an origin may send as many as it likes, but they do not pile up here
                self.origin.pause()

    cdef void reply_response(self, const Head* head, const Field* fields, const char* base) noexcept:
        self.phase = PHASE_REPLY
        self.status = head.status
        if self.action.pages is not None and self.action.pages.replaces and send_page(self, head, fields, base):
            self.drop_origin()
            self.finish()
            return
        if lay_response(self, head, fields, base) < 0:
            self.drop_origin()
            self.refuse(FAULT_INTERNAL)
            return
        self.response_begun = True
        self.client.send_head(&self.worker.out_head)

    # tunnels ------------------------------------------------------------------------------------------------

    cdef void begin_connect(self) noexcept:
        cdef OutHead* out = &self.worker.out_head
        (<Http1Origin>self.origin).state = ORIGIN_TUNNEL
        if not self.is_opaque and not self.response_begun:
            memset(out, 0, sizeof(OutHead))
            self.worker.values_used = 0
            out.status = 200
            out.reason.data = b"Connection established"
            out.reason.length = 22
            out.fields = self.worker.out
            self.status = 200
            self.response_begun = True
            self.client.send_head(out)
        if self.looking:
            self.begin_look()
        else:
            self.begin_tunnel()

    cdef void begin_look(self) noexcept:
        cdef Look look
        cdef Accepted client
        self.worker.flush()
        if self.client.closed:
            return
        self.phase = PHASE_TUNNEL
        client = <Accepted>self.client.to_raw()
        try:
            look = Look.__new__(Look)
        except MemoryError:
            self.break_off(FAULT_MEMORY)
            return
        look.begin(self, client, <Http1Origin>self.origin, self.service.bridge, &self.host, &self.peer)

    cdef void on_looked(self, int verdict) noexcept:
        cdef Stream client = self.client
        if self.finished:
            return
        if verdict == LOOKED_PASS:
            self.begin_tunnel()
        elif verdict == LOOKED_REDIAL:
            client.party = self
            self.drop_origin()
            self.leave()
            # only a connection of its own will do, and the answer was given
            self.fresh = True
            self.looking = False
            self.attempt()
        else:
            # the connection was only ours until its requests come
            self.origin = None
            self.finish()

    cdef void begin_tunnel(self) noexcept:
        cdef Tunnel tunnel
        cdef Connection client
        if self.client.closed:
            return
        self.phase = PHASE_TUNNEL
        client = <Connection>self.client.to_raw()
        try:
            tunnel = Tunnel.__new__(Tunnel)
        except MemoryError:
            self.break_off(FAULT_MEMORY)
            return
        tunnel.owner = self
        tunnel.begin(client, <Connection>self.origin, self.service.tunnel_idle, self.service.tunnel_half,
                     self.service.tunnel_life)
        # bytes that the client sent ahead
        client.give_ahead(tunnel)

    # faults and ends --------------------------------------------------------------------------------------------

    cdef void on_fault(self, Stream source, int fault) noexcept:
        cdef bint reused
        if self.finished:
            return
        if self.phase == PHASE_TUNNEL:
            self.fault = fault
            if fault:
                self.worker.board.count_fault(fault)
            self.finish()
            return
        if source is self.client:
            if fault == FAULT_CLIENT_CLOSED:
                self.retry_blocked = RETRY_CLIENT_CLOSED
            if self.response_begun or fault_status(fault) == 0 or fault == FAULT_CLIENT_CLOSED:
                self.break_off(fault)
            else:
                self.refuse(fault)
            return
        if source is not self.origin:
            return
        reused = (<Http1Origin>source).reused and not (<Http1Origin>source).answered and fault == FAULT_ORIGIN_CLOSED
        self.origin = None
        if (<Http1Origin>source).shaking and self.upstream is not None:
            self.endpoint.dial_failed()
        if self.response_begun:
            self.retry_blocked = RETRY_ANSWERED
            self.break_off(fault)
            return
        if self.phase == PHASE_RESPONSE_HOOK:
            # parked with a head: whoever waits for the content hears that there is none
            self.fault = fault
            self.response_over = True
            if self.body_waiter is not None:
                withhold_body(self)
            return
        self.attempt_failed(fault, reused)

    cdef void drop_origin(self) noexcept:
        cdef Stream origin = self.origin
        cdef Dial dial = self.dial
        self.dial = None
        if dial is not None:
            dial.cancel()
        self.origin = None
        if origin is not None:
            origin.abort()

    cdef void refuse(self, int fault) noexcept:
        """Answer with the fault; if an answer has begun, break off."""
        if self.finished:
            return
        if self.response_begun:
            self.break_off(fault)
            return
        self.fault = fault
        self.worker.board.count_fault(fault)
        self.drop_origin()
        self.phase = PHASE_REPLY
        if fault_status(fault) == 0 or self.is_opaque:
            self.client.abort()
        else:
            self.worker.values_used = 0
            send_fault(self, fault, 0)
        self.finish()

    cdef void break_off(self, int fault) noexcept:
        """Nothing can be said any more: end both sides so that the client sees that it is not whole."""
        if self.finished:
            return
        self.fault = fault
        self.worker.board.count_fault(fault)
        self.drop_origin()
        if not self.response_begun and not self.is_opaque:
            self.status = 499 if fault == FAULT_CLIENT_CLOSED else <uint16_t>fault_status(fault)
        self.worker.flush()
        self.client.abort()
        self.finish()

    cdef void enter(self) noexcept:
        """Count this exchange as one that the endpoint works on."""
        self.entered = True
        self.endpoint.enter(0)

    cdef void leave(self) noexcept:
        if self.entered:
            self.entered = False
            self.endpoint.leave()
            if self.upstream is not None and self.upstream.queue is not None and self.upstream.queue.count:
                self.upstream.queue.stir()

    cdef void finish(self) noexcept:
        """Over, one way or the other: log, let both sides go."""
        cdef Stream origin = self.origin
        cdef Stream client = self.client
        cdef Worker worker = self.worker
        cdef bint tunnel = self.phase == PHASE_TUNNEL
        if self.finished:
            return
        self.finished = True
        if self.waiting:
            self.waiting = False
            self.upstream.queue.drop(self)
        self.leave()
        if self.holds_limits:
            leave_limits(self)
        if self.retrying:
            worker.retries -= 1
        log_exchange(self)
        self.phase = PHASE_LOG
        worker.exchanges -= 1
        worker.board.worker_add(WORKER_EXCHANGES, -1)
        if self.hook_state is not None or self.body_waiter is not None:
            drop_hooks(self)
        self.origin = None
        self.client = None
        if tunnel:
            return
        if origin is not None:
            origin.release()
        client.release()

    # hooks --------------------------------------------------------------------------------------------------------

    cdef void hold_response(self, const char* data, size_t size) noexcept:
        cdef uint64_t most = self.body_limit if self.body_limit else <uint64_t>PARKED_CONTENT
        if self.response_keep is None:
            try:
                self.response_keep = new_keep(most + (1 << 20), most + (1 << 20))
            except MemoryError:
                self.refuse(FAULT_MEMORY)
                return
        if self.response_keep.append(data, size) < 0:
            self.hook_failed(FAULT_HOOK)
            return
        if self.response_keep.size > most and self.body_waiter is not None:
            withhold_body(self)
        if self.body_waiter is None and self.response_keep.size >= most and self.origin is not None:
            self.origin.pause()

    cdef void run_hooks(self, bint response) noexcept:
        self.phase = PHASE_RESPONSE_HOOK if response else PHASE_HOOK
        self.parked = True
        self.worker.wake = True
        self.worker.board.worker_add(WORKER_HOOK_CALLS, 1)
        try:
            self.worker.run_hook(self, response)
        except Exception as error:
            self.worker.tell(40, f"route {self.action.name}: hooks could not be started: {error!r}")
            self.hook_failed(FAULT_HOOK)

    cdef void hook_failed(self, int fault) noexcept:
        self.worker.board.worker_add(WORKER_HOOK_FAILURES, 1)
        self.parked = False
        self.drop_origin()
        self.refuse(fault)

    cdef void want_body(self, uint64_t limit, object waiter) noexcept:
        """A hook waits for the content of the message that it has, up to `limit` bytes."""
        cdef Keep keep = self.keep if self.phase == PHASE_HOOK else self.response_keep
        cdef bint whole = self.request_over if self.phase == PHASE_HOOK else self.response_over
        cdef const Head* head = &self.head if self.phase == PHASE_HOOK else &self.response_head
        cdef OutHead* out = &self.worker.out_head
        self.body_waiter = waiter
        self.body_limit = limit
        if keep is not None and keep.fd < 0:
            # a hook's content is handed over from memory: make room for it there
            keep.memory_most = max(keep.memory_most, limit + INPUT_SIZE)
            keep.most = max(keep.most, limit + INPUT_SIZE)
        if self.fault or keep is not None and keep.size > limit or (
            head.framing == FRAMING_LENGTH and head.length > limit
        ):
            withhold_body(self)
        elif whole:
            hand_body(self, keep)
        elif self.phase == PHASE_HOOK:
            if head.flags & HEAD_EXPECT_CONTINUE and not self.continued:
                # the client holds its content back until somebody asks for it
                self.continued = True
                memset(out, 0, sizeof(OutHead))
                out.status = 100
                out.reason.data = b"Continue"
                out.reason.length = 8
                out.fields = self.worker.out
                self.client.send_head(out)
            self.client.resume()
        elif self.origin is not None:
            self.origin.resume()

    cdef void replace_content(self, const char* data, size_t size) noexcept:
        """A hook's content goes out instead of the message's own."""
        cdef Keep keep
        try:
            keep = new_keep(size, size)
        except MemoryError:
            self.hook_failed(FAULT_MEMORY)
            return
        if size and keep.append(data, size) < 0:
            self.hook_failed(FAULT_MEMORY)
            return
        if self.phase == PHASE_HOOK:
            self.keep = keep
            self.replaced = True
            self.head.framing = FRAMING_LENGTH
            self.head.length = size
            self.head.flags &= <uint8_t>~HEAD_EXPECT_CONTINUE
        elif self.phase == PHASE_RESPONSE_HOOK:
            self.response_keep = keep
            # if the origin's content broke off, it is not missed any more
            self.fault = FAULT_NONE
            if not self.response_over:
                self.response_over = True
                self.drop_origin()
            self.response_head.framing = FRAMING_LENGTH
            self.response_head.length = size

    cdef void hooks_done(self) noexcept:
        """Python is through with this phase: go on from where the exchange was parked."""
        cdef const char* place = NULL
        cdef ssize_t size
        cdef uint64_t offset = 0
        cdef int fault
        if self.finished or not self.parked:
            return
        self.parked = False
        if self.phase == PHASE_HOOK:
            self.body_limit = 0
            if self.service.access is not None:
                # what the hook made of the target is judged like what the client asked for
                fault = check_access(self, NULL)
                if fault != FAULT_NONE:
                    self.refuse(fault)
                    return
            self.phase = PHASE_EGRESS
            self.attempt()
        elif self.phase == PHASE_RESPONSE_HOOK:
            self.reply_response(&self.response_head, self.response_fields, self.response_base)
            if self.finished:
                return
            while self.response_keep is not None and offset < self.response_keep.size:
                size = self.response_keep.look(offset, NULL, 1 << 30, &place)
                if size <= 0:
                    self.break_off(FAULT_INTERNAL)
                    return
                self.sent += <uint64_t>size
                self.client.send_data(place, <size_t>size)
                offset += <uint64_t>size
            self.worker.flush()
            self.response_keep = None
            if self.response_over:
                if self.fault:
                    self.break_off(self.fault)
                    return
                self.client.send_end(NULL, NULL, 0)
                self.finish()
            elif self.origin is not None and not self.client.is_clogged():
                self.origin.resume()
        self.worker.flush()
