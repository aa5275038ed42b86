# Reports are read strictly and forgotten when none follows. One cell of the board holds an endpoint's last one for all
# workers: the millisecond in which it came, and the utilisation in the lowest ten bits.
#
#   0.7   70%   TEXT cpu_utilization=0.7,mem_utilization=0.2   JSON {"cpu_utilization": 0.7, "named_metrics": {}}
#
# The forms are those of xDS ORCA's field `endpoint-load-metrics` (its binary form, base64 of a message, is not read).
# What the application knows of itself goes before what its machine measures.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from limen.engine.balance cimport health_changed
from limen.engine.board cimport total_now, total_set
from limen.engine.bytes cimport same_folded


cdef enum:
    DEPTH_MOST = 8            # of objects and arrays within a report
    STEP = 50                 # thousandths: smaller changes wait
    TEN_BITS = 1023


cdef uint64_t LIFE = 10000000000ULL          # ns a report counts
cdef uint64_t LOOK_PAUSE = 50000000          # ns between two surveys for reports, of all balancers of this worker
cdef uint64_t next_look = 0


cdef struct Cursor:
    const char* at
    const char* end


cdef struct Found:
    double application        # -1: not told
    double machine


# numbers and names -----------------------------------------------------------------------------------------

cdef inline bint is_digit(char byte) noexcept nogil:
    return 48 <= byte <= 57


cdef double take_number(Cursor* cursor) noexcept nogil:
    """A plain decimal number, perhaps with an exponent; -1 where none stands. Signs and words (nan, inf) are none."""
    cdef double value = 0.0
    cdef int shift = 0
    cdef int exponent = 0
    cdef bint negative = False
    cdef const char* begun = cursor.at
    while cursor.at < cursor.end and is_digit(cursor.at[0]):
        value = value * 10.0 + (cursor.at[0] - 48)
        cursor.at += 1
    if cursor.at == begun:
        return -1.0
    if cursor.at < cursor.end and cursor.at[0] == c".":
        cursor.at += 1
        begun = cursor.at
        while cursor.at < cursor.end and is_digit(cursor.at[0]):
            value = value * 10.0 + (cursor.at[0] - 48)
            shift -= 1
            cursor.at += 1
        if cursor.at == begun:
            return -1.0
    if cursor.at < cursor.end and (cursor.at[0] | 32) == c"e":
        cursor.at += 1
        if cursor.at < cursor.end and (cursor.at[0] == c"-" or cursor.at[0] == c"+"):
            negative = cursor.at[0] == c"-"
            cursor.at += 1
        begun = cursor.at
        while cursor.at < cursor.end and is_digit(cursor.at[0]):
            exponent = min(exponent * 10 + (cursor.at[0] - 48), 10000)
            cursor.at += 1
        if cursor.at == begun:
            return -1.0
    shift += -exponent if negative else exponent
    # beyond these it is nothing, or all, anyway; digits may have made it infinite, which is all as well
    shift = max(min(shift, 400), -8192)
    while shift > 0 and value > 0 and value < 1e300:
        value *= 10.0
        shift -= 1
    while shift < 0 and value > 0:
        value /= 10.0
        shift += 1
    return value


cdef void note(Found* found, const char* name, size_t size, double value) noexcept nogil:
    if size == 23 and memcmp(name, b"application_utilization", 23) == 0:
        found.application = value
    elif size == 15 and memcmp(name, b"cpu_utilization", 15) == 0:
        found.machine = value


cdef inline int thousandths(double value) noexcept nogil:
    return 1000 if value >= 1.0 else <int>(value * 1000.0 + 0.5)


cdef int chosen(const Found* found) noexcept nogil:
    # a report may name what it does not measure, as zero
    if found.application > 0:
        return thousandths(found.application)
    if found.machine > 0:
        return thousandths(found.machine)
    return 0 if found.application == 0 or found.machine == 0 else -1


# the forms -------------------------------------------------------------------------------------------------

cdef inline void skip_space(Cursor* cursor) noexcept nogil:
    while cursor.at < cursor.end and (cursor.at[0] == c" " or cursor.at[0] == c"\t"):
        cursor.at += 1


cdef bint take_byte(Cursor* cursor, char byte) noexcept nogil:
    skip_space(cursor)
    if cursor.at == cursor.end or cursor.at[0] != byte:
        return False
    cursor.at += 1
    return True


cdef int parse_text(Cursor* cursor) noexcept nogil:
    """Pairs `name=number`, by commas."""
    cdef Found found
    cdef const char* name
    cdef size_t size
    cdef double value
    found.application = found.machine = -1.0
    while True:
        skip_space(cursor)
        name = cursor.at
        while cursor.at < cursor.end and cursor.at[0] != c"=" and cursor.at[0] != c",":
            cursor.at += 1
        size = <size_t>(cursor.at - name)
        if size == 0 or cursor.at == cursor.end or cursor.at[0] != c"=":
            return -1
        cursor.at += 1
        value = take_number(cursor)
        if value < 0:
            return -1
        note(&found, name, size, value)
        skip_space(cursor)
        if cursor.at == cursor.end:
            return chosen(&found)
        if not take_byte(cursor, c","):
            return -1


cdef bint take_string(Cursor* cursor, const char** text, size_t* size) noexcept nogil:
    """As it stands, escapes and all: the names that count have none."""
    if not take_byte(cursor, c'"'):
        return False
    text[0] = cursor.at
    while cursor.at < cursor.end and cursor.at[0] != c'"':
        if <unsigned char>cursor.at[0] < 32:
            return False
        cursor.at += 2 if cursor.at[0] == c"\\" else 1
    if cursor.at >= cursor.end:
        return False
    size[0] = <size_t>(cursor.at - text[0])
    cursor.at += 1
    return True


cdef bint take_word(Cursor* cursor, const char* word, size_t size) noexcept nogil:
    if <size_t>(cursor.end - cursor.at) < size or memcmp(cursor.at, word, size) != 0:
        return False
    cursor.at += size
    return True


cdef bint skip_value(Cursor* cursor, int depth) noexcept nogil:
    """Any value of JSON that is none of ours."""
    cdef const char* text
    cdef size_t size
    cdef char opened
    skip_space(cursor)
    if cursor.at == cursor.end or depth == 0:
        return False
    opened = cursor.at[0]
    if opened == c'"':
        return take_string(cursor, &text, &size)
    if opened == c"{" or opened == c"[":
        cursor.at += 1
        if take_byte(cursor, c"}" if opened == c"{" else c"]"):
            return True
        while True:
            if opened == c"{" and not (take_string(cursor, &text, &size) and take_byte(cursor, c":")):
                return False
            if not skip_value(cursor, depth - 1):
                return False
            if not take_byte(cursor, c","):
                return take_byte(cursor, c"}" if opened == c"{" else c"]")
    if opened == c"-":
        cursor.at += 1
        return take_number(cursor) >= 0
    if is_digit(opened):
        return take_number(cursor) >= 0
    return take_word(cursor, b"true", 4) or take_word(cursor, b"false", 5) or take_word(cursor, b"null", 4)


cdef int parse_json(Cursor* cursor) noexcept nogil:
    """One object; what is named at its top counts."""
    cdef Found found
    cdef const char* name = NULL
    cdef size_t size = 0
    cdef double value
    found.application = found.machine = -1.0
    if not take_byte(cursor, c"{"):
        return -1
    if not take_byte(cursor, c"}"):
        while True:
            if not (take_string(cursor, &name, &size) and take_byte(cursor, c":")):
                return -1
            skip_space(cursor)
            if cursor.at < cursor.end and is_digit(cursor.at[0]):
                value = take_number(cursor)
                if value < 0:
                    return -1
                note(&found, name, size, value)
            elif not skip_value(cursor, DEPTH_MOST):
                return -1
            if not take_byte(cursor, c","):
                break
        if not take_byte(cursor, c"}"):
            return -1
    skip_space(cursor)
    return chosen(&found) if cursor.at == cursor.end else -1


cdef int parse_report(const char* value, size_t size) noexcept nogil:
    cdef Cursor cursor
    cdef double number
    cursor.at = value
    cursor.end = value + size
    if size > REPORT_MOST:
        return -1
    if take_word(&cursor, b"TEXT ", 5):
        return parse_text(&cursor)
    if take_word(&cursor, b"JSON ", 5):
        return parse_json(&cursor)
    number = take_number(&cursor)
    if number < 0:
        return -1
    if cursor.at < cursor.end and cursor.at[0] == c"%":
        cursor.at += 1
        number /= 100.0
    return thousandths(number) if cursor.at == cursor.end else -1


# what it does ----------------------------------------------------------------------------------------------

cdef bint is_report(ExchangeState exchange, const Field* field, const char* base) noexcept:
    cdef bytes name = exchange.upstream.report
    return field.name_length == <uint32_t>len(name) and same_folded(
        base + field.name, <const char*>name, field.name_length
    )


cdef void take_report(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept:
    cdef unsigned int i
    cdef int busy
    for i in range(head.count):
        if is_report(exchange, &fields[i], base):
            busy = parse_report(base + fields[i].value, fields[i].value_length)
            if busy >= 0:
                note_busy(&exchange.endpoint.load, exchange.worker.now, busy)
            return


cdef void note_busy(Load* load, uint64_t now, int busy) noexcept:
    global next_look
    total_set(load.busy, <int64_t>(now // 1000000) << 10 | busy)
    if (busy >= load.weighed + STEP or busy <= load.weighed - STEP) and now >= next_look:
        # balancers look again before their next choice; the next report tries anew if this one comes too soon
        next_look = now + LOOK_PAUSE
        health_changed()


cdef int busy_now(const Load* load, uint64_t now, uint64_t* until) noexcept nogil:
    cdef int64_t told = total_now(load.busy)
    cdef uint64_t end
    until[0] = 0
    if told == 0:
        return 0
    end = <uint64_t>(told >> 10) * 1000000 + LIFE
    if now >= end:
        return 0
    until[0] = end
    return <int>(told & TEN_BITS)
