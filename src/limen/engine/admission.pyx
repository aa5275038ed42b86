# Asked once per exchange, after its route was found and before anything is done for it: addresses, maintenance, limits.
# A limit that refuses gives back what those before it took. No object is made and nothing allocated.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset

from limen.engine.affinity cimport KEY_COOKIE, KEY_FIELD, Piece, in_fields
from limen.engine.cells cimport LIMIT_ALLOWED, LIMIT_REFUSED, LIMIT_UNCOUNTED, LimitCells
from limen.engine.guard cimport (
    LIMIT_BY_CLIENT,
    LIMIT_BY_COOKIE,
    LIMIT_BY_FIELD,
    LIMIT_BY_HOST,
    LIMIT_BY_IDENTITY,
    LIMIT_BY_ROUTE,
    Guard,
    Limit,
)
from limen.engine.maglev cimport mixed
from limen.engine.meter cimport METER_DOWN, METER_UP, Meter, MeterPart, new_meter
from limen.engine.stream cimport OutField
from limen.engine.types cimport (
    FAULT_DENIED,
    FAULT_LIMIT_CONCURRENT,
    FAULT_LIMIT_RATE,
    FAULT_MAINTENANCE,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_QUOTA,
)
from limen.engine.worker cimport OUT_FIELDS, Worker


cdef int admit(ExchangeState exchange) noexcept:
    cdef Guard guard = exchange.action.guard
    cdef int fault = find_closed(exchange, guard)
    if fault == FAULT_NONE and guard.limit_count and exchange.worker.cells is not None:
        return take_limits(exchange, guard, exchange.limit_places, True)
    return fault


cdef inline int find_closed(ExchangeState exchange, Guard guard) noexcept:
    if (guard.deny is not None or guard.allow is not None) and not is_welcome(exchange, guard):
        return FAULT_DENIED
    if guard.closed and (
        guard.spared is None or exchange.peer.family == 1 or not guard.spared.contains(exchange.peer.ip)
    ):
        return FAULT_MAINTENANCE
    return FAULT_NONE


cdef int admit_rule(ExchangeState exchange, Guard guard, bint more) noexcept:
    cdef int fault
    if exchange.rule_guard is guard or guard.limit_count == 0:
        return FAULT_NONE
    leave_places(exchange, exchange.rule_places)
    if not more and exchange.meter is not None and exchange.rule_guard is not None:
        exchange.meter.leave(exchange.rule_guard)
    exchange.rule_guard = None
    if exchange.worker.cells is None:
        exchange.rule_guard = guard
        return FAULT_NONE
    fault = take_limits(exchange, guard, exchange.rule_places, False)
    if fault == FAULT_NONE:
        exchange.rule_guard = guard
    return fault


cdef int would_admit(ExchangeState exchange) noexcept:
    cdef Guard guard = exchange.action.guard
    cdef int fault = find_closed(exchange, guard)
    cdef LimitCells cells = exchange.worker.cells
    cdef Limit limit
    cdef int number
    if fault != FAULT_NONE or cells is None:
        return fault
    for number in range(guard.limit_count):
        limit = <Limit>guard.limits[number]
        if not limit.dry_run and would_refuse(exchange, limit, cells):
            return FAULT_LIMIT_RATE if limit.interval else FAULT_LIMIT_CONCURRENT
    return FAULT_NONE


cdef bint would_refuse(ExchangeState exchange, Limit limit, LimitCells cells) noexcept:
    cdef uint64_t tag
    if limit.interval == 0 and limit.most == 0:
        # (what is slower is not refused; what quotas have left changes with every byte)
        return False
    tag = tag_of(exchange, limit, cells.seed)
    if limit.interval:
        return cells.used(tag, <int64_t>exchange.started) + limit.interval > limit.burst
    return cells.in_flight(tag) >= limit.most


cdef str kind_of(Limit limit):
    if limit.speed:
        return "bandwidth"
    if limit.quota:
        return "quota of requests" if limit.of_requests else "quota of bytes"
    if limit.life:
        return "life"
    return "rate" if limit.interval else "concurrent"


cdef list limits_now(ExchangeState exchange, Guard guard):
    cdef LimitCells cells = exchange.worker.cells
    cdef Limit limit
    cdef int64_t used
    cdef uint64_t tag
    cdef list found = []
    if guard is None:
        return found
    for limit in guard.limits:
        row = {
            "name": limit.name, "kind": kind_of(limit), "dry_run": limit.dry_run,
            "most": limit.burst // limit.interval if limit.interval else (
                limit.speed or limit.quota or limit.most or limit.life // 1000000000
            ),
            "left": None, "refuses": False,
        }
        if cells is not None and (limit.interval or limit.most):
            tag = tag_of(exchange, limit, cells.seed)
            if limit.interval:
                used = cells.used(tag, <int64_t>exchange.started)
                row["left"] = (limit.burst - used) // limit.interval
            else:
                row["left"] = max(limit.most - cells.in_flight(tag), <int64_t>0)
            row["refuses"] = would_refuse(exchange, limit, cells)
        found.append(row)
    return found


cdef bint is_welcome(ExchangeState exchange, Guard guard) noexcept:
    if exchange.peer.family == 1:
        # in no set of addresses
        return guard.allow is None
    if guard.deny is not None and guard.deny.contains(exchange.peer.ip):
        return False
    return guard.allow is None or guard.allow.contains(exchange.peer.ip)


cdef uint64_t tag_of(ExchangeState exchange, Limit limit, uint64_t seed) noexcept:
    """What the exchange counts as; kinds of keys never meet."""
    cdef Piece piece
    cdef char prefix[16]
    cdef uint64_t tag
    cdef int by = limit.by
    piece.data = NULL
    piece.size = 0
    if by == LIMIT_BY_HOST:
        piece.data = exchange.host.name
        piece.size = exchange.host.name_length
    elif by == LIMIT_BY_FIELD or by == LIMIT_BY_COOKIE:
        if exchange.base == NULL or not in_fields(
            exchange, KEY_FIELD if by == LIMIT_BY_FIELD else KEY_COOKIE, limit.key_name, &piece
        ) or piece.size == 0:
            # leaving the field out must not be a way around
            by = LIMIT_BY_CLIENT
    elif by == LIMIT_BY_IDENTITY:
        if exchange.identity is not None:
            piece.data = <const char*>exchange.identity.label
            piece.size = <size_t>len(exchange.identity.label)
        else:
            by = LIMIT_BY_CLIENT
    if by == LIMIT_BY_CLIENT:
        memcpy(prefix, exchange.peer.ip, 16)
        if exchange.peer.family == 6:
            cut_prefix(prefix, limit.prefix)
        elif exchange.peer.family == 1:
            memset(prefix, 0, 16)
        piece.data = prefix
        piece.size = 16
    elif by == LIMIT_BY_ROUTE:
        piece.size = 0
    tag = mixed(piece.data, piece.size, seed ^ limit.identity ^ (<uint64_t>by * <uint64_t>0x9E3779B97F4A7C15))
    return tag if tag else 1


cdef inline void cut_prefix(char* ip, int bits) noexcept nogil:
    cdef int i
    for i in range(16):
        if bits >= 8 * (i + 1):
            continue
        ip[i] = ip[i] & <char>(0xFF << (8 - (bits - 8 * i))) if bits > 8 * i else 0


cdef int take_limits(ExchangeState exchange, Guard guard, uint32_t* places, bint tells) noexcept:
    """One of each limit, or none of any; `places` gets what is to be left."""
    cdef LimitCells cells = exchange.worker.cells
    cdef Limit limit
    cdef int64_t now = <int64_t>exchange.started
    cdef int64_t result
    cdef uint64_t tags[8]
    cdef int number
    cdef int fault
    cdef bint refused
    for number in range(guard.limit_count):
        limit = <Limit>guard.limits[number]
        if limit.interval == 0 and limit.most == 0:
            # measured below
            tags[number] = 0
            continue
        tags[number] = tag_of(exchange, limit, cells.seed)
        if limit.interval:
            result = cells.charge(tags[number], now, limit.interval, limit.burst, limit.slot)
            refused = result < 0
            if not refused and tells and limit.tells and (
                exchange.limit_told == 0 or exchange.limit_left > limit.burst - result
            ):
                exchange.limit_told = <unsigned char>(number + 1)
                exchange.limit_left = limit.burst - result
        else:
            result = cells.enter(tags[number], limit.most, limit.slot)
            refused = result == 0
            if result > 0:
                places[number] = <uint32_t>result
                exchange.holds_limits = True
        if not refused:
            continue
        cells.count(limit.slot, LIMIT_REFUSED)
        if exchange.refusing is None:
            exchange.refusing = limit
            exchange.limit_wait = -result
        if limit.dry_run:
            tags[number] = 0
            continue
        exchange.refusing = limit
        exchange.limit_wait = -result
        give_back(exchange, guard, tags, number)
        leave_places(exchange, places)
        return FAULT_LIMIT_RATE if limit.interval else FAULT_LIMIT_CONCURRENT
    if guard.metered:
        fault = begin_meter(exchange, guard, False)
        if fault != FAULT_NONE:
            give_back(exchange, guard, tags, guard.limit_count)
            leave_places(exchange, places)
            return fault
    for number in range(guard.limit_count):
        if tags[number]:
            cells.count((<Limit>guard.limits[number]).slot, LIMIT_ALLOWED)
    return FAULT_NONE


cdef int begin_meter(ExchangeState exchange, Guard guard, bint anew) noexcept:
    """What is laid for a guard that refuses is taken off again: nothing of it counts then."""
    cdef Meter meter = exchange.meter
    cdef int fault
    if meter is not None:
        if meter.has(guard):
            return FAULT_NONE
        # (a grant was paid by the limits there were)
        meter.give_back(METER_UP)
        meter.give_back(METER_DOWN)
    try:
        if meter is None:
            meter = new_meter(exchange)
        meter.guards.append(guard)
    except MemoryError:
        return FAULT_MEMORY
    fault = lay_limits(exchange, meter, guard, anew)
    if fault != FAULT_NONE:
        meter.leave(guard)
        return fault
    meter.settle()
    if meter.grant or meter.counts:
        exchange.meter = meter
        if not exchange.request_over and not anew:
            meter.bound(exchange.client)
    return FAULT_NONE


cdef int lay_limits(ExchangeState exchange, Meter meter, Guard guard, bint anew) noexcept:
    cdef Worker worker = exchange.worker
    cdef MeterPart* part
    cdef Limit limit
    cdef int64_t before
    cdef uint64_t seed
    cdef int first = meter.part_count
    cdef int number
    cdef int i
    for number in range(guard.limit_count):
        limit = <Limit>guard.limits[number]
        if not limit.speed and (limit.quota == 0 or worker.quotas is None):
            continue
        seed = worker.cells.seed if limit.speed else worker.quotas.seed
        if not meter.lay(guard, limit, tag_of(exchange, limit, seed)):
            exchange.refusing = limit
            return FAULT_LIMIT_CONCURRENT
        if limit.speed:
            continue
        part = &meter.parts[meter.part_count - 1]
        if part.cell == NULL:
            worker.cells.count(limit.slot, LIMIT_UNCOUNTED)
            continue
        before = worker.quotas.used(part.cell)
        if limit.of_requests and not anew:
            before = worker.quotas.add(part.cell, 1)
            if before < limit.quota:
                for i in range(4):
                    if limit.warns[i] == before + 1:
                        meter.warn(limit, before + 1)
        if before < limit.quota or (anew and limit.of_requests):
            continue
        worker.cells.count(limit.slot, LIMIT_REFUSED)
        if exchange.refusing is None or not limit.dry_run:
            exchange.refusing = limit
            exchange.limit_wait = <int64_t>(part.ends - worker.now)
        if limit.dry_run:
            continue
        if not anew:
            for i in range(first, meter.part_count):
                part = &meter.parts[i]
                if (<Limit>part.limit).of_requests and part.cell != NULL:
                    worker.quotas.add(part.cell, -1)
        return FAULT_QUOTA
    if not anew:
        for i in range(first, meter.part_count):
            worker.cells.count((<Limit>meter.parts[i].limit).slot, LIMIT_ALLOWED)
    return FAULT_NONE


cdef uint64_t life_of(Guard guard, Guard rule_guard, uint64_t most) noexcept:
    if guard is not None and guard.life:
        most = min(most, guard.life)
    if rule_guard is not None and rule_guard.life:
        most = min(most, rule_guard.life)
    return most


cdef void give_back(ExchangeState exchange, Guard guard, const uint64_t* tags, int count) noexcept:
    cdef Limit limit
    cdef int number
    for number in range(count):
        limit = <Limit>guard.limits[number]
        if limit.interval and tags[number]:
            exchange.worker.cells.refund(tags[number], limit.interval)


cdef void leave_places(ExchangeState exchange, uint32_t* places) noexcept:
    cdef int number
    for number in range(8):
        if places[number]:
            exchange.worker.cells.leave(<int64_t>places[number])
            places[number] = 0


cdef void leave_limits(ExchangeState exchange) noexcept:
    if exchange.holds_limits:
        exchange.holds_limits = False
        leave_places(exchange, exchange.limit_places)
        leave_places(exchange, exchange.rule_places)


cdef inline void add(ExchangeState exchange, unsigned int* count, const char* name, unsigned int name_size,
                     const char* value, unsigned int size) noexcept:
    cdef OutField* field
    if count[0] < OUT_FIELDS:
        field = &exchange.worker.out[count[0]]
        field.name = name
        field.name_length = name_size
        field.value = value
        field.value_length = size
        count[0] += 1


cdef inline int64_t seconds(int64_t ns) noexcept nogil:
    """Whole ones, rounded up."""
    return (ns + 999999999) // 1000000000


cdef void add_limit_fields(ExchangeState exchange, unsigned int* count, bint refused) noexcept:
    """draft-ietf-httpapi-ratelimit-headers-10: what is allowed, and what is left of the limit that is nearest."""
    cdef Guard guard = exchange.action.guard
    cdef Limit limit
    cdef char* value
    cdef int size
    cdef bytes policy
    cdef long left = 0
    cdef long reset
    if refused:
        limit = exchange.refusing
        if limit.interval == 0:
            return
        policy = limit.policy
        reset = <long>seconds(exchange.limit_wait)
    else:
        if exchange.limit_told == 0:
            return
        limit = <Limit>guard.limits[exchange.limit_told - 1]
        policy = guard.policy
        left = <long>(exchange.limit_left // limit.interval)
        reset = <long>seconds(limit.burst - exchange.limit_left)
    value = exchange.worker.value(<size_t>len(limit.shown) + 64)
    if value == NULL:
        return
    size = snprintf(value, <size_t>len(limit.shown) + 64, '"%s";r=%ld;t=%ld', <const char*>limit.shown, left, reset)
    add(exchange, count, b"RateLimit-Policy", 16, <const char*>policy, <unsigned int>len(policy))
    add(exchange, count, b"RateLimit", 9, value, <unsigned int>size)


cdef int retry_after(ExchangeState exchange, char* room) noexcept:
    cdef Guard guard = exchange.action.guard
    cdef long wait
    if exchange.fault == FAULT_MAINTENANCE:
        memcpy(room, <const char*>guard.retry_after, <size_t>len(guard.retry_after))
        return <int>len(guard.retry_after)
    # a place in flight may come free with any answer
    wait = 1
    if exchange.fault == FAULT_LIMIT_RATE or exchange.fault == FAULT_QUOTA:
        wait = <long>seconds(exchange.limit_wait)
    return snprintf(room, 20, "%ld", wait if wait > 0 else 1)
