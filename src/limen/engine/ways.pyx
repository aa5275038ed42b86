# From a client's first bytes to its first exchange, where that does not begin with a request of HTTP:
#
#   SOCKS 5: GREETING --no method--> REQUEST --> ASKED --> ANSWERED
#            GREETING --pair--> PAIR --(known, or PARKED until it is)--> REQUEST
#   SOCKS 4: REQUEST --> ASKED --> ANSWERED
#   a transparent listener's TLS: ASKED, once the hello is whole
# A request becomes the exchange that CONNECT would have made: the same rules, look-ups, dials, log. Only what the
# client is told differs, and send_head() of its connection asks here for that.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from limen.engine.accepted cimport Accepted
from limen.engine.associate cimport begin_association
from limen.engine.demand cimport Demand
from limen.engine.exchange cimport Exchange, new_exchange
from limen.engine.http1.client cimport CLIENT_WAIT, Http1Client
from limen.engine.identifying cimport Claim, claim_pair, drop_claim, known_pair
from limen.engine.service cimport Service
from limen.engine.socks cimport (
    SOCKS_BIND,
    SOCKS_CONNECT,
    SOCKS_IPV4,
    SOCKS_IPV6,
    SOCKS_NO_METHOD,
    SOCKS_NO_METHOD_NEEDED,
    SOCKS_PAIR,
    SOCKS_REPLY_MOST,
    SOCKS_TARGET_MOST,
    SOCKS_UDP,
    SocksRequest,
    parse_greeting,
    parse_pair,
    parse_socks,
    socks_code,
    write_socks_reply,
    write_socks_target,
)
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutHead, Party
from limen.engine.sys cimport monotonic
from limen.engine.tls.hello cimport HELLO_MOST, Hello, read_hello
from limen.engine.transparent cimport find_original, lay_original
from limen.engine.types cimport (
    FAULT_DENIED,
    FAULT_IDENTITY,
    FAULT_INTERNAL,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_ORIGINAL,
    FAULT_SOCKS,
    FAULT_SOCKS_COMMAND,
    FAULT_SOCKS_METHOD,
    FAULT_TLS_HANDSHAKE,
    FORM_AUTHORITY,
    FRAMING_NONE,
    METHOD_CONNECT,
    METHOD_OTHER,
    Address,
    Head,
)
from limen.engine.worker cimport Worker


cdef enum:
    TLS_HANDSHAKE = 22        # first byte of a record that holds a hello (RFC 8446, 5.1)
    LINE_ROOM = 32            # around a target: method, version, two line ends


cdef inline bint takes(Service service, int way) noexcept:
    return (service.ways >> way) & 1


cdef Demand demand_of(Service service):
    if service.demand is not None or service.action is None:
        return service.demand
    return service.action.demand


cdef inline bint shows_certificate(Http1Client client, Demand demand) noexcept:
    return demand.wants_certificate and client.tls is not None


cdef int take_way(Accepted accepted, const char* data, size_t size) noexcept:
    cdef Http1Client client = <Http1Client>accepted
    cdef Service service = client.service
    cdef int first
    if client.way is None:
        first = <uint8_t>data[0]
        if service.transparent:
            return arrive(client, data, size)
        if first == WAY_SOCKS4 or first == WAY_SOCKS5:
            if not takes(service, first):
                client.fail(FAULT_SOCKS)
                return -1
            if begin_way(client, first) < 0:
                return -1
        elif takes(service, WAY_HTTP):
            return WAY_GO_ON
        else:
            # said in HTTP, which is what speaks here by mistake
            client.fail(FAULT_SOCKS)
            return -1
    if client.way.stage == WAY_GREETING:
        return take_greeting(client, data, size)
    if client.way.stage == WAY_PAIR:
        return take_pair(client, data, size)
    return take_request(client, data, size)


cdef int begin_way(Http1Client client, int kind) noexcept:
    cdef Way way
    try:
        way = Way.__new__(Way)
    except MemoryError:
        client.worker.board.count_fault(FAULT_MEMORY)
        client.abort()
        return -1
    way.kind = <uint8_t>kind
    way.client = client
    way.stage = WAY_GREETING if kind == WAY_SOCKS5 else WAY_REQUEST
    client.way = way
    return 0


cdef int wait(Http1Client client, const char* data, size_t size) noexcept:
    """A message is not whole: keep what there is of it. All messages together have the time of a request head."""
    client.scanned = 1
    client.save(data, size)
    return 0


# SOCKS ------------------------------------------------------------------------------------------------

cdef int take_greeting(Http1Client client, const char* data, size_t size) noexcept:
    cdef uint32_t methods = 0
    cdef Demand demand = demand_of(client.service)
    cdef int taken = parse_greeting(data, size, &methods)
    if taken == 0:
        return wait(client, data, size)
    if taken < 0:
        client.fail(-taken)
        return -1
    client.scanned = 0
    if demand is not None and demand.wants_field and methods >> SOCKS_PAIR & 1:
        client.way.demand = demand
        client.way.stage = WAY_PAIR
        client.put(b"\x05\x02", 2)
    else:
        if not methods >> SOCKS_NO_METHOD_NEEDED & 1 or (
            demand is not None and demand.required and not shows_certificate(client, demand)
        ):
            client.fail(FAULT_SOCKS_METHOD)
            return -1
        client.way.stage = WAY_REQUEST
        client.put(b"\x05\x00", 2)
    return taken


cdef int take_pair(Http1Client client, const char* data, size_t size) noexcept:
    """User name and password: known, or parked until somebody says whether they are good."""
    cdef Way way = client.way
    cdef uint32_t user = 0
    cdef uint32_t user_length = 0
    cdef uint32_t password = 0
    cdef uint32_t password_length = 0
    cdef int taken = parse_pair(data, size, &user, &user_length, &password, &password_length)
    if taken == 0:
        return wait(client, data, size)
    if taken < 0:
        client.fail(-taken)
        return -1
    client.scanned = 0
    way.identity = known_pair(
        client.worker, way.demand, data + user, user_length, data + password, password_length
    )
    if way.identity is not None:
        way.stage = WAY_REQUEST
        client.put(b"\x01\x00", 2)
        return taken
    way.stage = WAY_PARKED
    # what the client sends ahead waits
    client.pause()
    way.claim = claim_pair(
        client.worker, way.demand, way, &client.sender, data + user, user_length, data + password, password_length
    )
    if way.claim is None:
        client.resume()
        client.fail(FAULT_INTERNAL)
        return -1
    return taken


cdef int take_request(Http1Client client, const char* data, size_t size) noexcept:
    cdef SocksRequest request
    cdef Way way = client.way
    cdef Demand demand = demand_of(client.service)
    cdef int taken = parse_socks(data, size, &request)
    cdef int fault = FAULT_NONE
    if taken == 0:
        return wait(client, data, size)
    client.scanned = 0
    if taken < 0:
        fault = -taken
    elif request.version != way.kind:
        fault = FAULT_SOCKS
    elif way.kind == WAY_SOCKS4 and demand is not None and demand.required and not shows_certificate(client, demand):
        # version 4 has no passwords
        fault = FAULT_SOCKS_METHOD
    elif request.command == SOCKS_BIND:
        fault = FAULT_NONE if client.service.bind_timeout else FAULT_SOCKS_COMMAND
    elif request.command == SOCKS_UDP:
        fault = FAULT_NONE if client.service.relay_targets and way.kind == WAY_SOCKS5 else FAULT_SOCKS_COMMAND
    elif request.command != SOCKS_CONNECT:
        fault = FAULT_SOCKS_COMMAND
    if client.listener is not None and client.service is not client.listener.service:
        client.follow()
    if fault == FAULT_NONE:
        way.command = request.command
        fault = ask(client, data, taken, &request)
    if fault != FAULT_NONE:
        client.fail(fault)
        return -1
    return taken


cdef int ask(Http1Client client, const char* data, int size, const SocksRequest* request) noexcept:
    """The exchange, begun with the head that asks for the same in HTTP; a fault if it could not begin."""
    cdef Worker worker = client.worker
    cdef char* line
    cdef int length
    cdef const char* method = b"CONNECT "
    cdef int named = 8
    if request.command == SOCKS_BIND:
        method = b"BIND "
        named = 5
    elif request.command == SOCKS_UDP:
        method = b"UDP "
        named = 4
    worker.values_used = 0
    line = worker.value(SOCKS_TARGET_MOST + LINE_ROOM)
    memcpy(line, method, <size_t>named)
    length = write_socks_target(data, request, line + named)
    if length < 0:
        return -length
    if request.command == SOCKS_UDP:
        lay_said(&client.way.bound, data, request)
    return begin_exchange(client, line, named, length, client.way.command)


cdef void lay_said(Address* said, const char* data, const SocksRequest* request) noexcept:
    """Where a client will send its datagrams from; a name says nothing."""
    memset(said, 0, sizeof(Address))
    said.port = request.port
    if request.kind == SOCKS_IPV4:
        said.family = 4
        said.ip[10] = said.ip[11] = 255
        memcpy(&said.ip[12], data + request.host, 4)
    elif request.kind == SOCKS_IPV6:
        said.family = 6
        memcpy(&said.ip[0], data + request.host, 16)


cdef int begin_exchange(Http1Client client, char* line, int named, int length, int command) noexcept:
    """`line` holds a method, a space and a target, and has room for the rest of a head."""
    cdef Worker worker = client.worker
    cdef Head* head = &worker.head
    cdef Exchange exchange
    memcpy(line + named + length, b" HTTP/1.1\r\n\r\n", 13)
    memset(head, 0, sizeof(Head))
    head.size = <uint32_t>(named + length) + 13
    head.method = METHOD_CONNECT if command == SOCKS_CONNECT else METHOD_OTHER
    head.method_length = <uint32_t>named - 1
    head.target = head.authority = head.path = <uint32_t>named
    head.target_length = head.authority_length = <uint32_t>length
    head.form = FORM_AUTHORITY
    head.minor = 1
    head.framing = FRAMING_NONE
    worker.disarm(client)
    client.served = True
    client.minor = 1
    client.keep_alive = False
    client.framing = FRAMING_NONE
    client.remaining = 0
    client.response_over = False
    client.chunked = False
    client.silent = False
    client.since = 0
    client.state = CLIENT_WAIT
    client.way.stage = WAY_ASKED
    client.way.client = None
    try:
        exchange = new_exchange(worker)
    except MemoryError:
        return FAULT_MEMORY
    client.party = exchange
    exchange.way_in = client.way.kind
    if client.way.identity is not None and client.way.demand is demand_of(client.service):
        # (after a reload that demands something else it is nobody's)
        exchange.identity = client.way.identity
    if command == SOCKS_UDP:
        begin_association(exchange, client, line)
    else:
        exchange.awaits = command == SOCKS_BIND
        exchange.begin(client, client.service, &client.sender, 1, line)
    return FAULT_NONE


cdef class Way(Party):
    """How a client came in that did not begin with HTTP."""

    def __repr__(self) -> str:
        return f"<Way {self.kind} stage={self.stage} command={self.command}>"

    cdef void on_identified(self, object claim) noexcept:
        """Whether user name and password are good."""
        cdef Http1Client client = <Http1Client>self.client
        self.claim = None
        if self.stage != WAY_PARKED or client is None or client.closed:
            return
        client.worker.now = monotonic()
        if (<Claim>claim).fault == FAULT_NONE:
            self.identity = (<Claim>claim).identity
            self.stage = WAY_REQUEST
            client.put(b"\x01\x00", 2)
            client.resume()
        else:
            client.paused = False
            client.fail((<Claim>claim).fault)
        client.worker.flush()

    cdef void leave(self) noexcept:
        self.client = None
        if self.claim is not None:
            drop_claim(self.claim)
            self.claim = None

    cdef void reply(self, Accepted client, const OutHead* head) noexcept:
        cdef Http1Client http = <Http1Client>client
        cdef ExchangeState exchange = <ExchangeState>http.party
        cdef int fault = exchange.fault
        http.silent = True
        http.chunked = False
        http.keep_alive = False
        if head.status < 200 or self.stage == WAY_ANSWERED:
            return
        # an answer with content is no tunnel, whatever its status
        if fault == FAULT_NONE and (head.status != 200 or head.framing != FRAMING_NONE):
            fault = FAULT_IDENTITY if head.status == 407 else FAULT_INTERNAL if head.status >= 500 else FAULT_DENIED
        if self.kind == WAY_ORIGINAL:
            self.stage = WAY_ANSWERED
            if fault != FAULT_NONE:
                # the client waits for its target's words: there are none of ours that it would understand
                http.broken = True
                http.worker.defer(http)
            return
        if self.stage == WAY_GREETING:
            if fault == FAULT_SOCKS_METHOD:
                self.lay(http, 5, SOCKS_NO_METHOD)
            self.stage = WAY_ANSWERED
            return
        if self.stage == WAY_PAIR or self.stage == WAY_PARKED:
            # RFC 1929, 2: anything but 0, and the connection ends
            self.lay(http, 1, 1)
            self.stage = WAY_ANSWERED
            return
        self.stage = WAY_ANSWERED
        if fault != FAULT_NONE:
            memset(&self.bound, 0, sizeof(self.bound))
        self.send(http, socks_code(self.kind, fault))

    cdef void tell(self, Accepted client) noexcept:
        self.send(client, socks_code(self.kind, FAULT_NONE))
        client.worker.flush()

    cdef void lay(self, Accepted client, int first, int second) noexcept:
        cdef char* out = client.worker.claim(2)
        out[0] = <char>first
        out[1] = <char>second
        client.put(out, 2)

    cdef void send(self, Accepted client, int code) noexcept:
        cdef char* out = client.worker.claim(SOCKS_REPLY_MOST)
        client.put(out, <size_t>write_socks_reply(self.kind, code, &self.bound, out))


# Transparent ------------------------------------------------------------------------------------------

cdef int arrive(Http1Client client, const char* data, size_t size) noexcept:
    """The first bytes on a transparent listener: TLS becomes a tunnel to where the client was going."""
    cdef Hello hello
    cdef int result
    cdef char* line
    cdef int length
    if client.original.family == 0 and not find_original(client):
        client.fail(FAULT_ORIGINAL)
        return -1
    if <uint8_t>data[0] != TLS_HANDSHAKE:
        return WAY_GO_ON
    result = read_hello(data, size, client.worker.sealed, &hello)
    if result == 0 and size < HELLO_MOST:
        return wait(client, data, size)
    client.scanned = 0
    if begin_way(client, WAY_ORIGINAL) < 0:
        return -1
    if result <= 0:
        client.fail(FAULT_TLS_HANDSHAKE)
        return -1
    client.worker.values_used = 0
    line = client.worker.value(SOCKS_TARGET_MOST + LINE_ROOM)
    memcpy(line, b"CONNECT ", 8)
    length = lay_original(client, hello.message + hello.name, hello.name_length, line + 8)
    if length < 0:
        client.fail(-length)
        return -1
    # the hello is the target's: it goes through the tunnel as it came
    client.save(data, size)
    if client.closed:
        return -1
    result = begin_exchange(client, line, 8, length, SOCKS_CONNECT)
    if result != FAULT_NONE:
        client.fail(result)
    return -1
