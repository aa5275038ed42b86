# Responses made here. Their texts come from limen.faults once, at import; the rest is laid out in
# the worker's scratch, so that a flood of refused requests costs no Python.

from libc.stdint cimport uint16_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset

from limen.engine.admission cimport add_limit_fields, retry_after
from limen.engine.effects cimport RuleEffect
from limen.engine.identifying cimport add_challenges, add_told_back
from limen.engine.recording cimport record_reply
from limen.engine.service cimport Action
from limen.engine.showing cimport Shown, lay_page
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutField, OutHead
from limen.engine.types cimport (
    FAULT_COUNT,
    FAULT_DENIED,
    FAULT_HOST,
    FAULT_IDENTITY,
    FAULT_IDENTITY_PROVIDER,
    FAULT_IDENTITY_SHED,
    FAULT_IDENTITY_SLOWED,
    FAULT_INTERNAL,
    FAULT_LIMIT_CONCURRENT,
    FAULT_LIMIT_RATE,
    FAULT_MAINTENANCE,
    FAULT_MEMORY,
    FAULT_METHOD,
    FAULT_MISDIRECTED,
    FAULT_NONE,
    FAULT_QUOTA,
    FAULT_SHED,
    FIELD_AUTHORIZATION,
    FIELD_COOKIE,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_RETRY_AFTER,
    FORM_ASTERISK,
    FRAMING_LENGTH,
    FRAMING_NONE,
    METHOD_HEAD,
    METHOD_OPTIONS,
    Field,
    Head,
)
from limen.engine.worker cimport OUT_FIELDS, Worker

import re
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
cdef object PLACEHOLDERS = re.compile(rb"(\{(?:host|hostname|path|query)\})")


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
    if exchange.told_back is not None:
        add_told_back(exchange, &count, status)
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
    if exchange.recording is not None:
        record_reply(exchange, head, body, size)
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
    cdef bint close
    cdef Shown shown
    cdef RuleEffect effect = None
    cdef bytes rule = b""
    cdef bytes name
    if status == 0:
        status = fault_status(fault)
    if fault == FAULT_IDENTITY and exchange.demand is not None:
        status = exchange.demand.status
    if body == NULL or told == NULL:
        send_reply(exchange, status, NULL, 0, 0, True)
        return
    size = snprintf(body, 1024, "%d %s\n%s\n", status, reasons[status].text, texts[fault].sentence)
    if fault == FAULT_DENIED and exchange.service.access is not None:
        # the operator's name of the rule, so that a user can say what stopped him
        if exchange.rule >= 0:
            if exchange.service.access.effects is not None:
                effect = exchange.service.access.effects[exchange.rule]
            rule = (exchange.service.access.names[exchange.rule] or f"number {exchange.rule + 1}").encode()[:100]
        name = b"rule: " + (rule or b"none allows it") + b"\n"
        memcpy(body + size, <const char*>name, <size_t>len(name))
        size += <int>len(name)
    if exchange.refusing is not None and (
        fault == FAULT_LIMIT_RATE or fault == FAULT_LIMIT_CONCURRENT or fault == FAULT_QUOTA
    ):
        name = b"limit: " + exchange.refusing.label + b"\n"
        memcpy(body + size, <const char*>name, <size_t>len(name))
        size += <int>len(name)
    if exchange.id_length and size < 900:
        memcpy(body + size, b"request id: ", 12)
        memcpy(body + size + 12, exchange.id, exchange.id_length)
        size += 12 + <int>exchange.id_length
        body[size] = 10
        size += 1
    if effect is not None and effect.location is not None and not exchange.is_connect:
        # elsewhere instead of a refusal; what answers CONNECT no client follows
        status = 302
        try:
            name = fill_location(exchange, effect.location)
        except Exception as error:
            exchange.worker.tell(40, f"rule {effect.name}: redirect failed: {error!r}")
            name = b""
        if name:
            add_field(exchange, &count, b"Location", 8, <const char*>name, <size_t>len(name))
    if lay_page(exchange, status, reasons[status].text, False, &shown):
        add_field(exchange, &count, b"Content-Type", 12, shown.content_type, shown.type_size)
        body = <char*>shown.body
        size = <int>shown.size
    else:
        add_field(exchange, &count, b"Content-Type", 12, b"text/plain; charset=utf-8", 25)
    if texts[fault].token[0]:
        length = snprintf(
            told, 512, "%.200s; error=%s; details=\"%s%s%s\"",
            <const char*>exchange.service.via if len(exchange.service.via) else KEPT_NAME, texts[fault].token,
            texts[fault].label, b"; rule=" if rule else b"", <const char*>rule,
        )
        add_field(exchange, &count, b"Proxy-Status", 12, told, <size_t>length)
    if (
        fault == FAULT_LIMIT_RATE or fault == FAULT_LIMIT_CONCURRENT or fault == FAULT_MAINTENANCE
        or fault == FAULT_QUOTA
    ):
        add_shield_fields(exchange, fault, &count)
    if fault == FAULT_IDENTITY and exchange.demand is not None:
        add_challenges(exchange, &count)
    elif FAULT_IDENTITY_SLOWED <= fault <= FAULT_IDENTITY_SHED or fault == FAULT_IDENTITY_PROVIDER:
        add_field(exchange, &count, b"Retry-After", 11, b"5", 1)
    if fault == FAULT_SHED:
        # places come free with every answer
        add_field(exchange, &count, b"Retry-After", 11, b"1", 1)
    if status == 405:
        add_field(exchange, &count, b"Allow", 5, b"GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH", 51)
    add_strict_transport(exchange, &count)
    # the request was sound, only not for here: the connection may go on
    close = fault < 30 and fault != FAULT_METHOD and fault != FAULT_MISDIRECTED
    send_reply(exchange, status, body, <size_t>size, count, close)


cdef bint send_page(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept:
    """Answer with the page that stands for an origin's response of this status; False if there is none.

    What tells clients how to go on is the origin's all the same.
    """
    cdef Shown shown
    cdef unsigned int count = 0
    cdef const Field* field
    cdef int i
    exchange.worker.values_used = 0
    if head.status >= 600 or not lay_page(exchange, head.status, reasons[head.status].text, True, &shown):
        return False
    add_field(exchange, &count, b"Content-Type", 12, shown.content_type, shown.type_size)
    for i in range(head.count):
        field = &fields[i]
        if field.id == FIELD_RETRY_AFTER or is_kept(base + field.name, field.name_length):
            add_field(
                exchange, &count, base + field.name, field.name_length, base + field.value, field.value_length
            )
    if exchange.limit_told:
        add_limit_fields(exchange, &count, False)
    add_strict_transport(exchange, &count)
    send_reply(exchange, head.status, shown.body, shown.size, count, False)
    return True


cdef void add_strict_transport(ExchangeState exchange, unsigned int* count) noexcept:
    """What a listener with `hsts` says with all answers of its routes, in one of ours that stands for the route's."""
    cdef Action action = exchange.action
    cdef int i
    if action is None or action.reply is None:
        return
    for i in range(action.reply.set_count):
        if action.reply.sets[i].name_length == 25 and (
            memcmp(action.reply.sets[i].name, b"Strict-Transport-Security", 25) == 0
        ):
            add_field(
                exchange, count, action.reply.sets[i].name, 25, action.reply.sets[i].value,
                action.reply.sets[i].value_length,
            )


cdef bint is_kept(const char* name, size_t size) noexcept nogil:
    """WWW-Authenticate and Allow, in any case."""
    cdef const char* wanted = b"www-authenticate" if size == 16 else b"allow"
    cdef size_t i
    if size != 16 and size != 5:
        return False
    for i in range(size):
        if name[i] != wanted[i] and (name[i] ^ wanted[i]) != 32:
            return False
    return True


cdef void add_shield_fields(ExchangeState exchange, int fault, unsigned int* count) noexcept:
    """When to come back, and what was allowed."""
    cdef char* room = exchange.worker.value(24)
    cdef int size
    if room != NULL:
        size = retry_after(exchange, room)
        if size:
            add_field(exchange, count, b"Retry-After", 11, room, <size_t>size)
    if fault == FAULT_LIMIT_RATE:
        add_limit_fields(exchange, count, True)


cdef int send_last_hop(ExchangeState exchange) noexcept:
    cdef unsigned int count = 0
    cdef char* body
    cdef char* out
    cdef int i
    cdef const Field* field
    exchange.worker.values_used = 0
    if exchange.head.method == METHOD_OPTIONS:
        add_field(exchange, &count, b"Allow", 5, b"GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH", 51)
        send_reply(exchange, 200, NULL, 0, count, False)
        return FAULT_NONE
    # the request as received, without what identifies somebody (RFC 9110, 9.3.8)
    # ": " may be one byte longer than what came
    body = exchange.worker.value(exchange.head.size + exchange.head.count)
    if body == NULL:
        return FAULT_MEMORY
    out = body
    i = <int>(exchange.head.method_length + 1 + exchange.head.target_length)
    memcpy(out, exchange.base, <size_t>i)
    memcpy(out + i, b" HTTP/1.1\r\n", 11)
    out += i + 11
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id == FIELD_AUTHORIZATION or field.id == FIELD_COOKIE or field.id == FIELD_PROXY_AUTHORIZATION:
            continue
        memcpy(out, exchange.base + field.name, field.name_length)
        out += field.name_length
        memcpy(out, b": ", 2)
        memcpy(out + 2, exchange.base + field.value, field.value_length)
        memcpy(out + 2 + field.value_length, b"\r\n", 2)
        out += field.value_length + 4
    memcpy(out, b"\r\n", 2)
    out += 2
    add_field(exchange, &count, b"Content-Type", 12, b"message/http", 12)
    send_reply(exchange, 200, body, <size_t>(out - body), count, False)
    return FAULT_NONE


cdef int send_pac(ExchangeState exchange) noexcept:
    cdef bytes content = exchange.service.pac.content
    cdef unsigned int count = 0
    add_field(exchange, &count, b"Content-Type", 12, b"application/x-ns-proxy-autoconfig", 33)
    send_reply(exchange, 200, <const char*>content, <size_t>len(content), count, False)
    return FAULT_NONE


cdef int send_action(ExchangeState exchange) noexcept:
    cdef Action action = exchange.action
    cdef unsigned int count = 0
    cdef int i
    cdef bytes location
    exchange.worker.values_used = 0
    if action.location is not None:
        if exchange.host.name_length == 0 and b"{host" in action.location:
            # HTTP/1.0 without Host: there is no place to send it to
            return FAULT_HOST
        try:
            location = fill_location(exchange, action.location)
        except Exception as error:
            exchange.worker.tell(40, f"route {action.name}: redirect failed: {error!r}")
            return FAULT_INTERNAL
        add_field(exchange, &count, b"Location", 8, <const char*>location, <size_t>len(location))
    if action.reply is not None:
        for i in range(action.reply.set_count):
            add_field(
                exchange, &count, action.reply.sets[i].name, action.reply.sets[i].name_length,
                action.reply.sets[i].value, action.reply.sets[i].value_length,
            )
    if exchange.limit_told:
        add_limit_fields(exchange, &count, False)
    send_reply(exchange, action.status, <const char*>action.body, <size_t>len(action.body), count, False)
    return FAULT_NONE


cdef bytes fill_location(ExchangeState exchange, bytes template):
    """The redirect's place. What is filled in is never looked at for placeholders again."""
    cdef Head* head = &exchange.head
    cdef const char* path = exchange.path
    cdef size_t size = exchange.path_length
    cdef list pieces = PLACEHOLDERS.split(template)
    cdef bytes host
    if pieces[0] == b"":
        # at the start, "//other.example" would be read as a host
        while size > 1 and path[0] == 47 and (path[1] == 47 or path[1] == 92):
            path += 1
            size -= 1
    for i, piece in enumerate(pieces):
        if piece == b"{path}":
            # "OPTIONS *" asks about the host, whose URL has no path (RFC 9110, 9.3.7)
            pieces[i] = path[:size] if head.form != FORM_ASTERISK else b""
        elif piece == b"{hostname}":
            host = exchange.host.name[:exchange.host.name_length]
            pieces[i] = b"[" + host + b"]" if b":" in host else host
        elif piece == b"{query}":
            pieces[i] = exchange.base[head.query - 1:head.query + head.query_length] if head.has_query else b""
        elif piece == b"{host}":
            host = exchange.base[head.authority:head.authority + head.authority_length]
            pieces[i] = host or exchange.base[head.host:head.host + head.host_length]
    return b"".join(pieces)


cdef void send_established(ExchangeState exchange) noexcept:
    cdef OutHead* out = &exchange.worker.out_head
    memset(out, 0, sizeof(OutHead))
    exchange.worker.values_used = 0
    out.status = 200
    out.reason.data = b"Connection established"
    out.reason.length = 22
    out.fields = exchange.worker.out
    if exchange.told_back is not None:
        add_told_back(exchange, &out.count, 200)
    exchange.status = 200
    exchange.response_begun = True
    exchange.client.send_head(out)
