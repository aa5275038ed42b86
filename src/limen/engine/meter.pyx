# Nothing here ends an exchange from within a call of its streams: a quota that is used up rings, like bandwidth that
# has to be waited for, and ends it from there; a message that was whole by then has passed.

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from limen.engine.addresses cimport format_ip
from limen.engine.cells cimport LIMIT_HELD, LIMIT_WARNED, LimitCells
from limen.engine.guard cimport LIMIT_BY_CLIENT, LIMIT_BY_HOST, LIMIT_BY_IDENTITY, Guard, Limit
from limen.engine.quotas cimport QuotaCell, period_of
from limen.engine.reactor cimport Handler
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Party, Stream
from limen.engine.sys cimport realtime
from limen.engine.types cimport FAULT_QUOTA
from limen.engine.worker cimport Worker


cdef enum:
    WAY_BIT = 1               # of a tag: cells of the two ways are apart
    SHARES = 64               # part of what a quota has left that one flow may read at a time
    SHARE_LEAST = 4096
    READ_MOST = 262144        # bytes that a stream may read at a time


cdef Meter new_meter(Party exchange):
    cdef Meter meter = Meter.__new__(Meter)
    meter.exchange = exchange
    meter.guards = []
    meter.reactor = (<ExchangeState>exchange).worker
    return meter


@cython.final
@cython.no_gc
cdef class Meter(Handler):
    def __cinit__(self):
        memset(self.parts, 0, sizeof(self.parts))

    def __repr__(self) -> str:
        return f"<Meter grant={self.grant} taken={self.taken[0]}, {self.taken[1]} spent={self.spent}>"

    # the beginning ---------------------------------------------------------------------------------------------

    cdef bint lay(self, Guard guard, Limit limit, uint64_t tag) noexcept:
        cdef MeterPart* part = &self.parts[self.part_count]
        if self.part_count == METER_PARTS:
            return False
        memset(part, 0, sizeof(MeterPart))
        part.limit = <void*>limit
        part.guard = <void*>guard
        part.tag = tag
        if limit.speed:
            part.tag = tag & ~<uint64_t>WAY_BIT | 2
        else:
            self.enter_period(part)
        self.part_count += 1
        return True

    cdef void settle(self) noexcept:
        """What a grant is and costs, with the limits there are now; none is held."""
        cdef MeterPart* part
        cdef Limit limit
        cdef int number
        self.grant = 0
        self.counts = False
        for number in range(self.part_count):
            limit = <Limit>self.parts[number].limit
            if limit.speed and (self.grant == 0 or limit.grant < self.grant):
                self.grant = limit.grant
            self.counts = self.counts or (limit.quota and not limit.of_requests)
        for number in range(self.part_count):
            part = &self.parts[number]
            limit = <Limit>part.limit
            if limit.speed:
                part.burst = limit.burst * 1000000000 // limit.speed
                part.cost = max(self.grant * 1000000000 // limit.speed, 1)

    cdef bint has(self, Guard guard) noexcept:
        cdef Guard one
        for one in self.guards:
            if one is guard:
                return True
        return False

    cdef void leave(self, Guard guard) noexcept:
        cdef int kept = 0
        cdef int number
        if not self.has(guard):
            return
        self.give_back(METER_UP)
        self.give_back(METER_DOWN)
        for number in range(self.part_count):
            if self.parts[number].guard != <void*>guard:
                self.parts[kept] = self.parts[number]
                kept += 1
        self.part_count = kept
        self.spent = 0
        self.guards.remove(guard)
        self.settle()

    cdef void enter_period(self, MeterPart* part) noexcept:
        """The cell of the period that is now. Days are those of UTC by the clock of the machine."""
        cdef Worker worker = <Worker>self.reactor
        cdef int64_t now = <int64_t>realtime()
        cdef int64_t start = 0
        cdef int64_t end = 0
        cdef uint64_t tag
        period_of((<Limit>part.limit).period, now // 1000000000, &start, &end)
        tag = part.tag ^ <uint64_t>start * <uint64_t>0x9E3779B97F4A7C15
        part.cell = worker.quotas.find(tag if tag > 1 else tag + 2, now // 1000000000, end)
        part.ends = worker.now + <uint64_t>(end * 1000000000 - now)

    # what may pass ---------------------------------------------------------------------------------------------

    cdef uint64_t open(self, int way, uint64_t most) noexcept:
        if self.counts:
            most = self.share(most)
            if most == 0:
                self.ring(self.reactor.now)
                return 0
        if self.grant:
            while self.taken[way] <= 0:
                if not self.take(way):
                    self.waits[way] = True
                    return 0
            most = min(most, <uint64_t>self.taken[way])
        return most

    cdef bint take(self, int way) noexcept:
        """One grant of all bandwidth limits, or of none."""
        cdef LimitCells cells = (<Worker>self.reactor).cells
        cdef int64_t now = <int64_t>self.reactor.now
        cdef int64_t result
        cdef MeterPart* part
        cdef Limit limit
        cdef int number
        cdef int before
        for number in range(self.part_count):
            part = &self.parts[number]
            if part.cost == 0:
                continue
            limit = <Limit>part.limit
            result = cells.charge(part.tag | <uint64_t>way, now, part.cost, part.burst, limit.slot)
            if result >= 0:
                continue
            cells.count(limit.slot, LIMIT_HELD)
            if limit.dry_run:
                continue
            for before in range(number):
                if self.parts[before].cost:
                    cells.refund(self.parts[before].tag | <uint64_t>way, self.parts[before].cost)
            self.ring(self.reactor.now + <uint64_t>-result)
            return False
        self.taken[way] += self.grant
        return True

    cdef QuotaCell* cell_now(self, MeterPart* part) noexcept:
        """Of a quota of bytes the cell of the period that is now; NULL: it is none, or no place was left."""
        cdef Limit limit = <Limit>part.limit
        if limit.quota == 0 or limit.of_requests:
            return NULL
        if self.reactor.now >= part.ends:
            self.enter_period(part)
        return part.cell

    cdef uint64_t share(self, uint64_t most) noexcept:
        """What one flow may read of that which all quotas have left; 0: one has nothing left."""
        cdef Worker worker = <Worker>self.reactor
        cdef QuotaCell* cell
        cdef Limit limit
        cdef int64_t left
        cdef int number
        self.spent = 0
        for number in range(self.part_count):
            limit = <Limit>self.parts[number].limit
            cell = self.cell_now(&self.parts[number])
            if cell == NULL or limit.dry_run:
                continue
            left = limit.quota - worker.quotas.used(cell)
            if left <= 0:
                self.spent = number + 1
                return 0
            # others read of it at the same time
            most = min(most, <uint64_t>min(left, max(left // SHARES, <int64_t>SHARE_LEAST)))
        return most

    cdef void passed(self, int way, uint64_t size) noexcept:
        cdef Worker worker = <Worker>self.reactor
        cdef QuotaCell* cell
        cdef Limit limit
        cdef int64_t before
        cdef int number
        cdef int i
        if self.grant:
            self.taken[way] -= <int64_t>size
        if not self.counts or size == 0:
            return
        for number in range(self.part_count):
            limit = <Limit>self.parts[number].limit
            cell = self.cell_now(&self.parts[number])
            if cell == NULL:
                continue
            before = worker.quotas.add(cell, <int64_t>size)
            for i in range(4):
                if limit.warns[i] and before < limit.warns[i] <= before + <int64_t>size:
                    self.warn(limit, before + <int64_t>size)

    cdef void warn(self, Limit limit, int64_t used) noexcept:
        cdef Worker worker = <Worker>self.reactor
        cdef ExchangeState exchange = <ExchangeState>self.exchange
        cdef char text[64]
        cdef int size = 0
        worker.cells.count(limit.slot, LIMIT_WARNED)
        try:
            discretion = worker.discretion
            who = "everybody together"
            if limit.by == LIMIT_BY_HOST:
                who = exchange.host.name[:exchange.host.name_length].decode("ascii", "replace")
                who = discretion.target(who) if discretion is not None else who
            elif limit.by == LIMIT_BY_IDENTITY and exchange.identity is not None:
                who = discretion.user(exchange.identity.name) if discretion is not None else exchange.identity.name
            elif limit.by == LIMIT_BY_CLIENT or limit.by == LIMIT_BY_IDENTITY:
                size = format_ip(&exchange.peer, text)
                who = "a unix socket"
                if size > 0:
                    who = text[:size].decode("ascii")
                    who = discretion.client(who) if discretion is not None else who
            elif limit.by:
                who = "the value of " + limit.key_name.decode("ascii", "replace")
            unit = "requests" if limit.of_requests else "bytes"
            worker.tell(30, f"limit {limit.name}: {who} has used {used} of {limit.quota} {unit}")
        except Exception as error:
            worker.tell(30, f"limit {limit.name}: a quota passed a threshold ({type(error).__name__})")

    cdef void give_back(self, int way) noexcept:
        cdef LimitCells cells = (<Worker>self.reactor).cells
        cdef int number
        if self.taken[way] <= 0:
            return
        for number in range(self.part_count):
            if self.parts[number].cost:
                cells.refund(
                    self.parts[number].tag | <uint64_t>way, self.parts[number].cost * self.taken[way] // self.grant
                )
        self.taken[way] = 0

    # an exchange -----------------------------------------------------------------------------------------------

    cdef void bound(self, Stream source) noexcept:
        cdef ExchangeState exchange = <ExchangeState>self.exchange
        cdef uint64_t room
        if exchange is None:
            return
        room = self.open(METER_UP if source is exchange.client else METER_DOWN, READ_MOST)
        if room:
            source.share = <uint32_t>room
        source.held = room == 0

    cdef void count(self, Stream source, uint64_t size) noexcept:
        cdef ExchangeState exchange = <ExchangeState>self.exchange
        if exchange is None:
            return
        self.passed(METER_UP if source is exchange.client else METER_DOWN, size)
        self.bound(source)

    cdef void on_timer(self) noexcept:
        # held here: ending, they let go of us
        cdef ExchangeState exchange = <ExchangeState>self.exchange
        cdef Party tunnel = self.tunnel
        cdef Stream client
        cdef Stream origin
        self.rings = 0
        if exchange is None:
            return
        self.waits[METER_UP] = self.waits[METER_DOWN] = False
        if tunnel is not None:
            tunnel.on_refill()
        elif self.counts and self.share(1) == 0:
            self.mark()
            exchange.on_fault(exchange.client, FAULT_QUOTA)
        else:
            client = exchange.client
            origin = exchange.origin
            self.let_in(client)
            self.let_in(origin)
        self.reactor.flush()

    cdef void let_in(self, Stream source) noexcept:
        if self.exchange is None or source is None or not source.held:
            return
        self.bound(source)
        if not source.held:
            source.unhold()

    cdef void mark(self) noexcept:
        cdef ExchangeState exchange = <ExchangeState>self.exchange
        if exchange is not None and self.spent:
            exchange.refusing = <Limit>self.parts[self.spent - 1].limit
            exchange.limit_wait = <int64_t>(self.parts[self.spent - 1].ends - self.reactor.now)

    cdef void ring(self, uint64_t when) noexcept:
        if self.rings == 0 or when < self.rings:
            self.rings = max(when, <uint64_t>1)
            self.reactor.arm(self, self.rings)

    cdef void stop(self) noexcept:
        cdef ExchangeState exchange = <ExchangeState>self.exchange
        cdef LimitCells cells = (<Worker>self.reactor).cells
        cdef int number
        cdef int way
        if exchange is None:
            return
        self.exchange = None
        self.tunnel = None
        self.reactor.disarm(self)
        if exchange.client is not None:
            exchange.client.held = False
            exchange.client.share = 0
        if exchange.origin is not None:
            exchange.origin.held = False
            exchange.origin.share = 0
        if self.grant == 0:
            return
        for way in range(2):
            self.give_back(way)
            if self.taken[way] == 0:
                continue
            # it came with the head, before it could be held
            for number in range(self.part_count):
                if self.parts[number].cost:
                    cells.owe(
                        self.parts[number].tag | <uint64_t>way, <int64_t>self.reactor.now,
                        self.parts[number].cost * -self.taken[way] // self.grant,
                        (<Limit>self.parts[number].limit).slot,
                    )
            self.taken[way] = 0
