# The phase machine. The phases are closed and ordered (see Phase in state.pxd):
#
#   request -> route -> access -> [hooks] -> egress -> forward -> [hooks] -> reply -> log
#                                              ^__________|  another attempt, nothing answered yet
#
# One place branches on where the target comes from: find_target(). Every path ends in finish(),
# once, which writes the log. All changes of `phase` are in this file.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from limen.engine.access cimport ALLOW, NEED_ADDRESS, AccessView
from limen.engine.addresses cimport HOST_NAME, is_special, parse_authority
from limen.engine.board cimport (
    ENDPOINT_RETRIES,
    WORKER_EXCHANGES,
    WORKER_HOOK_CALLS,
    WORKER_HOOK_FAILURES,
)
from limen.engine.dial cimport Dial, new_dial
from limen.engine.forwarding cimport find_client, is_id_field, lay_request, lay_response
from limen.engine.http1.origin cimport ORIGIN_TUNNEL, Http1Origin, new_origin
from limen.engine.journal cimport (
    RETRY_ANSWERED,
    RETRY_ATTEMPTS,
    RETRY_BODY,
    RETRY_BUDGET,
    RETRY_CLIENT_CLOSED,
    RETRY_FAULT,
    RETRY_METHOD,
    RETRY_NO_ENDPOINT,
    LogRecord,
)
from limen.engine.connection cimport Connection
from limen.engine.keep cimport Keep, new_keep
from limen.engine.preface cimport send_preface
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.replies cimport add_field, fault_status, send_fault, send_reply
from limen.engine.service cimport (
    RETRY_ANY,
    RETRY_IDEMPOTENT,
    TARGET_FROM_REQUEST,
    Action,
    Service,
)
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
from limen.engine.stream cimport OutHead, Stream
from limen.engine.sys cimport monotonic, realtime
from limen.engine.tables cimport RequestView, normalize_path
from limen.engine.tunnel cimport Tunnel
from limen.engine.types cimport (
    FAULT_BODY_TOO_LARGE,
    FAULT_CLIENT_CLOSED,
    FAULT_DENIED,
    FAULT_DNS,
    FAULT_HOOK,
    FAULT_HOST,
    FAULT_INTERNAL,
    FAULT_LOOP,
    FAULT_MEMORY,
    FAULT_METHOD,
    FAULT_NO_ENDPOINT,
    FAULT_NO_ROUTE,
    FAULT_NONE,
    FAULT_ORIGIN_CLOSED,
    FAULT_RESPONSE,
    FAULT_SCHEME,
    FAULT_TARGET,
    FAULT_TARGET_ADDRESS,
    FAULT_UPGRADE,
    FIELD_AUTHORIZATION,
    FIELD_COOKIE,
    FIELD_MAX_FORWARDS,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_REFERER,
    FIELD_UPGRADE,
    FIELD_USER_AGENT,
    FORM_ASTERISK,
    FORM_ORIGIN,
    FRAMING_LENGTH,
    FRAMING_NONE,
    HEAD_EXPECT_CONTINUE,
    HEAD_UPGRADE,
    METHOD_CONNECT,
    METHOD_DELETE,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_PUT,
    METHOD_TRACE,
    SCHEME_HTTP,
    Address,
    Field,
    Head,
)
from limen.engine.upstream cimport Pooled, target_endpoint
from limen.engine.worker cimport Resolution, Worker


cdef enum:
    PARKED_CONTENT = 65536    # bytes of content held while there is nowhere to send them yet
    RETRIES_ALWAYS = 10       # retries that may be under way whatever the budget says
    SPOOL_PIECE = 32768


cdef extern from *:
    """
    #define LIMEN_SEEN(id) (1ull << (id))
    """
    uint64_t SEEN "LIMEN_SEEN"(int id) noexcept nogil


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

    cdef int copy_head(self, const char* data) noexcept:
        """Make the parsed head our own: one block, fields first."""
        cdef Head* head = &self.worker.head
        cdef size_t fields = head.count * sizeof(Field)
        cdef char* block = <char*>malloc(fields + head.size)
        if block == NULL:
            return -1
        memcpy(block, self.worker.parsed, fields)
        memcpy(block + fields, data, head.size)
        free(self.block)
        self.block = block
        self.fields = <Field*>block
        self.base = block + fields
        self.head = head[0]
        return 0

    cdef void begin(self, Stream client, Service service, const Address* sender, int minor, const char* data) noexcept:
        """Start with the head just parsed into worker.head and worker.parsed from `data`."""
        self.enlist(client, service, sender, minor)
        if self.copy_head(data) < 0:
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
        self.lay_id()
        self.refuse(fault)

    cdef void begin_opaque(self, Stream client, Service service, const Address* sender) noexcept:
        """Bytes of a stream listener: only the way out is chosen, then it is a tunnel."""
        self.enlist(client, service, sender, 1)
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
        if self.service.trusted is not None:
            find_client(self)
        self.lay_id()
        self.phase = PHASE_ROUTE
        fault = self.find_target()
        if fault == FAULT_NONE and self.head.method == METHOD_TRACE and not self.request_over:
            fault = FAULT_METHOD
        if fault != FAULT_NONE:
            self.refuse(fault)
            return
        if self.head.seen & SEEN(FIELD_MAX_FORWARDS) and self.is_last_hop():
            self.answer_last_hop()
            return
        fault = self.find_route()
        if fault != FAULT_NONE:
            self.refuse(fault)
            return
        if self.action.body_most and self.head.framing == FRAMING_LENGTH and self.head.length > self.action.body_most:
            self.refuse(FAULT_BODY_TOO_LARGE)
            return
        if self.action.status:
            self.answer_action()
            return
        if self.head.flags & HEAD_UPGRADE and self.action.upgrade and self.request_over:
            self.is_upgrade = self.upgrade_allowed()
        if self.service.access is not None:
            self.phase = PHASE_ACCESS
            fault = self.check_access(NULL)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        if self.action.request_hooks:
            self.run_hooks(False)
            return
        self.phase = PHASE_EGRESS
        self.attempt()

    cdef void lay_id(self) noexcept:
        """The request id: a trusted sender's own, or a new one."""
        cdef int i
        cdef const Field* field
        if self.service.id_field is None or len(self.service.id_field) == 0:
            return
        if self.service.id_trust or self.is_sender_trusted():
            for i in range(self.head.count):
                field = &self.fields[i]
                if is_id_field(self, field, self.base) and 0 < field.value_length <= sizeof(self.id) and is_visible(
                    self.base + field.value, field.value_length
                ):
                    memcpy(self.id, self.base + field.value, field.value_length)
                    self.id_length = field.value_length
                    return
        self.id_length = self.worker.request_id(self.id)

    cdef bint is_sender_trusted(self) noexcept:
        return (
            self.service.trusted is not None and self.sender.family != 1
            and self.service.trusted.contains(self.sender.ip)
        )

    cdef int find_target(self) noexcept:
        """Where the exchange goes, from the request or from the route: the one place that asks."""
        cdef Head* head = &self.head
        cdef int result
        if self.service.target_source == TARGET_FROM_REQUEST:
            if head.method == METHOD_CONNECT:
                self.is_connect = True
                self.host.port = 0
                result = parse_authority(self.base + head.authority, head.authority_length, 0, &self.host)
                return FAULT_TARGET if result < 0 or self.host.port == 0 else FAULT_NONE
            if head.form == FORM_ORIGIN or head.form == FORM_ASTERISK:
                return FAULT_TARGET
            if head.scheme != SCHEME_HTTP:
                return FAULT_SCHEME
            if parse_authority(self.base + head.authority, head.authority_length, 80, &self.host) < 0:
                return FAULT_TARGET
            return FAULT_NONE
        if head.method == METHOD_CONNECT:
            return FAULT_METHOD
        if head.authority_length:
            result = parse_authority(self.base + head.authority, head.authority_length, 80, &self.host)
            return FAULT_TARGET if result < 0 else FAULT_NONE
        if head.host_length:
            result = parse_authority(self.base + head.host, head.host_length, 80, &self.host)
            return FAULT_HOST if result < 0 else FAULT_NONE
        self.host.name_length = 0
        return FAULT_NONE

    cdef bint is_last_hop(self) noexcept:
        """Max-Forwards: 0 with TRACE or OPTIONS ends here (RFC 9110, 7.6.2)."""
        cdef int i
        cdef uint32_t j
        cdef const Field* field
        if self.head.method != METHOD_TRACE and self.head.method != METHOD_OPTIONS:
            return False
        for i in range(self.head.count):
            field = &self.fields[i]
            if field.id == FIELD_MAX_FORWARDS:
                for j in range(field.value_length):
                    if self.base[field.value + j] != 48:
                        return False
                return True
        return False

    cdef void answer_last_hop(self) noexcept:
        cdef unsigned int count = 0
        cdef char* body
        cdef char* out
        cdef int i
        cdef const Field* field
        self.phase = PHASE_REPLY
        self.worker.values_used = 0
        if self.head.method == METHOD_OPTIONS:
            add_field(self, &count, b"Allow", 5, b"GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH", 51)
            send_reply(self, 200, NULL, 0, count, False)
            self.finish()
            return
        # the request as received, without what identifies somebody (RFC 9110, 9.3.8)
        # ": " may be one byte longer than what came
        body = self.worker.value(self.head.size + self.head.count)
        if body == NULL:
            self.refuse(FAULT_MEMORY)
            return
        out = body
        i = <int>(self.head.method_length + 1 + self.head.target_length)
        memcpy(out, self.base, <size_t>i)
        memcpy(out + i, b" HTTP/1.1\r\n", 11)
        out += i + 11
        for i in range(self.head.count):
            field = &self.fields[i]
            if field.id == FIELD_AUTHORIZATION or field.id == FIELD_COOKIE or field.id == FIELD_PROXY_AUTHORIZATION:
                continue
            memcpy(out, self.base + field.name, field.name_length)
            out += field.name_length
            memcpy(out, b": ", 2)
            memcpy(out + 2, self.base + field.value, field.value_length)
            memcpy(out + 2 + field.value_length, b"\r\n", 2)
            out += field.value_length + 4
        memcpy(out, b"\r\n", 2)
        out += 2
        add_field(self, &count, b"Content-Type", 12, b"message/http", 12)
        send_reply(self, 200, body, <size_t>(out - body), count, False)
        self.finish()

    # route ----------------------------------------------------------------------------------------

    cdef int find_route(self) noexcept:
        cdef RequestView view
        cdef Head* head = &self.head
        cdef int length
        cdef int index
        if self.is_connect or self.service.routes is None:
            self.path = self.base + head.path
            self.path_length = head.path_length
            return FAULT_NONE
        self.path = self.base + head.path
        self.path_length = head.path_length
        if self.path_length == 0:
            self.path = b"/"
            if head.form == FORM_ASTERISK:
                self.path = b"*"
            self.path_length = 1
        elif not is_plain(self.path, self.path_length):
            self.normal = <char*>malloc(self.path_length)
            if self.normal == NULL:
                return FAULT_MEMORY
            length = normalize_path(self.path, self.path_length, self.normal, self.path_length)
            if length < 0:
                return FAULT_TARGET
            if length > 0:
                self.path = self.normal
                self.path_length = <size_t>length
        view.head = self.base
        view.fields = self.fields
        view.count = head.count
        view.host = self.host.name
        view.host_length = self.host.name_length
        view.path = self.path
        view.path_length = self.path_length
        view.query = self.base + head.query
        view.query_length = head.query_length
        view.method = self.base
        view.method_length = head.method_length
        view.method_id = head.method
        view.client = &self.peer
        index = self.service.routes.match(&view)
        if index < 0:
            return FAULT_NO_ROUTE
        self.action = <Action>self.service.routes.actions[index]
        self.upstream = self.action.upstream
        if self.action.replace is not None:
            return self.rewrite_path()
        return FAULT_NONE

    cdef int rewrite_path(self) noexcept:
        """The route's regular expression on the path; a result that is no path refuses the request."""
        cdef bytes path
        cdef unsigned char c
        try:
            path = self.action.replace(self.path[:self.path_length])
        except Exception as error:
            self.worker.tell(40, f"route {self.action.name}: rewrite failed: {error!r}")
            return FAULT_INTERNAL
        if not path.startswith(b"/"):
            path = b"/" + path
        for c in path:
            if c <= 32 or c >= 127 or c == 35 or c == 63:
                self.worker.tell(40, f"route {self.action.name}: rewriting made an invalid path {path!r}")
                return FAULT_INTERNAL
        self.rewritten = path
        return FAULT_NONE

    cdef bint upgrade_allowed(self) noexcept:
        """h2c is not passed: it would open a channel in which nothing is checked any more."""
        cdef int i
        cdef uint32_t j
        cdef const Field* field
        for i in range(self.head.count):
            field = &self.fields[i]
            if field.id != FIELD_UPGRADE:
                continue
            for j in range(field.value_length):
                if field.value_length - j >= 3 and (self.base[field.value + j] | 32) == 104 and (
                    self.base[field.value + j + 1] == 50
                ):
                    return False
        return True

    cdef int check_access(self, const Address* target) noexcept:
        cdef AccessView view
        cdef int decision
        view.client = &self.peer
        view.host = self.host.name
        view.host_length = self.host.name_length
        view.port = self.host.port
        view.method_id = self.head.method
        view.method = self.base
        view.method_length = self.head.method_length
        view.target = target if target != NULL else (NULL if self.host.kind == HOST_NAME else &self.host.address)
        decision = self.service.access.decide(&view, &self.rule)
        if decision == NEED_ADDRESS:
            self.need_address = True
            return FAULT_NONE
        return FAULT_NONE if decision == ALLOW else FAULT_DENIED

    cdef int check_target_address(self, const Address* target) noexcept:
        """What may be dialled: the rules on the very address, own listeners never, special ones if opened."""
        cdef int fault
        if self.need_address:
            fault = self.check_access(target)
            if fault != FAULT_NONE:
                return fault
        if self.worker.is_own(target):
            return FAULT_LOOP
        if self.service.private_allowed or not is_special(target.ip):
            return FAULT_NONE
        if self.service.targets_allowed is not None and self.service.targets_allowed.contains(target.ip):
            return FAULT_NONE
        return FAULT_TARGET_ADDRESS

    # replies of routes ------------------------------------------------------------------------------

    cdef void answer_action(self) noexcept:
        cdef Action action = self.action
        cdef unsigned int count = 0
        cdef int i
        cdef bytes location
        self.phase = PHASE_REPLY
        self.worker.values_used = 0
        if action.location is not None:
            try:
                location = self.fill_location(action.location)
            except Exception as error:
                self.worker.tell(40, f"route {action.name}: redirect failed: {error!r}")
                self.refuse(FAULT_INTERNAL)
                return
            add_field(self, &count, b"Location", 8, <const char*>location, <size_t>len(location))
        if action.reply is not None:
            for i in range(action.reply.set_count):
                add_field(
                    self, &count, action.reply.sets[i].name, action.reply.sets[i].name_length,
                    action.reply.sets[i].value, action.reply.sets[i].value_length,
                )
        send_reply(self, action.status, <const char*>action.body, <size_t>len(action.body), count, False)
        self.finish()

    cdef bytes fill_location(self, bytes template):
        cdef Head* head = &self.head
        cdef bytes host = self.base[head.authority:head.authority + head.authority_length]
        if not host:
            host = self.base[head.host:head.host + head.host_length]
        return (
            template.replace(b"{host}", host)
            .replace(b"{path}", self.path[:self.path_length])
            .replace(b"{query}", self.base[head.query - 1:head.query + head.query_length] if head.has_query else b"")
        )

    # egress -----------------------------------------------------------------------------------------

    cdef void attempt(self) noexcept:
        """One more try to reach somebody who answers."""
        cdef Pooled pooled
        self.phase = PHASE_EGRESS
        if self.upstream is None:
            self.attempt_target()
            return
        if not self.pinned:
            self.endpoint = self.upstream.choose(self.worker.now, self.avoid)
        if self.endpoint is None:
            self.refuse(FAULT_NO_ENDPOINT)
            return
        self.attempts += 1
        self.enter()
        while not self.fresh and not self.is_opaque:
            pooled = self.endpoint.take()
            if pooled is None:
                break
            if not self.is_repeatable() and (<Http1Origin>pooled).is_stale():
                pooled.abort()
                continue
            self.use_origin(pooled, True)
            return
        self.dial_endpoint()

    cdef void attempt_target(self) noexcept:
        """The target came with the request: a pooled connection to it, or resolve, check and dial."""
        cdef Pooled pooled
        if self.endpoint is None:
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
            if self.check_target_address(&pooled.peer) != FAULT_NONE:
                pooled.abort()
                continue
            if not self.is_repeatable() and (<Http1Origin>pooled).is_stale():
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
        if self.finished or self.phase != PHASE_EGRESS or self.dial is not None:
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
                fault = self.check_target_address(&dial.addresses[i])
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
        self.endpoint.dial_done()
        try:
            origin = new_origin(self.worker)
        except MemoryError:
            origin = None
        if origin is None or origin.start(fd, self.endpoint) < 0:
            self.attempt_failed(FAULT_MEMORY, False)
            return
        origin.peer = address[0]
        if self.endpoint.proxy_protocol:
            send_preface(origin, &self.sender, <Connection>self.client, self.endpoint.proxy_protocol)
        self.use_origin(origin, False)

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
        if self.keep is not None and not self.is_keeping():
            self.worker.flush()
            self.keep = None
            self.keep_lost = True
        if self.request_over or self.replaced:
            self.end_request()
        if not self.request_over:
            self.client.resume()

    # another attempt ----------------------------------------------------------------------------------

    cdef bint is_repeatable(self) noexcept:
        """Whether the method allows to send the request twice."""
        cdef int method = self.head.method
        if self.is_upgrade or self.is_connect:
            return False
        if method == METHOD_GET or method == METHOD_HEAD or method == METHOD_OPTIONS or method == METHOD_TRACE:
            return True
        if self.action.retry_methods == RETRY_ANY:
            return True
        return self.action.retry_methods == RETRY_IDEMPOTENT and (method == METHOD_PUT or method == METHOD_DELETE)

    cdef bint is_keeping(self) noexcept:
        """Whether content that passes is kept for another attempt."""
        return not self.keep_lost and not self.response_begun and (self.replaced or self.is_repeatable())

    cdef bint may_repeat(self, int fault, bint reused) noexcept:
        """Decide on another attempt after `fault`; if not, `retry_blocked` says why."""
        cdef bint sent = self.origin_ready
        if self.response_begun:
            self.retry_blocked = RETRY_ANSWERED
        elif fault != FAULT_ORIGIN_CLOSED and sent:
            # the origin had the request and time to act on it: nothing says that it did not
            self.retry_blocked = RETRY_FAULT
        elif sent and not self.is_repeatable():
            self.retry_blocked = RETRY_METHOD
        elif self.keep_lost:
            self.retry_blocked = RETRY_BODY
        elif reused:
            # it was closed while idle; a fresh connection tells whether the origin lives
            return True
        elif self.attempts > self.action.attempts:
            self.retry_blocked = RETRY_ATTEMPTS
        elif self.upstream is None or (self.upstream.count < 2 and not sent):
            self.retry_blocked = RETRY_NO_ENDPOINT
        elif self.worker.retries >= max(<long>RETRIES_ALWAYS, self.worker.exchanges // 5):
            self.retry_blocked = RETRY_BUDGET
        else:
            return True
        return False

    cdef void attempt_failed(self, int fault, bint reused) noexcept:
        """The attempt is over; the endpoint has been entered, the origin is gone."""
        cdef bint again = self.may_repeat(fault, reused)
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
        if self.phase == PHASE_TUNNEL or self.replaced:
            return
        if self.origin_ready and (self.keep is None or self.keep_sent == self.keep.size):
            if self.is_keeping():
                self.keep_more(data, size)
                if self.keep is not None:
                    self.keep_sent = self.keep.size
            self.origin.send_data(data, size)
            if self.origin.is_clogged():
                self.client.pause()
            return
        # nobody to send it to yet: hold it, and hold the client back soon
        if self.keep is None:
            try:
                self.keep = new_keep(self.hold_most(), max(self.action.keep_most, self.hold_most() + 2 * size))
            except MemoryError:
                self.refuse(FAULT_MEMORY)
                return
        if self.keep.append(data, size) < 0:
            self.refuse(FAULT_BODY_TOO_LARGE if self.body_limit else FAULT_MEMORY)
            return
        if self.body_waiter is not None and self.keep.size > self.body_limit:
            self.hand_body(None)
        if self.keep is not None and self.keep.size >= (
            self.body_limit if self.body_waiter is not None else <uint64_t>PARKED_CONTENT
        ):
            self.client.pause()

    cdef int hold_trailers(self, const char* base, const Field* trailers, unsigned int count) noexcept:
        """Copy the request's trailers: the content before them may still wait, or go out once more."""
        cdef size_t room = count * sizeof(Field)
        cdef size_t size = 0
        cdef unsigned int i
        for i in range(count):
            size = max(size, <size_t>trailers[i].name + trailers[i].name_length)
            size = max(size, <size_t>trailers[i].value + trailers[i].value_length)
        free(self.trailer_block)
        self.trailer_block = <char*>malloc(room + size)
        if self.trailer_block == NULL:
            return -1
        memcpy(self.trailer_block, trailers, room)
        memcpy(self.trailer_block + room, base, size)
        self.trailer_count = count
        return 0

    cdef void end_request(self) noexcept:
        """Tell the origin that the request is whole."""
        if self.trailer_block == NULL:
            self.origin.send_end(NULL, NULL, 0)
            return
        self.origin.send_end(
            self.trailer_block + self.trailer_count * sizeof(Field), <Field*>self.trailer_block, self.trailer_count
        )

    cdef uint64_t hold_most(self) noexcept:
        if self.body_limit:
            return max(self.action.keep_memory, self.body_limit + INPUT_SIZE)
        return max(self.action.keep_memory, <uint64_t>PARKED_CONTENT)

    cdef void keep_more(self, const char* data, size_t size) noexcept:
        """Keep a copy of content that goes out; over the bound there is no other attempt any more."""
        if self.keep is None:
            try:
                self.keep = new_keep(self.action.keep_memory, self.action.keep_most)
            except MemoryError:
                self.keep_lost = True
                return
        if self.keep.append(data, size) < 0:
            self.keep_lost = True
            self.keep = None

    cdef void on_end(self, Stream source, const char* base, const Field* trailers, unsigned int count) noexcept:
        if self.finished:
            return
        if source is self.client:
            self.request_over = True
            if self.replaced:
                return
            if count and self.hold_trailers(base, trailers, count) < 0:
                self.refuse(FAULT_MEMORY)
                return
            if self.parked and self.body_waiter is not None and self.phase == PHASE_HOOK:
                self.hand_body(self.keep)
            elif self.origin_ready and (self.keep is None or self.keep_sent == self.keep.size):
                self.end_request()
        elif source is self.origin:
            self.response_over = True
            if self.phase == PHASE_RESPONSE_HOOK:
                if self.body_waiter is not None:
                    self.hand_body(self.response_keep)
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
        if source is self.client and self.origin_ready and not self.is_keeping() and self.keep is None:
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
        if self.action.response_hooks:
            if self.hold_head(head, fields, base) < 0:
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
        if self.minor == 0 or (head.status == 100 and not self.head.flags & HEAD_EXPECT_CONTINUE):
            return
        if lay_response(self, head, fields, base) == 0:
            self.client.send_head(&self.worker.out_head)

    cdef void reply_response(self, const Head* head, const Field* fields, const char* base) noexcept:
        self.phase = PHASE_REPLY
        self.status = head.status
        if lay_response(self, head, fields, base) < 0:
            self.drop_origin()
            self.refuse(FAULT_INTERNAL)
            return
        self.response_begun = True
        self.client.send_head(&self.worker.out_head)

    # tunnels ------------------------------------------------------------------------------------------------

    cdef void begin_connect(self) noexcept:
        cdef OutHead* out = &self.worker.out_head
        cdef unsigned int count = 0
        if self.is_opaque:
            (<Http1Origin>self.origin).state = ORIGIN_TUNNEL
            self.begin_tunnel()
            return
        memset(out, 0, sizeof(OutHead))
        self.worker.values_used = 0
        out.status = 200
        out.reason.data = b"Connection established"
        out.reason.length = 22
        out.fields = self.worker.out
        out.count = count
        self.status = 200
        self.response_begun = True
        self.client.send_head(out)
        (<Http1Origin>self.origin).state = ORIGIN_TUNNEL
        self.begin_tunnel()

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
        if self.response_begun:
            self.break_off(fault)
            return
        if self.phase == PHASE_RESPONSE_HOOK:
            # parked with a head: whoever waits for the content hears that there is none
            self.fault = fault
            self.response_over = True
            if self.body_waiter is not None:
                self.hand_body(None)
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
        self.endpoint.enter()

    cdef void leave(self) noexcept:
        if self.entered:
            self.entered = False
            self.endpoint.leave()

    cdef void finish(self) noexcept:
        """Over, one way or the other: log, let both sides go."""
        cdef Stream origin = self.origin
        cdef Stream client = self.client
        cdef Worker worker = self.worker
        cdef bint tunnel = self.phase == PHASE_TUNNEL
        if self.finished:
            return
        self.finished = True
        self.leave()
        if self.retrying:
            worker.retries -= 1
        self.log()
        self.phase = PHASE_LOG
        worker.exchanges -= 1
        worker.board.worker_add(WORKER_EXCHANGES, -1)
        if self.hook_state is not None or self.body_waiter is not None:
            self.drop_hooks()
        self.origin = None
        self.client = None
        if tunnel:
            return
        if origin is not None:
            origin.release()
        client.release()

    cdef void log(self) noexcept:
        """Count and write the exchange: always, once."""
        cdef LogRecord record
        cdef uint64_t total = monotonic() - self.started
        cdef const Field* field
        cdef int i
        cdef unsigned int slot = self.action.slot if self.action is not None else 0xffffffff
        self.worker.board.count_exchange(slot, self.status, self.received, self.sent, total)
        if self.worker.journal is None:
            return
        memset(&record, 0, sizeof(record))
        record.started = <int64_t>(realtime() - total)
        record.total = total
        record.dial = self.dial_time
        record.response_head = self.response_time
        record.received = self.received
        record.sent = self.sent
        record.client = self.peer
        record.direction.text = b"reverse"
        if self.service.target_source == TARGET_FROM_REQUEST:
            record.direction.text = b"forward"
        record.direction.length = 7
        if self.base != NULL:
            record.method.text = self.base
            record.method.length = self.head.method_length
            record.target.text = self.base + self.head.target
            record.target.length = self.head.target_length
            record.host.text = self.host.name
            record.host.length = self.host.name_length
            if self.head.seen & (SEEN(FIELD_USER_AGENT) | SEEN(FIELD_REFERER)):
                for i in range(self.head.count):
                    field = &self.fields[i]
                    if field.id == FIELD_USER_AGENT:
                        record.user_agent.text = self.base + field.value
                        record.user_agent.length = field.value_length
                    elif field.id == FIELD_REFERER:
                        record.referer.text = self.base + field.value
                        record.referer.length = field.value_length
        if self.action is not None:
            record.route.text = <const char*>self.action.label
            record.route.length = <uint32_t>len(self.action.label)
        if self.upstream is not None:
            record.upstream.text = <const char*>self.upstream.name
            record.upstream.length = <uint32_t>len(self.upstream.name)
        if self.endpoint is not None:
            record.endpoint.text = <const char*>self.endpoint.label
            record.endpoint.length = <uint32_t>len(self.endpoint.label)
        record.request_id.text = self.id
        record.request_id.length = self.id_length
        record.status = self.status
        record.attempts = <uint16_t>self.attempts
        record.fault = <uint8_t>self.fault
        record.retry_blocked = self.retry_blocked
        record.minor = <uint8_t>self.minor
        record.tunnel = self.phase == PHASE_TUNNEL
        self.worker.journal.record(&record)

    # hooks --------------------------------------------------------------------------------------------------------

    cdef int hold_head(self, const Head* head, const Field* fields, const char* base) noexcept:
        """Copy a response head, for as long as a hook has it."""
        cdef size_t room = head.count * sizeof(Field)
        cdef char* block = <char*>malloc(room + head.size)
        if block == NULL:
            return -1
        memcpy(block, fields, room)
        memcpy(block + room, base, head.size)
        free(self.response_block)
        self.response_block = block
        self.response_fields = <Field*>block
        self.response_base = block + room
        self.response_head = head[0]
        return 0

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
            self.hand_body(None)
        if self.response_keep is not None and self.response_keep.size >= most and self.origin is not None:
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

    cdef void hand_body(self, Keep keep) noexcept:
        """Give the content to the hook that waits for it; None: too large, or broken off."""
        cdef object waiter = self.body_waiter
        cdef bytes content
        self.body_waiter = None
        self.worker.wake = True
        try:
            if keep is None and (self.phase == PHASE_HOOK and self.request_over) and self.fault == 0:
                content = b""
            elif keep is None:
                content = b"" if self.response_over and self.fault == 0 else None
            elif keep.fd >= 0:
                content = None
            else:
                content = keep.data[:keep.in_memory]
            waiter(content)
        except Exception as error:
            self.worker.tell(40, f"route {self.action.name}: content could not be handed over: {error!r}")

    cdef void drop_hooks(self) noexcept:
        cdef object waiter = self.body_waiter
        self.body_waiter = None
        self.worker.wake = True
        try:
            if waiter is not None:
                waiter(None)
            if self.hook_state is not None:
                self.hook_state.ended()
        except Exception as error:
            self.worker.tell(40, f"hook: {error!r}")
        self.hook_state = None

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
        if keep is not None and keep.size > limit or (head.framing == FRAMING_LENGTH and head.length > limit):
            self.hand_body(None)
        elif whole:
            self.hand_body(keep)
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
            if not self.response_over:
                self.response_over = True
                self.drop_origin()
            self.response_head.framing = FRAMING_LENGTH
            self.response_head.length = size

    cdef int revise(self) noexcept:
        """After a hook has changed the request: target, path and access again. The route stays."""
        cdef int fault
        cdef int length
        if not self.pinned:
            fault = self.find_target()
            if fault != FAULT_NONE:
                return fault
        self.path = self.base + self.head.path
        self.path_length = self.head.path_length
        if self.path_length and not is_plain(self.path, self.path_length):
            free(self.normal)
            self.normal = <char*>malloc(self.path_length)
            if self.normal == NULL:
                return FAULT_MEMORY
            length = normalize_path(self.path, self.path_length, self.normal, self.path_length)
            if length < 0:
                return FAULT_TARGET
            if length > 0:
                self.path = self.normal
                self.path_length = <size_t>length
        elif self.path_length == 0:
            self.path = b"/"
            self.path_length = 1
        return FAULT_NONE

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
                fault = self.check_access(NULL)
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


cdef inline bint is_visible(const char* text, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if not 32 < <unsigned char>text[i] < 127:
            return False
    return True


cdef inline bint is_plain(const char* path, size_t size) noexcept nogil:
    """No escape and no dot segment, as in most paths: nothing to normalise."""
    cdef size_t i
    for i in range(size):
        if path[i] == 37 or (path[i] == 46 and path[i - 1 if i else 0] == 47):
            return False
    return True
