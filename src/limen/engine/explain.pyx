# What an operator asks: which way a request would go. The functions that decide for real requests decide here, too;
# nothing is sent, counted or changed. It runs when somebody asks, never for traffic, and so may use Python as it likes.

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from limen.engine.access cimport AccessTable
from limen.engine.addresses cimport client_text, parse_ip
from limen.engine.admission cimport limits_now, would_admit
from limen.engine.affinity cimport exchange_key
from limen.engine.balance cimport Balancer
from limen.engine.board cimport (
    HEALTH_CALLED,
    HEALTH_DISABLED,
    HEALTH_DOWN,
    HEALTH_DRAINING,
    HEALTH_EJECTED,
    HEALTH_PANIC,
    HEALTH_WORD,
    total_now,
    word_now,
)
from limen.engine.connection cimport Connection
from limen.engine.copies cimport copy_head
from limen.engine.demand cimport Demand
from limen.engine.effects cimport RuleEffect
from limen.engine.forwarding cimport find_client
from limen.engine.http1.parse cimport parse_request
from limen.engine.identity cimport Identity
from limen.engine.peaks cimport peak_now, peak_time
from limen.engine.routing cimport (
    check_access,
    check_authority,
    check_target_address,
    find_route,
    find_target,
    has_certificate,
)
from limen.engine.seats cimport Group, Load, Seat
from limen.engine.service cimport TARGET_FROM_REQUEST, TARGET_FROM_ROUTE, TARGET_OPAQUE, Action, Service
from limen.engine.split cimport Split
from limen.engine.state cimport ExchangeState
from limen.engine.steering cimport (
    MARK_SENT,
    MARK_SHARE_KEPT,
    MARK_SHARE_TURN,
    balancer_of,
    facts_of_place,
    find_own,
)
from limen.engine.stream cimport Stream
from limen.engine.sys cimport monotonic
from limen.engine.tables cimport RouteTable
from limen.engine.tls.facts cimport Facts, facts_of_certificate
from limen.engine.tls.session cimport Session
from limen.engine.types cimport (
    FAULT_CLIENT_CERTIFICATE,
    FAULT_CLIENT_DENIED,
    FAULT_IDENTITY,
    FAULT_NONE,
    FAULT_START_LINE,
    Address,
)
from limen.engine.upstream cimport Endpoint, Upstream
from limen.engine.worker cimport Worker


_WORDS = (
    (HEALTH_DOWN, "down"), (HEALTH_EJECTED, "ejected"), (HEALTH_DRAINING, "draining"), (HEALTH_DISABLED, "disabled"),
    (HEALTH_PANIC, "panic"), (HEALTH_CALLED, "called"),
)


@cython.final
@cython.no_gc
cdef class Question(ExchangeState):
    """A request that is asked about, with what was decided."""

    cdef readonly int refusal
    cdef readonly int number

    def __init__(
        self, Worker worker not None, Service service not None, bytes head not None, str client not None,
        Identity identity=None, bytes certificate=b"", str ja4="", str sni=None,
    ):
        cdef int size
        cdef bytes address = client.encode()
        cdef bytes name
        cdef Connection connection = Connection.__new__(Connection)
        self.worker = worker
        self.service = service
        self.action = service.action
        self.identity = identity
        self.rule = self.dry_rule = -1
        self.number = -1
        self.started = monotonic()
        # the conditions on TLS look at the connection: nobody is at the other end of this one
        self.client = <Stream>connection
        if service.tls is not None and sni is not None:
            name = sni.encode()
            connection.tls = Session.__new__(Session)
            connection.tls.context = service.tls
            connection.tls.name = name
            connection.tls.choice = service.tls.choose(name, <size_t>len(name))
            connection.tls.facts = facts_of_certificate(certificate)
            connection.tls.ja4 = ja4.encode() if ja4 else None
        memset(&self.sender, 0, sizeof(Address))
        if client == "unix":
            self.sender.family = 1
        elif parse_ip(address, <size_t>len(address), &self.sender) != 0:
            raise ValueError(f"not an IP address: {client!r}")
        self.peer = self.sender
        if service.target_source == TARGET_OPAQUE:
            raise ValueError("a listener of opaque bytes has no requests")
        size = parse_request(head, <size_t>len(head), &service.limits, &worker.head, worker.parsed)
        if size <= 0:
            self.refusal = -size if size < 0 else FAULT_START_LINE
            return
        if copy_head(self, head) < 0:
            raise MemoryError
        self.refusal = self.decide()

    cdef int decide(self) noexcept:
        """As an exchange goes from its head to the way out; a fault, or FAULT_NONE."""
        cdef Service service = self.service
        cdef int fault
        # as accepted.pyx has it, once per connection
        if service.deny is not None and self.sender.family != 1 and service.deny.contains(self.sender.ip):
            return FAULT_CLIENT_DENIED
        if service.allow is not None and (self.sender.family == 1 or not service.allow.contains(self.sender.ip)):
            return FAULT_CLIENT_DENIED
        if service.trusted is not None:
            find_client(self)
        fault = find_target(self)
        if fault == FAULT_NONE:
            fault = check_authority(self, (<Connection>self.client).tls)
        if fault == FAULT_NONE:
            fault = self.meet(self.service.demand)
        if fault == FAULT_NONE:
            fault = find_route(self)
        if fault != FAULT_NONE:
            return fault
        if self.split is not None and self.marks & MARK_SHARE_TURN:
            # nobody's turn is taken
            self.split.give_back(self.share)
        if self.service.routes is not None and not self.is_connect:
            self.number = find_action(self.service.routes.actions, self.action, self.split)
        if self.action.certificate is not None and not has_certificate(self):
            return FAULT_CLIENT_CERTIFICATE
        if self.action.guard is not None and not self.action.guard.asks_identity:
            fault = would_admit(self)
        if fault == FAULT_NONE:
            fault = self.meet(self.action.demand)
        if fault == FAULT_NONE and self.action.guard is not None and self.action.guard.asks_identity:
            fault = would_admit(self)
        if fault == FAULT_NONE and self.action.status == 0 and self.service.access is not None:
            return check_access(self, NULL)
        return fault

    cdef int meet(self, Demand demand) noexcept:
        """The identity that is assumed is believed."""
        if demand is None:
            return FAULT_NONE
        self.demand = demand
        return FAULT_IDENTITY if demand.required and self.identity is None else FAULT_NONE

    @property
    def target_name(self) -> str:
        """Of the target, in its one form; empty if the request names none."""
        return self.host.name[:self.host.name_length].decode("ascii")

    @property
    def target_port(self) -> int:
        return self.host.port

    @property
    def normal_path(self) -> str:
        """As routes see it."""
        return self.path[:self.path_length].decode("latin-1") if self.path != NULL else ""

    @property
    def replaced_path(self) -> str | None:
        """What `rewrite.replace` makes of it."""
        return self.rewritten.decode("latin-1") if self.rewritten is not None else None

    @property
    def client_address(self) -> str:
        """Who it is for, behind trusted proxies."""
        return client_text(&self.peer)

    @property
    def certificate(self) -> str | None:
        cdef Session tls = (<Connection>self.client).tls
        cdef Facts facts = <Facts>tls.facts if tls is not None else None
        if facts is None or not facts.presented:
            return None
        return (facts.subject or b", ".join(facts.names.splitlines())).decode("utf-8", "replace")

    @property
    def access_rule(self) -> int:
        return self.rule

    @property
    def passing_rule(self) -> int:
        """The first rule that would have decided but is dry; -1: none."""
        return self.dry_rule

    @property
    def dialled_name(self) -> str:
        """Whose address is dialled: the target's name, or what a rule says instead."""
        if self.redirect is None:
            return self.target_name
        return self.redirect.host.name[:self.redirect.host.name_length].decode("ascii")

    @property
    def waits_for_address(self) -> bool:
        """Whether a rule has to see the target's address first."""
        return self.need_address

    @property
    def chosen(self) -> Upstream | None:
        return self.upstream

    @property
    def place(self) -> tuple | None:
        """Where the client is (places.Facts); None without places."""
        return facts_of_place(self)

    @property
    def limits(self) -> list:
        cdef AccessTable access = self.service.access
        cdef RuleEffect effect
        if self.base == NULL:
            return []
        found = limits_now(self, self.action.guard) if self.action is not None else []
        if access is not None and access.effects is not None and self.rule >= 0 and self.refusal == FAULT_NONE:
            effect = access.effects[self.rule]
            found += limits_now(self, effect.guard)
        return found

    @property
    def shared(self) -> tuple[int, str] | None:
        """Of a route that is split: the number of the share, and why this one."""
        if self.split is None:
            return None
        if self.marks & MARK_SHARE_KEPT:
            return self.share, "cookie"
        return self.share, "turn" if self.marks & MARK_SHARE_TURN else "key"

    def kept(self) -> tuple[int, str] | None:
        """Of an upstream with a sticky cookie: the index of the endpoint that the client's names, and what becomes of
        it.

        `none` (it has sent no cookie), `unknown` (forged, or its endpoint is gone), `out`, `full` or `kept`.
        """
        cdef Upstream upstream = self.upstream
        cdef Seat* seat
        cdef int index
        if upstream is None or upstream.cookie is None or self.base == NULL:
            return None
        find_own(self)
        if not self.marks & MARK_SENT:
            return -1, "none"
        index = <int>upstream.places.get(self.own, -1)
        if self.own is None or index < 0:
            return -1, "unknown"
        if not upstream.balancer.may_keep(monotonic(), index):
            return index, "out"
        seat = &upstream.balancer.seats[index]
        if seat.most and total_now(seat.load.total) >= seat.most:
            return index, "full"
        return index, "kept"

    def judge(self, str address not None) -> int:
        """The fault of dialling the target at this address: the rules on it, own listeners, special addresses."""
        cdef Address target
        cdef bytes text = address.encode()
        if parse_ip(text, <size_t>len(text), &target) != 0:
            raise ValueError(f"not an IP address: {address!r}")
        target.port = self.host.port
        return check_target_address(self, &target)

    def meets(self, RouteTable routes not None) -> bool:
        """Whether a route of another table takes the request; the table's actions are Actions."""
        cdef Service service = self.service
        cdef Action action = self.action
        cdef Upstream before = self.upstream
        cdef bytes kept = self.rewritten
        cdef int fault
        for one in routes.actions:
            if not isinstance(one, Action):
                raise TypeError("the table has something else than Actions")
        if self.base == NULL:
            return False
        self.service = Service("", target_source=TARGET_FROM_ROUTE, routes=routes)
        fault = find_route(self)
        self.service, self.action, self.upstream, self.rewritten = service, action, before, kept
        return fault == FAULT_NONE

    def admits(self, AccessTable access not None, str address=None) -> bool:
        """Whether rules of another table allow it, the target being at `address`."""
        cdef Service service = self.service
        cdef int rule = self.rule
        cdef int dry = self.dry_rule
        cdef RuleEffect redirect = self.redirect
        cdef bint needed = self.need_address
        cdef Address target
        cdef bytes text
        cdef int fault
        if address is not None:
            text = address.encode()
            if parse_ip(text, <size_t>len(text), &target) != 0:
                raise ValueError(f"not an IP address: {address!r}")
            target.port = self.host.port
        if self.base == NULL:
            return False
        self.service = Service("", target_source=TARGET_FROM_REQUEST, access=access)
        self.need_address = False
        fault = check_access(self, &target if address is not None else NULL)
        asked = self.need_address
        self.service, self.rule, self.need_address = service, rule, needed
        self.dry_rule, self.redirect = dry, redirect
        return fault == FAULT_NONE and not asked


cdef int find_action(list actions, Action wanted, Split split) noexcept:
    """Of a route that is split the share's action is in force, not the route's own."""
    cdef int i
    for i in range(<int>len(actions)):
        if actions[i] is wanted or (split is not None and (<Action>actions[i]).split is split):
            return i
    return -1


def opaque_action(Service service not None, str name not None) -> int:
    """Which route a TLS connection to `name` takes whatever else its client says: its number, -1 for none."""
    cdef bytes text = name.encode()
    if service.passes is None:
        return -1
    return service.passes.find_host(text, <size_t>len(text))


# endpoints ------------------------------------------------------------------------------------------------

cdef class _Kept:
    # What choosing changes in a balancer; put back when it goes.
    cdef Balancer balancer
    cdef Seat* seats          # owned copies
    cdef Group* groups        # owned, likewise
    cdef int* places          # owned, likewise
    cdef uint32_t* draws      # owned, likewise
    cdef Load* loads          # owned: what seats are given for as long as they count as full
    cdef int64_t* totals      # owned: of these
    cdef int cursor
    cdef int live
    cdef int open
    cdef uint64_t told
    cdef uint64_t epoch
    cdef uint64_t survey_at

    def __cinit__(self, Balancer balancer not None):
        cdef size_t count = <size_t>max(balancer.count, 1)
        cdef size_t groups = <size_t>max(balancer.group_count, 1)
        self.balancer = balancer
        self.seats = <Seat*>malloc(count * sizeof(Seat))
        self.groups = <Group*>malloc(groups * sizeof(Group))
        self.places = <int*>malloc(3 * count * sizeof(int))
        self.draws = <uint32_t*>malloc(2 * count * sizeof(uint32_t))
        self.loads = <Load*>calloc(count, sizeof(Load))
        self.totals = <int64_t*>calloc(count, sizeof(int64_t))
        if (self.seats == NULL or self.groups == NULL or self.places == NULL or self.draws == NULL
                or self.loads == NULL or self.totals == NULL):
            raise MemoryError
        memcpy(self.seats, balancer.seats, count * sizeof(Seat))
        memcpy(self.groups, balancer.groups, groups * sizeof(Group))
        memcpy(self.places, balancer.places, 3 * count * sizeof(int))
        memcpy(self.draws, balancer.draws, 2 * count * sizeof(uint32_t))
        self.cursor = balancer.cursor
        self.live = balancer.live
        self.open = balancer.open
        self.told = balancer.told
        self.epoch = balancer.epoch
        self.survey_at = balancer.survey_at

    def __dealloc__(self):
        free(self.seats)
        free(self.groups)
        free(self.places)
        free(self.draws)
        free(self.loads)
        free(self.totals)

    cdef void fill(self, int index) noexcept:
        """From now on this endpoint has no room."""
        cdef Seat* seat = &self.balancer.seats[index]
        self.totals[index] = max(total_now(seat.load.total), <int64_t>1)
        self.loads[index] = seat.load[0]
        self.loads[index].total = &self.totals[index]
        seat.load = &self.loads[index]
        seat.most = 1

    cdef void put_back(self) noexcept:
        cdef Balancer balancer = self.balancer
        cdef size_t count = <size_t>max(balancer.count, 1)
        cdef int i
        for i in range(balancer.group_count):
            # the supervisor may have set a weight between two choices: tables were laid anew then
            self.groups[i].table = balancer.groups[i].table
        memcpy(balancer.seats, self.seats, count * sizeof(Seat))
        memcpy(balancer.groups, self.groups, <size_t>max(balancer.group_count, 1) * sizeof(Group))
        memcpy(balancer.places, self.places, 3 * count * sizeof(int))
        memcpy(balancer.draws, self.draws, 2 * count * sizeof(uint32_t))
        balancer.cursor = self.cursor
        balancer.live = self.live
        balancer.open = self.open
        balancer.told = self.told
        balancer.epoch = self.epoch
        balancer.survey_at = self.survey_at


cdef list rows_of(Upstream upstream, Balancer balancer, uint64_t now):
    """What the balancer knows of each endpoint since its last survey."""
    cdef uint64_t word
    cdef Group* group
    cdef Seat* seat
    cdef Endpoint endpoint
    cdef int number
    cdef int at
    cdef int i
    cdef list rows = [None] * balancer.count
    for number in range(balancer.group_count):
        group = &balancer.groups[number]
        for at in range(group.count):
            i = group.members[at]
            seat = &balancer.seats[i]
            endpoint = upstream.members[i]
            word = word_now(&seat.load.health[HEALTH_WORD])
            rows[i] = {
                "address": endpoint.label.decode(),
                "priority": seat.priority,
                "backup": bool(seat.backup),
                "live": bool(seat.live),
                "words": [name for flag, name in _WORDS if word & <uint64_t>flag],
                "out_for": (seat.load.out_until - now) / 1e9 if seat.load.out_until > now else 0.0,
                "failures": endpoint.failures,
                "share": seat.share / <double>group.shares if seat.live and group.shares else 0.0,
                "warming": bool(seat.live and seat.share < seat.weight * 1024),
                "weight": seat.weight,
                "most": seat.most,
                "in_flight": total_now(seat.load.total),
                "busy": seat.load.weighed / 1000.0,
                "peak": peak_time(peak_now(seat.load.peak)) / 1e9,
                "group": number,
                "portion": group.portion / 4294967295.0,
            }
    return rows


def standing(Upstream upstream not None, Question question=None, int most=16) -> tuple[list, list]:
    """What the balancer knows of each endpoint, and in which order it would choose, each in turn being full.

    Its own choice is asked, then everything is put back: nobody's turn is taken.
    """
    cdef Balancer balancer = upstream.balancer
    cdef uint64_t now = monotonic()
    cdef uint64_t key = 0
    cdef int _i
    cdef int found
    cdef list order = []
    cdef list rows
    cdef _Kept kept
    if upstream.count == 0:
        return [], []
    if question is not None and question.base != NULL and question.upstream is upstream:
        key = exchange_key(question)
        balancer = balancer_of(question)
    # what a choice would do first; not a part of what is put back
    balancer.look(now)
    kept = _Kept(balancer)
    try:
        rows = rows_of(upstream, balancer, now)
        for _i in range(min(most, upstream.count)):
            found = balancer.choose(now, -1, key)
            if found < 0:
                break
            order.append(found)
            kept.fill(found)
    finally:
        kept.put_back()
    return rows, order


def bounds_of(Upstream upstream not None) -> list[tuple[str, int, int]]:
    """What bounds the upstream as a whole: the key, how many there are now of all workers, how many there may be."""
    cdef list found = []
    if upstream.whole is not None:
        found.append(("max_requests", total_now(upstream.whole.load.total), upstream.most))
    if upstream.links is not None:
        found.append(("max_connections", total_now(upstream.links.load.total), upstream.links_most))
    return found
