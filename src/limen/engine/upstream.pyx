# Endpoints and their pools. They decide and do no I/O: dialling and closing follow in the caller.

import os

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from limen.engine.addresses cimport HOST_IPV6, TargetHost, parse_ip
from limen.engine.balance cimport Balancer, health_changed
from limen.engine.board cimport (
    ENDPOINT_ACTIVE,
    ENDPOINT_DIAL_FAILURES,
    ENDPOINT_IDLE,
    ENDPOINT_OUT,
    ENDPOINT_REQUESTS,
    HEALTH_DISABLED,
    HEALTH_DRAINING,
    HEALTH_WORD,
    total_add,
    total_claim,
    total_now,
    total_set,
    word_now,
)
from limen.engine.connection cimport Connection
from limen.engine.cookies cimport Cookie
from limen.engine.nearest cimport Nearest
from limen.engine.queue cimport Queue
from limen.engine.sys cimport monotonic
from limen.engine.tls.contexts cimport ClientContext
from limen.engine.worker cimport Rest, Worker


cdef enum:
    OUT_FIRST = 1000000000        # ns an endpoint stays out after its first failed dial; doubles
    OUT_DOUBLINGS = 5             # up to 32 s
    RESTING_MOST = 1024           # idle connections to targets of requests, per worker
    CLAIMS = 16                   # tries to take a place that other workers are taking, too
    NUMBERS = 1023                # bits that tell workers apart (observe/board.py: MAX_WORKERS)
    WANTED = 100                  # ms that a worker's word for a connection counts; it is said anew while one waits


# What is said of endpoints without a place on the board: nothing.
cdef uint64_t[2] UNTOLD = [0, 0]


@cython.no_gc
cdef class Pooled(Connection):
    pass


cdef void rest(Rest* all, Pooled connection) noexcept:
    """Put an idle connection at the head of all of its kind that rest in this worker."""
    connection.rest_prev = NULL
    connection.rest_next = all.head
    if all.head != NULL:
        (<Pooled>all.head).rest_prev = <void*>connection
    else:
        all.tail = <void*>connection
    all.head = <void*>connection
    all.count += 1


cdef void rouse(Rest* all, Pooled connection) noexcept:
    """Take it out again: it is used, or ends."""
    if connection.rest_prev != NULL:
        (<Pooled>connection.rest_prev).rest_next = connection.rest_next
    else:
        all.head = connection.rest_next
    if connection.rest_next != NULL:
        (<Pooled>connection.rest_next).rest_prev = connection.rest_prev
    else:
        all.tail = connection.rest_prev
    connection.rest_next = connection.rest_prev = NULL
    all.count -= 1


cdef class Endpoint:
    """One address that exchanges go to, with the idle connections this worker keeps to it."""

    def __init__(
        self, Worker worker not None, *, str key, str host, int port, unsigned int slot=0xffffffff,
        int proxy_protocol=0, bint is_target=False, bint warming=False, str server_name="",
        str label="",
    ):
        self.worker = worker
        self.load.total = worker.board.endpoint_total(slot)
        if self.load.total == NULL:
            self.load.total = &self.load.own
        self.load.health = worker.board.endpoint_health(slot)
        if self.load.health == NULL:
            self.load.health = UNTOLD
        self.load.busy = worker.board.endpoint_busy(slot)
        if self.load.busy == NULL:
            self.load.busy = &self.load.own_busy
        self.load.peak = worker.board.endpoint_peak(slot)
        if self.load.peak == NULL:
            self.load.peak = &self.load.own_peak
        self.run = worker.board.endpoint_run(slot)
        if self.run == NULL:
            self.run = &self.own_run
        if warming:
            self.load.since = monotonic()
        self.key = key
        self.port = port
        self.slot = slot
        self.proxy_protocol = proxy_protocol
        self.is_target = is_target
        if host.startswith("unix:"):
            self.path = host[5:].encode()
            self.host = b"localhost"
            self.server_name = server_name.encode("ascii") or self.host
            self.label = self.session_key = host.encode()
            self.literal.family = 1
            if len(self.path) > 107:
                raise ValueError("a unix socket's path has at most 107 bytes")
            return
        self.host = host.encode("ascii")
        if parse_ip(self.host, len(self.host), &self.literal) == 0:
            self.literal.port = port
        else:
            self.literal.family = 0
        self.server_name = server_name.encode("ascii") or self.host
        self.label = b"[%b]:%d" % (self.host, port) if b":" in self.host else b"%b:%d" % (self.host, port)
        if label:
            self.label = label.encode()
        self.session_key = self.label
        if self.server_name != self.host:
            # a session was verified for one name: another may not take it up
            self.session_key = b"%b %b" % (self.label, self.server_name)

    def __repr__(self) -> str:
        return (
            f"<Endpoint {self.label.decode()} active={self.active} connections={self.connections} "
            f"idle={self.idle_count} failures={self.failures}>"
        )

    cdef Pooled take(self):
        """The idle connection used last, or None."""
        cdef Pooled connection
        if self.idle_head == NULL:
            return None
        connection = <Pooled>self.idle_head
        self.lift(connection)
        return connection

    cdef void give(self, Pooled connection, long most) noexcept:
        """Keep a connection; over `most` the one idle longest has to go (it gets its turn to close), and over what
        the worker keeps in all, the one idle longest of them all."""
        cdef Rest* all = &self.worker.rests[1 if self.is_target else 0]
        connection.idle = True
        connection.idle_prev = NULL
        connection.idle_next = self.idle_head
        if self.idle_head != NULL:
            (<Pooled>self.idle_head).idle_prev = <void*>connection
        else:
            self.idle_tail = <void*>connection
        self.idle_head = <void*>connection
        self.idle_count += 1
        self.worker.board.endpoint_add(self.slot, ENDPOINT_IDLE, 1)
        rest(all, connection)
        if self.retired or self.is_barred() or (self.links is not None and self.links.is_wanted()):
            connection.abort()
        elif self.idle_count > most:
            (<Pooled>self.idle_tail).abort()
        elif all.count > (RESTING_MOST if self.is_target else self.worker.resting_most):
            (<Pooled>all.tail).abort()

    cdef void lift(self, Pooled connection) noexcept:
        if not connection.idle:
            return
        connection.idle = False
        if connection.idle_prev != NULL:
            (<Pooled>connection.idle_prev).idle_next = connection.idle_next
        else:
            self.idle_head = connection.idle_next
        if connection.idle_next != NULL:
            (<Pooled>connection.idle_next).idle_prev = connection.idle_prev
        else:
            self.idle_tail = connection.idle_prev
        connection.idle_next = connection.idle_prev = NULL
        rouse(&self.worker.rests[1 if self.is_target else 0], connection)
        self.idle_count -= 1
        self.worker.board.endpoint_add(self.slot, ENDPOINT_IDLE, -1)

    def retire(self) -> None:
        """Out of the configuration: idle connections end now, busy ones after their exchange."""
        self.retired = True
        while self.idle_tail != NULL:
            (<Pooled>self.idle_tail).abort()
        if self.failures:
            # its number on the board may be another's soon, or its own again
            self.worker.board.endpoint_set(self.slot, ENDPOINT_OUT, 0)

    def shed_idle(self) -> int:
        """Close what rests here, if the operator has taken the endpoint out; how many that were."""
        cdef long found = self.idle_count
        if not self.is_barred():
            return 0
        while self.idle_tail != NULL:
            (<Pooled>self.idle_tail).abort()
        return found

    cdef bint is_wanted(self) noexcept:
        cdef int64_t told = total_now(self.run)
        return (
            told != 0 and told & NUMBERS != self.worker.number & NUMBERS
            and <int64_t>(self.worker.now // 1000000) - (told >> 10) < WANTED
        )

    cdef bint is_barred(self) noexcept:
        return word_now(&self.load.health[HEALTH_WORD]) & (HEALTH_DRAINING | HEALTH_DISABLED) != 0

    cdef void dial_failed(self) noexcept:
        cdef uint64_t pause = <uint64_t>OUT_FIRST << min(self.failures, OUT_DOUBLINGS)
        self.failures += 1
        self.load.out_from = self.worker.now
        self.load.out_until = self.worker.now + min(pause, <uint64_t>30000000000)
        health_changed()
        self.worker.board.endpoint_add(self.slot, ENDPOINT_DIAL_FAILURES, 1)
        self.worker.board.endpoint_set(self.slot, ENDPOINT_OUT, <int64_t>self.load.out_until)

    cdef void dial_done(self) noexcept:
        if self.failures:
            self.failures = 0
            self.load.out_until = 0
            self.load.since = self.worker.now
            health_changed()
            self.worker.board.endpoint_set(self.slot, ENDPOINT_OUT, 0)

    cdef bint enter(self, int64_t most) noexcept:
        """One more exchange, unless `most` (0: any number) are at work here, all workers together."""
        if most == 0:
            total_add(self.load.total, 1)
        elif not total_claim(self.load.total, most):
            return False
        self.active += 1
        self.worker.board.endpoint_add(self.slot, ENDPOINT_ACTIVE, 1)
        self.worker.board.endpoint_add(self.slot, ENDPOINT_REQUESTS, 1)
        return True

    cdef void leave(self) noexcept:
        self.active -= 1
        total_add(self.load.total, -1)
        self.worker.board.endpoint_add(self.slot, ENDPOINT_ACTIVE, -1)
        if self.is_target and self.active == 0 and self.connections == 0:
            self.forget()

    cdef void forget(self) noexcept:
        # the endpoint of a request's target lives as long as somebody uses it
        try:
            if self.worker.direct.get(self.place) is self:
                del self.worker.direct[self.place]
        except Exception as error:
            self.worker.tell(40, f"endpoint {self.label!r}: {error!r}")


cdef tuple names_of(Endpoint endpoint):
    """A default port is mostly left out of URLs, and cookies name hosts without one."""
    cdef bytes host = endpoint.host.lower()
    if b":" in host:
        host = b"[%b]" % host
    return endpoint.label.lower(), host


cdef class Upstream:
    """A named group of endpoints, how one of them is chosen, and who waits while all are full."""

    def __init__(
        self, str name, list members, *, Balancer balancer=None, Queue queue=None, double dial_timeout=5.0,
        double idle_timeout=55.0, long idle=512, ClientContext tls=None, double handshake_timeout=10.0,
        int key_by=0, str key_name="", int run_most=0, object failing=(502, 503, 504),
        Endpoint whole=None, int64_t most=0, Cookie cookie=None, Nearest nearest=None,
        double max_age=0.0, uint32_t max_requests=0, Endpoint retries=None, Endpoint hedges=None,
        Endpoint links=None, int64_t links_most=0, str report="", long warm=0,
    ):
        cdef int i
        cdef Endpoint member
        self.name = name.encode()
        self.members = members
        self.count = len(members)
        self.balancer = balancer if balancer is not None else Balancer([member.label for member in members])
        if self.balancer.count != self.count:
            raise ValueError("the balancer is for another number of endpoints")
        if cookie is not None and cookie.count != self.count:
            raise ValueError("the cookie is for another number of endpoints")
        self.queue = queue
        self.cookie = cookie
        self.nearest = nearest
        self.key_by = key_by
        self.key_name = key_name.encode()
        self.dial_seconds = dial_timeout
        self.dial_timeout = <uint64_t>(dial_timeout * 1e9)
        self.idle_timeout = <uint64_t>(idle_timeout * 1e9)
        self.idle_most = idle
        self.warm = min(warm, idle)
        self.age_most = <uint64_t>(max_age * 1e9)
        self.requests_most = max_requests
        self.random = int.from_bytes(os.urandom(8), "little") | 1
        self.tls = tls
        self.handshake_timeout = <uint64_t>(handshake_timeout * 1e9)
        self.whole = whole
        self.most = most
        self.retries = retries
        if retries is None and members:
            # nobody else looks at it
            self.retries = Endpoint((<Endpoint?>members[0]).worker, key="", host="0.0.0.0", port=0)
        self.hedges = hedges
        self.links = links
        self.links_most = links_most
        self.report = report.lower().encode("ascii") if report else None
        self.run_most = run_most
        self.failing = bytes([1 if status in failing else 0 for status in range(600)])
        self.places = {}
        for i in range(self.count):
            # borrowed: this object keeps both
            member = <Endpoint?>members[i]
            self.balancer.seats[i].load = &member.load
            self.balancer.word_epoch = member.worker.board.epoch
            if links is not None or member.links is None:
                # connections that stand count where they began, and leave there
                member.links = links
            self.places[member] = i

    def __repr__(self) -> str:
        return f"<Upstream {self.name.decode()} {self.members!r}>"

    @property
    def retrying(self) -> int:
        """Exchanges that are in a retry or a hedge, in this worker."""
        return self.retries.active if self.retries is not None else 0

    cdef bint is_called(self, const char* text, size_t size) noexcept:
        try:
            if self.names is None:
                self.names = frozenset(name for member in self.members for name in names_of(member))
            return text[:size].lower() in self.names
        except MemoryError:
            # it stays as it is
            return False

    cdef int64_t live(self) noexcept:
        cdef int64_t found = 0
        cdef int i
        for i in range(self.count):
            found += total_now((<Endpoint>self.members[i]).load.total)
        return found

    cdef bint may_dial(self) noexcept:
        if self.links is None or total_now(self.links.load.total) < self.links_most or self.close_idle():
            return True
        # the idle ones, if there are any, are other workers': they are asked to let go of some (is_wanted)
        total_set(
            self.links.run, <int64_t>(self.links.worker.now // 1000000) << 10 | self.links.worker.number & NUMBERS
        )
        return False

    cdef bint claim_link(self) noexcept:
        if self.links.enter(self.links_most):
            return True
        return self.close_idle() and self.links.enter(self.links_most)

    cdef bint close_idle(self) noexcept:
        """Close one of this worker's idle connections, to make room for one that is needed: whether there was one."""
        cdef Endpoint member
        cdef int i
        for i in range(self.count):
            member = <Endpoint>self.members[i]
            if member.idle_tail != NULL:
                (<Pooled>member.idle_tail).abort()
                return True
        return False

    def adopt(self, Upstream fresh not None) -> None:
        """Have the endpoints of `fresh`, and its way to choose among them, from now on; `fresh` is used up.

        For exchanges in flight nothing changes: they have their endpoint. Those that wait may find a place.
        """
        cdef int* seats
        cdef int i
        if fresh is self:
            return
        seats = <int*>malloc(max(fresh.count, 1) * sizeof(int))
        if seats == NULL:
            raise MemoryError
        for i in range(fresh.count):
            seats[i] = <int>self.places.get(fresh.members[i], -1)
        fresh.balancer.follow(self.balancer, seats)
        free(seats)
        # a balancer borrows from the members: both change in one step
        self.members, self.places, self.balancer = fresh.members, fresh.places, fresh.balancer
        self.count = fresh.count
        self.cookie, self.nearest = fresh.cookie, fresh.nearest
        self.names = None
        if self.queue is not None and self.queue.count:
            self.queue.stir()

    cdef int choose(self, Balancer balancer, uint64_t now, Endpoint avoid, uint64_t key) noexcept:
        """Index of the endpoint for the next attempt, -1 if none has room; not `avoid` (which has just failed) if
        another is there. Endpoints that are out are used only if all are: better a doubtful one than none."""
        return balancer.choose(now, <int>self.places.get(avoid, -1) if avoid is not None else -1, key)

    cdef Endpoint claim(self, Balancer balancer, uint64_t now, Endpoint avoid, uint64_t key):
        """The endpoint for the next attempt, entered; None if all are full, or none is there."""
        cdef Endpoint endpoint
        cdef int _i
        cdef int found
        if self.whole is not None and not self.whole.enter(self.most):
            return None
        for _i in range(CLAIMS):
            found = self.choose(balancer, now, avoid, key)
            if found < 0:
                break
            endpoint = <Endpoint>self.members[found]
            if endpoint.enter(balancer.seats[found].most):
                return endpoint
            # another worker was faster
        if self.whole is not None:
            self.whole.leave()
        return None

    cdef bint claim_member(self, Endpoint member, int64_t most) noexcept:
        """Enter this one, whoever chose it, unless it or the upstream is full."""
        if self.whole is not None and not self.whole.enter(self.most):
            return False
        if member.enter(most):
            return True
        if self.whole is not None:
            self.whole.leave()
        return False


cdef Endpoint new_target(Worker worker, const TargetHost* host, bytes place):
    cdef Endpoint endpoint = Endpoint(
        worker, key="", host=host.name[:host.name_length].decode("ascii"), port=host.port, is_target=True
    )
    endpoint.place = place
    worker.direct[place] = endpoint
    return endpoint


cdef Endpoint target_endpoint(Worker worker, TargetHost* host):
    cdef bytes name = host.name[:host.name_length]
    cdef bytes label = b"[%b]:%d" % (name, host.port) if host.kind == HOST_IPV6 else b"%b:%d" % (name, host.port)
    cdef Endpoint endpoint = worker.direct.get(label)
    if endpoint is None:
        try:
            return new_target(worker, host, label)
        except (MemoryError, ValueError) as error:
            worker.tell(40, f"target {label!r}: {error!r}")
            return None
    return endpoint
