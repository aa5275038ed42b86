# Responses made here. Their texts come from limen.faults once, at import; the rest is laid out in
# the worker's scratch, so that a flood of refused requests costs no Python.

from libc.stdint cimport uint16_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutField, OutHead
from limen.engine.types cimport (
    FAULT_COUNT,
    FAULT_DENIED,
    FAULT_METHOD,
    FRAMING_LENGTH,
    FRAMING_NONE,
    METHOD_HEAD,
)
from limen.engine.worker cimport OUT_FIELDS, Worker

from http import HTTPStatus

from limen.faults import FAULTS


cdef struct FaultText:
    uint16_t status
    const char* label         # borrowed from KEPT
    const char* token
    const char* sentence


cdef struct Reason:
    const char* text          # borrowed from KEPT
    size_t size


cdef FaultText texts[128]
cdef Reason reasons[600]
cdef list KEPT = []
cdef const char* KEPT_NAME = b"limen"


cdef const char* keep(str text) except NULL:
    cdef bytes data = text.encode("ascii")
    KEPT.append(data)
    return <const char*>data


def load():
    """Fill the tables; called once at import."""
    for i in range(FAULT_COUNT):
        texts[i].status = 500
        texts[i].label = keep("unknown")
        texts[i].token = keep("proxy_internal_error")
        texts[i].sentence = keep("")
    for fault in (FAULTS.values() if hasattr(FAULTS, "values") else FAULTS):
        texts[fault.number].status = fault.status
        texts[fault.number].label = keep(fault.label)
        texts[fault.number].token = keep(fault.token)
        texts[fault.number].sentence = keep(fault.sentence)
    for i in range(600):
        reasons[i].text = keep("")
        reasons[i].size = 0
    for status in HTTPStatus:
        reasons[status.value].text = keep(status.phrase)
        reasons[status.value].size = len(status.phrase)


load()


cdef int fault_status(int fault) noexcept nogil:
    return texts[fault].status if 0 <= fault < FAULT_COUNT else 500


cdef void reason_of(int status, const char** data, size_t* size) noexcept nogil:
    if 0 <= status < 600:
        data[0] = reasons[status].text
        size[0] = reasons[status].size
    else:
        data[0] = b""
        size[0] = 0


cdef void add_field(
    ExchangeState exchange, unsigned int* count, const char* name, size_t name_size, const char* value, size_t size
) noexcept:
    """Append a field to worker.out; the bytes must stay until the head is sent."""
    cdef OutField* field
    if count[0] >= OUT_FIELDS:
        return
    field = &exchange.worker.out[count[0]]
    field.name = name
    field.name_length = <unsigned int>name_size
    field.value = value
    field.value_length = <unsigned int>size
    count[0] += 1


cdef void send_reply(
    ExchangeState exchange, int status, const char* body, size_t size, unsigned int count, bint close
) noexcept:
    """Send a whole response; fields other than Date, Server and the framing are in worker.out already."""
    cdef Worker worker = exchange.worker
    cdef OutHead* head = &worker.out_head
    exchange.status = <uint16_t>status
    exchange.response_begun = True
    add_field(exchange, &count, b"Date", 4, worker.http_date(), 29)
    add_field(exchange, &count, b"Server", 6, b"limen", 5)
    if exchange.id_length and exchange.service.id_field is not None and len(exchange.service.id_field):
        add_field(
            exchange, &count, <const char*>exchange.service.id_field, <size_t>len(exchange.service.id_field),
            exchange.id, exchange.id_length,
        )
    head.status = <uint16_t>status
    reason_of(status, &head.reason.data, &head.reason.length)
    head.fields = worker.out
    head.count = count
    head.framing = FRAMING_LENGTH
    head.length = size
    head.head_only = exchange.head.method == METHOD_HEAD or status == 304
    if status == 204 or status == 304:
        head.framing = FRAMING_NONE
        size = 0
    head.upgrade = False
    head.te_trailers = False
    head.close = close
    exchange.client.send_head(head)
    if size and not head.head_only:
        exchange.sent += size
        exchange.client.send_data(body, size)
    exchange.client.send_end(NULL, NULL, 0)
    # the body may lie in the worker's scratch, where a pipelined request behind this one writes next
    worker.flush()


cdef void send_fault(ExchangeState exchange, int fault, int status) noexcept:
    """Answer with the fault's status, its reason in words, and Proxy-Status (RFC 9209)."""
    cdef Worker worker = exchange.worker
    cdef unsigned int count = 0
    cdef char* body = worker.value(2048)
    cdef char* told = worker.value(512)
    cdef int size
    cdef int length
    cdef str rule
    cdef bytes name
    if status == 0:
        status = fault_status(fault)
    if body == NULL or told == NULL:
        send_reply(exchange, status, NULL, 0, 0, True)
        return
    size = snprintf(body, 1024, "%d %s\n%s\n", status, reasons[status].text, texts[fault].sentence)
    if fault == FAULT_DENIED and exchange.service.access is not None:
        # the operator's name of the rule, so that a user can say what stopped him
        rule = ""
        if exchange.rule >= 0:
            rule = exchange.service.access.names[exchange.rule] or f"number {exchange.rule + 1}"
        name = f"rule: {rule or 'none allows it'}\n".encode("utf-8", "replace")[:200]
        memcpy(body + size, <const char*>name, <size_t>len(name))
        size += <int>len(name)
    if exchange.id_length and size < 900:
        memcpy(body + size, b"request id: ", 12)
        memcpy(body + size + 12, exchange.id, exchange.id_length)
        size += 12 + <int>exchange.id_length
        body[size] = 10
        size += 1
    add_field(exchange, &count, b"Content-Type", 12, b"text/plain; charset=utf-8", 25)
    if texts[fault].token[0]:
        length = snprintf(
            told, 512, "%s; error=%s; details=\"%s\"",
            <const char*>exchange.service.via if len(exchange.service.via) else KEPT_NAME, texts[fault].token,
            texts[fault].label,
        )
        add_field(exchange, &count, b"Proxy-Status", 12, told, <size_t>length)
    if status == 405:
        add_field(exchange, &count, b"Allow", 5, b"GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH", 51)
    send_reply(exchange, status, body, <size_t>size, count, fault < 30 and fault != FAULT_METHOD)
