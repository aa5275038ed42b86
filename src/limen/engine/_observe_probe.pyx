# For tests and benchmarks only, left out of wheels: the C side of board and journal, from Python.

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from limen.engine.board cimport ENDPOINT_ACTIVE, ENDPOINT_REQUESTS, Board, duration_bucket
from limen.engine.journal cimport Journal, LogRecord, LogText
from limen.engine.text cimport civil_date, put_number, put_seconds
from limen.engine.types cimport Address


TEXTS = (
    "direction", "method", "target", "host", "route", "limit", "rule", "dry_rule", "upstream", "endpoint", "user_agent",
    "referer",
    "request_id",
    "tls_version", "tls_cipher", "sni", "ja4", "certificate_subject", "certificate_fingerprint",
)


cdef uint64_t now() noexcept nogil:
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return <uint64_t> moment.tv_sec * 1000000000 + <uint64_t> moment.tv_nsec


# Board.

def bucket(uint64_t nanoseconds):
    return duration_bucket(nanoseconds)


def count_exchange(Board board, unsigned int route, int status, uint64_t received, uint64_t sent, uint64_t nanoseconds):
    board.count_exchange(route, status, received, sent, nanoseconds)


def count_fault(Board board, int fault):
    board.count_fault(fault)


def endpoint_add(Board board, unsigned int slot, int cell, int64_t delta):
    board.endpoint_add(slot, cell, delta)


def endpoint_set(Board board, unsigned int slot, int cell, int64_t value):
    board.endpoint_set(slot, cell, value)


def endpoint_get(Board board, unsigned int slot, int cell):
    return board.endpoint_get(slot, cell)


def listener_add(Board board, unsigned int slot, int cell, int64_t delta):
    board.listener_add(slot, cell, delta)


def worker_add(Board board, int cell, int64_t delta):
    board.worker_add(cell, delta)


def bench_board(Board board, int rounds):
    """Nanoseconds per exchange: all that one exchange counts."""
    cdef int index
    cdef uint64_t begun
    with nogil:
        begun = now()
        for index in range(rounds):
            board.endpoint_add(index & 63, ENDPOINT_ACTIVE, 1)
            board.endpoint_add(index & 63, ENDPOINT_REQUESTS, 1)
            board.count_exchange(index & 15, 200, 120, 1400, 700000 + (<uint64_t> index & 1023) * 1000)
            board.endpoint_add(index & 63, ENDPOINT_ACTIVE, -1)
        begun = now() - begun
    return <double> begun / rounds


# Journal.

cdef int set_text(LogText* slot, bytes text) except -1:
    slot.text = text
    slot.length = <unsigned int> len(text)
    return 0


cdef int set_address(Address* address, ip, int port) except -1:
    # `ip`: 16 bytes and a family, as engine/addresses makes them.
    cdef bytes packed = ip[0]
    memcpy(address.ip, <const char*> packed, 16)
    address.family = ip[1]
    address.port = <unsigned short> port
    return 0


cdef int fill(LogRecord* record, values) except -1:
    # The caller keeps `values` alive while the record is used.
    memset(record, 0, sizeof(LogRecord))
    set_text(&record.direction, values.get("direction", b""))
    set_text(&record.method, values.get("method", b""))
    set_text(&record.target, values.get("target", b""))
    set_text(&record.host, values.get("host", b""))
    set_text(&record.route, values.get("route", b""))
    set_text(&record.limit, values.get("limit", b""))
    set_text(&record.rule, values.get("rule", b""))
    set_text(&record.dry_rule, values.get("dry_rule", b""))
    set_text(&record.upstream, values.get("upstream", b""))
    set_text(&record.endpoint, values.get("endpoint", b""))
    set_text(&record.user, values.get("user", b""))
    set_text(&record.user_agent, values.get("user_agent", b""))
    set_text(&record.referer, values.get("referer", b""))
    set_text(&record.request_id, values.get("request_id", b""))
    set_text(&record.tls_version, values.get("tls_version", b""))
    set_text(&record.tls_cipher, values.get("tls_cipher", b""))
    set_text(&record.sni, values.get("sni", b""))
    set_text(&record.ja4, values.get("ja4", b""))
    set_text(&record.certificate_subject, values.get("certificate_subject", b""))
    set_text(&record.certificate_fingerprint, values.get("certificate_fingerprint", b""))
    set_address(&record.client, values.get("client", (bytes(16), 1)), values.get("port", 0))
    record.started = values.get("started", 0)
    record.total = values.get("total", 0)
    record.dial = values.get("dial", 0)
    record.response_head = values.get("response_head", 0)
    record.received = values.get("received", 0)
    record.sent = values.get("sent", 0)
    record.status = values.get("status", 0)
    record.attempts = values.get("attempts", 0)
    record.fault = values.get("fault", 0)
    record.retry_blocked = values.get("retry_blocked", 0)
    record.minor = values.get("minor", 1)
    record.tunnel = values.get("tunnel", 0)
    record.resumed = values.get("resumed", 0)
    return 0


def record(Journal journal, values):
    """Write one record; texts are bytes."""
    cdef LogRecord filled
    fill(&filled, values)
    journal.record(&filled)


def bench_journal(Journal journal, values, int rounds):
    """Nanoseconds per record, a new millisecond each time, a new second every thousand."""
    cdef LogRecord filled
    cdef int _index
    cdef uint64_t begun
    fill(&filled, values)
    with nogil:
        begun = now()
        for _index in range(rounds):
            filled.started += 1000000
            filled.total += 1000
            journal.record(&filled)
        begun = now() - begun
    return <double> begun / rounds


# Text.

def number(uint64_t value):
    cdef char out[32]
    return out[: put_number(out, value) - out]


def seconds(uint64_t nanoseconds):
    cdef char out[32]
    return out[: put_seconds(out, nanoseconds) - out]


def date(int64_t days):
    cdef int year, month, day
    civil_date(days, &year, &month, &day)
    return (year, month, day)
