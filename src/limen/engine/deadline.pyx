# Times go on the wire as what is left, not as a point in time: clocks differ from machine to machine.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.alarm cimport new_alarm
from limen.engine.bytes cimport same_folded
from limen.engine.resilience cimport Resilience
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutField
from limen.engine.text cimport put_number
from limen.engine.types cimport Field
from limen.engine.worker cimport OUT_FIELDS


cdef enum:
    DIGITS_MOST = 8           # of grpc-timeout; more are no time that anybody means
    DIGITS_BOUND = 100000000
    MILLISECOND = 1000000     # ns


cdef bint is_named(const char* name, size_t size, bytes wanted) noexcept:
    """Whether this is the wanted name, in any case."""
    return size == <size_t>len(wanted) and same_folded(name, <const char*>wanted, size)


cdef uint64_t unit_of(char letter) noexcept nogil:
    """Nanoseconds of a unit of grpc-timeout; 0: there is none of this name."""
    if letter == 72:
        return <uint64_t>3600 * 1000000000
    if letter == 77:
        return <uint64_t>60 * 1000000000
    if letter == 83:
        return 1000000000
    if letter == 109:
        return MILLISECOND
    if letter == 117:
        return 1000
    return 1 if letter == 110 else 0


cdef bint read_time(const char* text, uint32_t size, bint grpc, uint64_t* found) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint64_t unit = MILLISECOND
    cdef uint32_t i
    if grpc and size:
        size -= 1
        unit = unit_of(text[size])
    if size == 0 or size > DIGITS_MOST or unit == 0:
        return False
    for i in range(size):
        if not 48 <= text[i] <= 57:
            return False
        value = 10 * value + <uint64_t>(text[i] - 48)
    found[0] = value * unit
    return True


cdef void begin_deadline(ExchangeState exchange) noexcept:
    cdef Resilience terms = exchange.action.resilience
    cdef const Field* field
    cdef uint64_t asked
    cdef unsigned int i
    if terms.total:
        exchange.until = exchange.started + terms.total
    if terms.deadline_field is None:
        return
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if is_named(exchange.base + field.name, field.name_length, terms.deadline_field) and read_time(
            exchange.base + field.value, field.value_length, terms.deadline_grpc, &asked
        ):
            # a client may have less patience than the route, never more
            if exchange.until == 0 or exchange.started + asked < exchange.until:
                exchange.until = exchange.started + max(asked, <uint64_t>1)


cdef int lay_deadline(ExchangeState exchange, unsigned int* count) noexcept:
    cdef Resilience terms = exchange.action.resilience
    cdef uint64_t now = exchange.worker.now
    cdef uint64_t left
    cdef char* text
    cdef char* end
    cdef OutField* field
    if terms.deadline_field is None:
        return 0
    left = exchange.until - now if exchange.until > now else 0
    if terms.per_try:
        # what comes later is of no use to this origin's answer
        left = min(left, terms.per_try)
    left = max(left // MILLISECOND, <uint64_t>1)
    text = exchange.worker.value(24)
    if text == NULL or count[0] >= OUT_FIELDS:
        return -1
    end = put_number(text, left if not terms.deadline_grpc or left < DIGITS_BOUND else left // 1000)
    if terms.deadline_grpc:
        # "m" or "S"
        end[0] = 109 if left < DIGITS_BOUND else 83
        end += 1
    field = &exchange.worker.out[count[0]]
    field.name = terms.deadline_field
    field.name_length = <uint32_t>len(terms.deadline_field)
    field.value = text
    field.value_length = <uint32_t>(end - text)
    count[0] += 1
    return 0


cdef bint set_alarm(ExchangeState exchange, uint64_t when) noexcept:
    if exchange.until and (when == 0 or when > exchange.until):
        when = exchange.until
    if exchange.alarm is None:
        if when == 0:
            return True
        try:
            exchange.alarm = new_alarm(exchange.worker, exchange)
        except MemoryError:
            return False
    exchange.alarm.ring_at(when)
    return True
