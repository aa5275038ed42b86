# Order of things:
#
#   settle (which egress; literal targets are judged) -> claim (which way; its pool) -> dial -> pass -> the request
#      |                                                    ^_____ another way ______________|
#      +-- all out, `fallback: direct` --> as without an egress
#
# A connection by a way rests at an endpoint of its own: by egress and way, by whom it serves, by how it is used, by
# target. So what was opened for one identity or by one way never serves another.

from libc.stdint cimport uint64_t
from libc.string cimport memcmp

from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport HOST_NAME, TargetHost
from limen.engine.balance cimport POLICY_HASH
from limen.engine.http1.origin cimport Http1Origin
from limen.engine.identity cimport Identity
from limen.engine.maglev cimport mixed
from limen.engine.passage cimport begin_passage
from limen.engine.repeat cimport return_budget
from limen.engine.routing cimport check_target_address
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutHead
from limen.engine.sys cimport realtime
from limen.engine.types cimport (
    FAULT_DIAL_UNREACHABLE,
    FAULT_DNS,
    FAULT_EGRESS,
    FAULT_INTERNAL,
    FAULT_NONE,
    FAULT_ORIGIN_CLOSED,
    FAULT_PARENT,
    FAULT_PARENT_IDENTITY,
    FAULT_PARENT_TIMEOUT,
    FAULT_TARGET_ADDRESS,
    FAULT_TLS_ORIGIN,
    FAULT_TLS_ORIGIN_TIMEOUT,
)
from limen.engine.upstream cimport Endpoint, new_target
from limen.engine.verdicts cimport goal_of
from limen.engine.ways_out cimport STICKY_CONNECTION, Egress, Hop, Way


# Keys of ways differ from those of hash and of splits.
cdef uint64_t WAY_SEED = 0x657869747761797F


cdef int settle_egress(ExchangeState exchange) noexcept:
    cdef Egress egress = exchange.service.egress
    cdef const TargetHost* goal = goal_of(exchange)
    cdef object own
    cdef int fault
    exchange.settled = True
    if exchange.service.exits is not None and exchange.rule >= 0:
        own = exchange.service.exits[exchange.rule]
        if own is not None:
            # (False: directly)
            egress = None if own is False else <Egress>own
    if exchange.identity is not None and exchange.identity.choice is not None:
        try:
            egress = narrowed_for(egress, exchange.identity)
        except Exception as error:
            exchange.worker.tell(40, f"egress {egress.name!r}: {error!r}")
            return FAULT_INTERNAL
        if egress is None and len(exchange.identity.wishes):
            return FAULT_EGRESS
    if egress is None:
        return FAULT_NONE
    if goal.kind != HOST_NAME:
        fault = check_target_address(exchange, &goal.address)
        if fault != FAULT_NONE:
            return fault
    elif is_localhost(goal) and not exchange.service.private_allowed:
        # RFC 6761, 6.3: at the exit it would be the exit's own
        return FAULT_TARGET_ADDRESS
    if egress.fallback and egress.is_out(exchange.worker.now):
        return FAULT_NONE
    exchange.egress = egress
    exchange.upstream = egress.upstream
    return FAULT_NONE


cdef Egress narrowed_for(Egress egress, Identity identity):
    """What an identity's own wishes leave; None: nothing, or directly, where a session alone has no meaning."""
    return egress.narrowed(identity.choice) if egress is not None else None


cdef bint is_localhost(const TargetHost* host) noexcept:
    cdef size_t size = host.name_length
    if size < 9 or memcmp(host.name + size - 9, b"localhost", 9) != 0:
        return False
    return size == 9 or host.name[size - 10] == 46


cdef uint64_t way_key(ExchangeState exchange) noexcept:
    """By client or session; anew with each span of time, whose beginning differs from one to the other."""
    cdef uint64_t key
    cdef Identity identity = exchange.identity
    if identity is not None and len(identity.session):
        key = mixed(<const char*>identity.owner, <size_t>len(identity.owner), WAY_SEED)
    else:
        key = mixed(<const char*>exchange.peer.ip, 16, WAY_SEED)
    cdef uint64_t span = exchange.egress.sticky_for
    cdef uint64_t number
    if span:
        # by the clock: all workers, and all machines, agree without telling each other
        number = (realtime() + key % span) // span
        key = mixed(<const char*>&number, sizeof(number), key)
    return key


cdef Endpoint claim_way(ExchangeState exchange):
    cdef Egress egress = exchange.egress
    cdef Endpoint endpoint = None
    cdef Accepted client = None
    cdef uint64_t key = 0
    if egress.sticky == STICKY_CONNECTION and isinstance(exchange.client, Accepted):
        client = <Accepted>exchange.client
        endpoint = kept_way(exchange, client.way_out)
    if endpoint is None:
        if egress.upstream.balancer.policy == POLICY_HASH:
            key = way_key(exchange)
        endpoint = egress.upstream.claim(egress.upstream.balancer, exchange.worker.now, exchange.avoid, key)
    if endpoint is not None:
        if client is not None:
            client.way_out = endpoint
        set_way(exchange, endpoint)
    return endpoint


cdef Endpoint kept_way(ExchangeState exchange, Endpoint kept):
    cdef Egress egress = exchange.egress
    cdef int number
    if kept is None or kept is exchange.avoid:
        return None
    number = <int>egress.upstream.places.get(kept, -1)
    if number < 0 or kept.load.out_until > exchange.worker.now:
        return None
    if not egress.upstream.balancer.may_keep(exchange.worker.now, number):
        return None
    return kept if kept.enter(egress.upstream.balancer.seats[number].most) else None


cdef void set_way(ExchangeState exchange, Endpoint endpoint) noexcept:
    exchange.way_out = <Way>exchange.egress.ways[endpoint]
    exchange.passing = len(exchange.way_out.hops) != 0
    exchange.absolute = (
        exchange.way_out.takes_absolute and not exchange.is_connect and exchange.bridged is None
        and not exchange.is_upgrade and exchange.redirect is None and not resolves_here(exchange)
    )
    exchange.exit.family = 0
    exchange.pool = pool_of(exchange)


cdef inline bint resolves_here(ExchangeState exchange) noexcept:
    # a rule on addresses has to see the one that is asked for
    return goal_of(exchange).kind == HOST_NAME and (exchange.egress.resolve_here or exchange.need_address)


cdef bytes identity_of(ExchangeState exchange):
    """Whom connections belong to, beside egress, way and target: nobody else may use them."""
    return exchange.identity.owner if exchange.identity is not None else b""


cdef bytes pool_prefix(ExchangeState exchange):
    cdef bytes identity
    if exchange.egress is None:
        return None
    identity = identity_of(exchange)
    return b"%b %d:%b %c%d " % (
        exchange.way_out.prefix, len(identity), identity, b"a" if exchange.absolute else b"t", exchange.need_address
    )


cdef Endpoint pool_of(ExchangeState exchange):
    cdef const TargetHost* goal = goal_of(exchange)
    cdef bytes place
    cdef Endpoint found
    try:
        place = pool_prefix(exchange)
        if exchange.bridged is not None:
            place += exchange.bridged.endpoint.place
        if exchange.bridged is None or exchange.redirect is not None:
            place += b"%b:%d" % (goal.name[:goal.name_length], goal.port)
        found = exchange.worker.direct.get(place)
        return found if found is not None else new_target(exchange.worker, goal, place)
    except (MemoryError, ValueError) as error:
        exchange.worker.tell(40, f"egress {exchange.egress.name!r}: {error!r}")
        return None


cdef Endpoint peer_of(ExchangeState exchange):
    if exchange.egress is None:
        return exchange.endpoint
    if len(exchange.way_out.hops) == 0 or (resolves_here(exchange) and exchange.exit.family == 0):
        return exchange.pool
    return exchange.endpoint


cdef bint dials_target(ExchangeState exchange) noexcept:
    return exchange.upstream is None or (exchange.egress is not None and len(exchange.way_out.hops) == 0)


cdef bint begin_way(ExchangeState exchange, Http1Origin origin) noexcept:
    cdef Hop hop = <Hop>exchange.way_out.hops[0]
    if not exchange.absolute:
        exchange.origin = origin
        begin_passage(exchange, origin)
        return True
    if hop.tls is None:
        exchange.passing = False
        return False
    exchange.origin = origin
    origin.begin_tls(hop.tls, exchange, exchange.upstream.handshake_timeout, hop.host, True)
    return True


cdef bint is_ways_fault(ExchangeState exchange, int fault) noexcept:
    if exchange.egress is None:
        return True
    if len(exchange.way_out.hops) == 0:
        return fault == FAULT_EGRESS
    if fault == FAULT_PARENT_IDENTITY:
        return True
    if not exchange.passing or exchange.pool is None or peer_of(exchange) is exchange.pool:
        return False
    return (
        fault == FAULT_EGRESS or FAULT_DNS <= fault <= FAULT_DIAL_UNREACHABLE or fault == FAULT_PARENT
        or fault == FAULT_PARENT_TIMEOUT or FAULT_TLS_ORIGIN <= fault <= FAULT_TLS_ORIGIN_TIMEOUT
        or fault == FAULT_ORIGIN_CLOSED
    )


cdef int told_fault(ExchangeState exchange, int fault) noexcept:
    if exchange.egress is None or not is_ways_fault(exchange, fault):
        return fault
    if fault == FAULT_PARENT or fault == FAULT_PARENT_IDENTITY or fault == FAULT_PARENT_TIMEOUT:
        return fault
    return FAULT_EGRESS


cdef bint falls_back(ExchangeState exchange) noexcept:
    if exchange.egress is None or not exchange.egress.fallback or exchange.origin_ready or exchange.response_begun:
        return False
    if exchange.held_fault and not (
        exchange.held_fault == FAULT_EGRESS or FAULT_PARENT <= exchange.held_fault <= FAULT_PARENT_IDENTITY
        or exchange.held_fault == FAULT_PARENT_TIMEOUT
    ):
        # the way is there; it is the target that failed
        return False
    return_budget(exchange)
    exchange.egress = None
    exchange.upstream = None
    exchange.endpoint = exchange.pool = exchange.avoid = None
    exchange.way_out = None
    exchange.tried = None
    exchange.passing = exchange.absolute = False
    return True


cdef void lay_absolute(OutHead* out, const char* authority, size_t size, bint asterisk) noexcept:
    if asterisk:
        # the last proxy makes "*" of it again (RFC 9112, 3.2.4)
        out.target[2].length = out.target[3].length = 0
    else:
        out.target[3] = out.target[2]
        out.target[2] = out.target[1]
    out.target[0].data = b"http://"
    out.target[0].length = 7
    out.target[1].data = authority
    out.target[1].length = size
