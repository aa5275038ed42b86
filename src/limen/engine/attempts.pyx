# From an endpoint to a stream: the pool first, then the dial. Nothing here moves the exchange to another phase.

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from limen.engine.addresses cimport TargetHost
from limen.engine.awaited cimport new_awaited
from limen.engine.balance cimport Balancer
from limen.engine.board cimport ENDPOINT_REQUESTS, ENDPOINT_RETRIES
from limen.engine.bridged cimport Bridged, new_bridged
from limen.engine.budget cimport draw_next, spread
from limen.engine.connection cimport Connection
from limen.engine.dial cimport Dial, new_dial
from limen.engine.exits cimport begin_way, claim_way, dials_target, peer_of
from limen.engine.http1.origin cimport Http1Origin, new_origin
from limen.engine.preface cimport send_preface
from limen.engine.repeat cimport is_repeatable, was_tried
from limen.engine.routing cimport check_target_address
from limen.engine.seats cimport Group
from limen.engine.state cimport ExchangeState
from limen.engine.steering cimport balancer_of, steer
from limen.engine.stream cimport Stream
from limen.engine.tls.libssl cimport X509_V_OK
from limen.engine.transparent cimport original_endpoint
from limen.engine.types cimport FAULT_DNS, FAULT_MEMORY, FAULT_NONE, FAULT_SHED, Address
from limen.engine.upstream cimport Endpoint, Pooled, target_endpoint
from limen.engine.verdicts cimport goal_of
from limen.engine.worker cimport Resolution


cdef enum:
    TARGET_IDLE = 55          # s that a connection to a request's target is kept
    TARGET_IDLE_MOST = 256    # of them per target


# endpoints ------------------------------------------------------------------------------------------

cdef bint claim_endpoint(ExchangeState exchange) noexcept:
    exchange.endpoint = steer(exchange) if exchange.egress is None else claim_way(exchange)
    if exchange.endpoint is None:
        return False
    if exchange.avoid is not None and was_tried(exchange, exchange.endpoint):
        exchange.endpoint = prefer_untried(exchange, exchange.endpoint)
    if exchange.endpoint.idle_head == NULL and not exchange.upstream.may_dial():
        # it would have to dial, and may not: that is as full as an endpoint can be
        exchange.endpoint.leave()
        exchange.worker.board.endpoint_add(exchange.endpoint.slot, ENDPOINT_REQUESTS, -1)
        if exchange.upstream.whole is not None:
            exchange.upstream.whole.leave()
        return False
    if exchange.retrying:
        exchange.worker.board.endpoint_add(exchange.endpoint.slot, ENDPOINT_RETRIES, 1)
    exchange.entered = True
    return True


cdef Endpoint prefer_untried(ExchangeState exchange, Endpoint found):
    """Enter one that has not failed this exchange instead of `found`, where such a one is usable."""
    cdef Balancer balancer = exchange.upstream.balancer if exchange.egress is not None else balancer_of(exchange)
    cdef Group* group
    cdef Endpoint other
    cdef int number
    cdef int start
    cdef int at
    cdef int i
    for number in range(balancer.group_count):
        group = &balancer.groups[number]
        start = <int>(draw_next(&exchange.upstream.random) % <uint64_t>max(group.live, 1))
        for at in range(group.live):
            i = group.order[(start + at) % group.live]
            other = <Endpoint>exchange.upstream.members[i]
            if not was_tried(exchange, other) and other.enter(balancer.seats[i].most):
                found.leave()
                exchange.worker.board.endpoint_add(found.slot, ENDPOINT_REQUESTS, -1)
                return other
    return found


cdef Endpoint redirected_endpoint(ExchangeState exchange):
    """Of the host that the rule names instead, at the target's port; inside TLS the origin is verified as before."""
    cdef TargetHost host = goal_of(exchange)[0]
    cdef Bridged bridged
    if exchange.bridged is None:
        return target_endpoint(exchange.worker, &host)
    bridged = new_bridged(exchange.worker, exchange.bridged.bridge, &host, exchange.bridged.name)
    return bridged.endpoint if bridged is not None else None


cdef int enter_target(ExchangeState exchange) noexcept:
    if exchange.endpoint is None:
        if exchange.redirect is not None:
            exchange.endpoint = redirected_endpoint(exchange)
        elif exchange.bridged is not None:
            exchange.endpoint = exchange.bridged.endpoint
        elif exchange.service.transparent:
            exchange.endpoint = original_endpoint(exchange)
        else:
            exchange.endpoint = target_endpoint(exchange.worker, &exchange.host)
        if exchange.endpoint is None:
            return -1
    exchange.entered = True
    exchange.endpoint.enter(0)
    return 0


cdef void leave_endpoint(ExchangeState exchange) noexcept:
    if exchange.entered:
        exchange.entered = False
        exchange.endpoint.leave()
        if exchange.upstream is not None and exchange.upstream.whole is not None:
            exchange.upstream.whole.leave()
        if exchange.upstream is not None and exchange.upstream.queue is not None and exchange.upstream.queue.count:
            exchange.upstream.queue.stir()


cdef Pooled take_pooled(ExchangeState exchange):
    cdef Pooled pooled
    cdef Endpoint where = exchange.endpoint if exchange.egress is None else exchange.pool
    # a tunnel to an endpoint may begin where an exchange ended, one to a request's target does not
    while not exchange.fresh and not exchange.is_opaque and not (
        exchange.is_connect and (exchange.upstream is None or exchange.egress is not None)
    ):
        pooled = where.take() if where is not None else None
        if pooled is None:
            return None
        # the pool of a target is shared: this client's rules are asked about the address that was dialled
        if dials_target(exchange) and check_target_address(exchange, &pooled.peer) != FAULT_NONE:
            pooled.abort()
        elif not is_repeatable(exchange) and (<Http1Origin>pooled).is_stale():
            pooled.abort()
        else:
            return pooled
    return None


# dialling -------------------------------------------------------------------------------------------

cdef int dial_endpoint(ExchangeState exchange) noexcept:
    exchange.dialled_at = exchange.worker.now
    return dial_peer(exchange)


cdef int dial_peer(ExchangeState exchange) noexcept:
    cdef Resolution answer
    cdef Dial dial
    cdef Endpoint peer = peer_of(exchange)
    if peer is None:
        return FAULT_MEMORY
    if peer.literal.family == 0:
        answer = exchange.worker.ask_name(peer.host, exchange)
        return dial_resolved(exchange, answer) if answer is not None else 0
    try:
        dial = new_awaited(exchange) if exchange.awaits else new_dial(exchange.worker, exchange)
    except MemoryError:
        return FAULT_MEMORY
    dial.addresses[0] = peer.literal
    dial.count = 1
    dial.path = peer.path
    return start_dial(exchange, dial, FAULT_NONE)


cdef bint is_asked(ExchangeState exchange, object resolution) noexcept:
    try:
        return exchange.endpoint is not None and exchange.worker.names.get(peer_of(exchange).host) is resolution
    except Exception:
        return False


cdef int dial_resolved(ExchangeState exchange, Resolution answer) noexcept:
    cdef Dial dial
    cdef Endpoint peer = peer_of(exchange)
    cdef int i
    if answer.fault:
        return answer.fault
    if exchange.egress is not None and peer is exchange.pool and not dials_target(exchange):
        return settle_exit(exchange, answer)
    try:
        dial = new_awaited(exchange) if exchange.awaits else new_dial(exchange.worker, exchange)
    except MemoryError:
        return FAULT_MEMORY
    for i in range(answer.count):
        dial.addresses[i] = answer.addresses[i]
        dial.addresses[i].port = <uint16_t>peer.port
    dial.count = answer.count
    return start_dial(exchange, dial, FAULT_DNS)


cdef int settle_exit(ExchangeState exchange, Resolution answer) noexcept:
    """The target's name was resolved here: the exit is asked for the first address that may be asked for."""
    cdef Address address
    cdef int fault = FAULT_DNS
    cdef int i
    for i in range(answer.count):
        address = answer.addresses[i]
        address.port = exchange.host.port
        fault = check_target_address(exchange, &address)
        if fault == FAULT_NONE:
            exchange.exit = address
            return dial_peer(exchange)
    return -fault


cdef int start_dial(ExchangeState exchange, Dial dial, int empty) noexcept:
    """Race the addresses that may be dialled; a target's are judged one by one, here and now."""
    cdef int i
    cdef int kept = 0
    cdef int fault
    cdef int refused = empty
    if dials_target(exchange):
        for i in range(dial.count):
            fault = check_target_address(exchange, &dial.addresses[i])
            if fault == FAULT_NONE:
                dial.addresses[kept] = dial.addresses[i]
                kept += 1
            else:
                refused = fault
        dial.count = kept
        if kept == 0:
            return -refused
    if exchange.upstream is not None and exchange.upstream.links is not None:
        if not exchange.upstream.claim_link():
            return FAULT_SHED
        dial.links = exchange.upstream.links
    exchange.dial = dial
    if exchange.egress is not None:
        dial.source = exchange.way_out.source
    if exchange.upstream is not None:
        dial.begin(exchange.upstream.dial_timeout)
    else:
        dial.begin(exchange.service.dial_timeout)
    return 0


# connections ----------------------------------------------------------------------------------------

cdef Http1Origin open_origin(ExchangeState exchange, int fd, const Address* address):
    cdef Http1Origin origin
    try:
        origin = new_origin(exchange.worker)
    except MemoryError:
        origin = None
    if origin is None or origin.start(fd, exchange.endpoint if exchange.egress is None else exchange.pool) < 0:
        return None
    origin.peer = address[0]
    if exchange.upstream is not None:
        if exchange.upstream.age_most:
            origin.retire_at = exchange.worker.now + spread(
                draw_next(&exchange.upstream.random), exchange.upstream.age_most
            )
        if exchange.upstream.requests_most:
            origin.serves_most = <uint32_t>max(
                spread(draw_next(&exchange.upstream.random), exchange.upstream.requests_most), <uint64_t>1
            )
    if exchange.endpoint.proxy_protocol:
        send_preface(
            origin, &exchange.sender, <Connection>exchange.client, exchange.endpoint.proxy_protocol,
            exchange.host.name, exchange.host.name_length if exchange.is_opaque else 0,
        )
    return origin


cdef bint secure_origin(ExchangeState exchange, Http1Origin origin) noexcept:
    if exchange.egress is not None and len(exchange.way_out.hops):
        return begin_way(exchange, origin)
    if exchange.upstream is not None and exchange.upstream.tls is not None:
        # what was put before goes out as it is
        exchange.worker.flush()
        exchange.origin = origin
        origin.begin_tls(
            exchange.upstream.tls, exchange, exchange.upstream.handshake_timeout, None, exchange.is_opaque
        )
        return True
    if exchange.bridged is not None:
        exchange.origin = origin
        origin.begin_tls(
            exchange.bridged.bridge.client, exchange, exchange.bridged.bridge.handshake_timeout, exchange.bridged.name
        )
        return True
    return False


cdef bint is_promised(ExchangeState exchange, Http1Origin origin) noexcept:
    if exchange.bridged is None or origin.tls.verdict == X509_V_OK:
        return True
    # it was good when the client came; now it is not, or somebody else answers
    origin.tell_refused(origin.tls.reason())
    return False


cdef void engage_origin(ExchangeState exchange, Http1Origin origin) noexcept:
    exchange.origin = origin
    origin.head_timeout = exchange.action.response_timeout
    origin.stall_timeout = exchange.action.stall_timeout
    if exchange.upstream is not None:
        origin.idle_timeout = exchange.upstream.idle_timeout
        origin.idle_most = exchange.upstream.idle_most
    else:
        origin.idle_timeout = TARGET_IDLE * <uint64_t>1000000000
        origin.idle_most = TARGET_IDLE_MOST
    if exchange.endpoint.proxy_protocol:
        # its header named this client: no other may come by this connection
        origin.idle_most = 0
    origin.engage(exchange, exchange.head.method)


cdef void drop_origin(ExchangeState exchange) noexcept:
    cdef Stream origin = exchange.origin
    cdef Dial dial = exchange.dial
    exchange.dial = None
    if dial is not None:
        dial.cancel()
    exchange.origin = None
    if origin is not None:
        origin.abort()
