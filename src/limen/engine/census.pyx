# Judging again asks what was asked when the exchange began, in the same order, of the tables that are in force now and
# about the address that was dialled. Limits of rate and number are not asked: it has been let in. Who it is for is
# asked first, of Python: by what that rested on, for what the client has shown is not kept.

from libc.stdint cimport uint64_t

from limen.engine.accepted cimport Accepted, Listener
from limen.engine.addresses cimport HOST_NAME, format_ip
from limen.engine.admission cimport begin_meter, is_welcome, life_of
from limen.engine.associate cimport Association
from limen.engine.bridged cimport Bridged
from limen.engine.connection cimport Connection
from limen.engine.demand cimport Demand
from limen.engine.effects cimport RuleEffect
from limen.engine.engine cimport Engine
from limen.engine.exchange cimport Exchange
from limen.engine.guard cimport Guard
from limen.engine.identity cimport Identity
from limen.engine.routing cimport check_access, check_target_address, route_of
from limen.engine.service cimport TARGET_FROM_REQUEST, Action, Service
from limen.engine.state cimport PHASE_FORWARD, PHASE_TUNNEL, ExchangeState
from limen.engine.stream cimport Party
from limen.engine.sys cimport monotonic
from limen.engine.talkers cimport Talkers
from limen.engine.tunnel cimport Tunnel
from limen.engine.types cimport FAULT_IDENTITY_REVOKED, FAULT_KILLED, FAULT_NONE, FAULT_REVOKED, Address
from limen.engine.verdicts cimport goal_of
from limen.engine.ways cimport WAY_ORIGINAL, WAY_SOCKS4, WAY_SOCKS5, demand_of

PHASES = (
    "request", "route", "access", "hook", "egress", "forward", "response_hook", "reply", "tunnel", "log",
)


cdef str shown(const Address* address, bint port):
    cdef char text[64]
    cdef int size
    if address.family == 0:
        return ""
    size = format_ip(address, text)
    if size <= 0:
        return "unix"
    found = text[:size].decode("ascii")
    if not port:
        return found
    return f"[{found}]:{address.port}" if address.family == 6 else f"{found}:{address.port}"


cdef void carried(ExchangeState exchange, Accepted connection, uint64_t* received, uint64_t* sent) noexcept:
    """Bytes so far; an exchange itself learns of a tunnel's when that is over."""
    cdef Tunnel tunnel
    received[0], sent[0] = exchange.received, exchange.sent
    if isinstance(connection.party, Tunnel):
        tunnel = <Tunnel>connection.party
        received[0], sent[0] = tunnel.up.moved, tunnel.down.moved
    elif isinstance(connection.party, Association):
        received[0], sent[0] = (<Association>connection.party).up, (<Association>connection.party).down


cdef class Census:
    """The exchanges and tunnels that `engine` has at this moment, in no order."""

    def __init__(self, Engine engine not None):
        cdef Accepted connection
        cdef void* at
        self.engine = engine
        self.connections = []
        for listener in (*engine.listeners.values(), *engine.leaving):
            at = (<Listener>listener).first
            while at != NULL:
                connection = <Accepted>at
                at = connection.next
                if connection.party is not None or connection.bridged is not None:
                    self.connections.append(connection)

    def __len__(self):
        return len(self.connections)

    cdef ExchangeState exchange_at(self, Py_ssize_t index):
        """None: it is over, or its TLS is being looked at."""
        cdef Accepted connection = self.connections[index]
        cdef Party party
        if connection.closed:
            return None
        party = connection.party
        if isinstance(party, Tunnel):
            party = (<Tunnel>party).owner
        elif isinstance(party, Association):
            party = (<Association>party).exchange
        if isinstance(party, Exchange) and not (<ExchangeState>party).finished:
            return <ExchangeState>party
        return None

    def rows(self, Py_ssize_t start, Py_ssize_t stop) -> list[tuple[object, ...]]:
        """Of that portion: (started ns, age ns, client, user, target, listener, rule, upstream, egress, endpoint,
        address, protocol, method, phase, bytes from the client, bytes to it)."""
        cdef ExchangeState exchange
        cdef Accepted connection
        cdef uint64_t received = 0
        cdef uint64_t sent = 0
        cdef uint64_t now = monotonic()
        found = []
        for index in range(start, min(stop, len(self.connections))):
            exchange = self.exchange_at(index)
            if exchange is None:
                continue
            connection = self.connections[index]
            carried(exchange, connection, &received, &sent)
            host = exchange.host.name[:exchange.host.name_length].decode("ascii", "replace")
            if host and exchange.host.port:
                host = f"[{host}]:{exchange.host.port}" if ":" in host else f"{host}:{exchange.host.port}"
            rule = exchange.action.name if exchange.action is not None else ""
            if exchange.service.access is not None:
                names = exchange.service.access.names
                rule = ""
                if 0 <= exchange.rule < len(names):
                    rule = names[exchange.rule] or f"#{exchange.rule}"
            endpoint = exchange.endpoint.label.decode("ascii", "replace") if exchange.endpoint is not None else ""
            address = ""
            if exchange.origin is not None:
                address = shown(&(<Connection>exchange.origin).peer, True)
            if exchange.is_opaque:
                protocol = "tcp"
            elif isinstance(connection.party, Association):
                protocol = "udp"
            elif exchange.way_in == WAY_SOCKS5 or exchange.way_in == WAY_SOCKS4:
                protocol = f"socks{exchange.way_in}"
            elif exchange.way_in == WAY_ORIGINAL:
                protocol = "tls"
            elif exchange.is_connect:
                protocol = "connect"
            elif exchange.phase == PHASE_TUNNEL:
                protocol = "upgrade"
            else:
                protocol = f"http/1.{exchange.minor}"
            method = ""
            if exchange.base != NULL:
                method = exchange.base[:exchange.head.method_length].decode("ascii", "replace")
            found.append((
                exchange.started, now - exchange.started, shown(&exchange.peer, True),
                exchange.identity.name if exchange.identity is not None else "", host, exchange.service.name, rule,
                exchange.upstream.name.decode() if exchange.upstream is not None else "",
                exchange.egress.name.decode("utf-8", "replace") if exchange.egress is not None else "",
                endpoint, address, protocol, method, PHASES[exchange.phase], received, sent,
            ))
        return found

    def count(self, Py_ssize_t start, Py_ssize_t stop, Talkers talkers not None) -> None:
        """Have what those of that portion have carried until now counted."""
        cdef ExchangeState exchange
        cdef uint64_t received = 0
        cdef uint64_t sent = 0
        for index in range(start, min(stop, len(self.connections))):
            exchange = self.exchange_at(index)
            if exchange is not None and exchange.service.logged:
                carried(exchange, self.connections[index], &received, &sent)
                talkers.count(exchange, received + sent, False)

    def kill(self, Py_ssize_t start, Py_ssize_t stop, started: set[int]) -> int:
        """End those of that portion that began at these times; how many did."""
        cdef ExchangeState exchange
        cdef int count = 0
        self.engine.enter()
        for index in range(start, min(stop, len(self.connections))):
            exchange = self.exchange_at(index)
            if exchange is not None and exchange.started in started:
                self.end(self.connections[index], FAULT_KILLED)
                count += 1
        self.engine.settle_now()
        return count

    def recheck(self, Py_ssize_t start, Py_ssize_t stop, again) -> int:
        """Judge those of that portion again, and end what may not go on; how many did not.

        `again(demand, identity)` says who somebody is now that was identified before, or None; it never raises.
        """
        cdef ExchangeState exchange
        cdef Accepted connection
        cdef int count = 0
        cdef int fault
        self.engine.enter()
        for index in range(start, min(stop, len(self.connections))):
            exchange = self.exchange_at(index)
            connection = self.connections[index]
            if exchange is None:
                count += self.recheck_idle(connection, again)
                continue
            fault = self.judge(connection, exchange, again)
            if fault != FAULT_NONE:
                self.end(connection, fault)
                count += 1
        self.engine.settle_now()
        return count

    cdef int recheck_idle(self, Accepted connection, object again) except -1:
        """A bridged connection between two requests: those that come are for whoever asked for it. 1 if it ended."""
        cdef Bridged bridged = connection.bridged
        cdef Demand demand
        if bridged is None or bridged.identity is None or connection.closed or connection.party is not None:
            return 0
        demand = demand_of(connection.listener.service)
        if demand is not None:
            bridged.identity = again(demand, bridged.identity)
        if bridged.identity is not None:
            return 0
        self.engine.board.count_fault(FAULT_IDENTITY_REVOKED)
        connection.abort()
        return 1

    cdef int judge(self, Accepted connection, ExchangeState exchange, object again) except -1:
        cdef Tunnel tunnel
        cdef Service service = connection.listener.service
        cdef Action action
        cdef Guard guard = None
        cdef int index
        cdef int fault = identify_again(exchange, service_demand(exchange, service), again)
        if fault == FAULT_NONE and exchange.bridged is not None:
            exchange.bridged.identity = exchange.identity
        if fault == FAULT_NONE:
            fault = judge_again(exchange, connection, service)
        if fault == FAULT_NONE and isinstance(connection.party, Association):
            (<Association>connection.party).follow(service)
        if fault != FAULT_NONE or not isinstance(connection.party, Tunnel):
            return fault
        tunnel = <Tunnel>connection.party
        # a tunnel may outlive many revisions: its bounds are those in force
        if service.routes is not None and not exchange.is_opaque:
            index = route_of(exchange, service)
            if index < 0:
                return FAULT_REVOKED
            action = <Action>service.routes.actions[index]
            if action.guard is not None and not is_welcome(exchange, action.guard):
                return FAULT_REVOKED
            guard = action.guard
        elif service.passes is None and service.action is not None:
            guard = service.action.guard
        tunnel.bound_life(exchange.started + life_of(guard, exchange.guard_now, service.tunnel_life))
        if tunnel.over:
            return FAULT_NONE
        guards = [one for one in (guard, exchange.guard_now) if one is not None and (<Guard>one).metered]
        if guards == (tunnel.meter.guards if tunnel.meter is not None else []):
            return FAULT_NONE
        if tunnel.meter is not None:
            tunnel.meter.stop()
            tunnel.meter = exchange.meter = None
        if self.engine.cells is not None:
            for one in guards:
                if fault == FAULT_NONE:
                    fault = begin_meter(exchange, <Guard>one, True)
            tunnel.meter = exchange.meter
            if tunnel.meter is not None:
                tunnel.meter.tunnel = tunnel
        tunnel.on_refill()
        return fault

    cdef int end(self, Accepted connection, int fault) except -1:
        # held: ending, it lets go of the connection, and the connection of it
        cdef Party party = connection.party
        if party is not None:
            party.on_fault(connection, fault)
        connection.abort()
        return 0


cdef Demand service_demand(ExchangeState exchange, Service service):
    """What is demanded now where the exchange came in; None: nothing."""
    cdef int index
    if service.demand is not None or service.routes is None or exchange.is_opaque:
        return demand_of(service)
    index = route_of(exchange, service)
    return (<Action>service.routes.actions[index]).demand if index >= 0 else None


cdef int identify_again(ExchangeState exchange, Demand demand, object again) except -1:
    cdef Identity found
    if demand is None or exchange.claim is not None or exchange.is_opaque:
        return FAULT_NONE
    if exchange.identity is not None:
        found = again(demand, exchange.identity)
        if found is None:
            # (the log names it all the same)
            return FAULT_IDENTITY_REVOKED
        exchange.identity = found
        return FAULT_NONE
    # (what has not gone out was let in a moment ago)
    return FAULT_REVOKED if demand.required and exchange.phase >= PHASE_FORWARD else FAULT_NONE


cdef int judge_again(ExchangeState exchange, Accepted connection, Service service) noexcept:
    cdef Service before = exchange.service
    cdef int rule = exchange.rule
    cdef int dry = exchange.dry_rule
    cdef RuleEffect redirect = exchange.redirect
    cdef int fault = FAULT_NONE
    cdef const Address* address = NULL
    exchange.guard_now = None
    if service.deny is not None and exchange.sender.family != 1 and service.deny.contains(exchange.sender.ip):
        return FAULT_REVOKED
    if service.allow is not None and (exchange.sender.family == 1 or not service.allow.contains(exchange.sender.ip)):
        return FAULT_REVOKED
    if service.target_source != TARGET_FROM_REQUEST or exchange.origin is None or exchange.phase < PHASE_FORWARD or (
        exchange.upstream is not None and exchange.egress is None
    ):
        # (what has not been dialled is judged when it is)
        return FAULT_NONE
    if exchange.egress is None or len(exchange.way_out.hops) == 0:
        address = &(<Connection>exchange.origin).peer
    elif goal_of(exchange).kind != HOST_NAME:
        address = &goal_of(exchange).address
    elif exchange.exit.family:
        address = &exchange.exit
    exchange.service = service
    if service.access is not None:
        exchange.need_address = False
        exchange.asked_again = True
        # (NULL: resolved at the exit, where rules on addresses have nothing to judge)
        fault = check_access(exchange, address)
        exchange.need_address = False
    if fault == FAULT_NONE and address != NULL:
        fault = check_target_address(exchange, address)
    exchange.asked_again = False
    exchange.service = before
    exchange.rule = rule
    exchange.dry_rule = dry
    exchange.redirect = redirect
    return FAULT_REVOKED if fault != FAULT_NONE else FAULT_NONE
