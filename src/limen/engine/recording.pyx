# What is recorded are the messages as each side sent them: the client's request before hooks and edits, the origin's
# response before them, or what was answered here instead. Tunnels show nothing; of an upgrade there are both heads.

from libc.stdint cimport uint64_t

from limen.engine.addresses cimport format_ip
from limen.engine.capture cimport Capture, Recording, Side
from limen.engine.connection cimport Connection
from limen.engine.effects cimport RuleEffect
from limen.engine.state cimport PHASE_TUNNEL, ExchangeState
from limen.engine.stream cimport OutHead, Stream
from limen.engine.sys cimport monotonic, realtime
from limen.engine.types cimport FRAMING_LENGTH, Address, Field, Head


cdef list fields_of(const Head* head, const Field* fields, const char* base):
    cdef list found = []
    cdef int i
    for i in range(head.count):
        found.append((
            base[fields[i].name:fields[i].name + fields[i].name_length],
            base[fields[i].value:fields[i].value + fields[i].value_length],
        ))
    return found


cdef bytes text_of(const Address* address):
    cdef char text[64]
    cdef int size = format_ip(address, text)
    return text[:size] if size > 0 else b""


cdef bytes authority_of(ExchangeState exchange):
    """Whom the request is for, as the client wrote it; as it is known where it did not say."""
    cdef const Head* head = &exchange.head
    cdef bytes name
    if head.host_length:
        return exchange.base[head.host:head.host + head.host_length]
    if head.authority_length:
        return exchange.base[head.authority:head.authority + head.authority_length]
    name = exchange.host.name[:exchange.host.name_length]
    if b":" in name:
        name = b"[" + name + b"]"
    return name + b":" + str(exchange.host.port).encode() if name and exchange.host.port not in (80, 443) else name


cdef Recording new_recording(ExchangeState exchange, Capture capture):
    cdef Recording recording = Recording.__new__(Recording)
    cdef const Head* head = &exchange.head
    cdef Side side = Side.__new__(Side)
    side.fields = fields_of(head, exchange.fields, exchange.base)
    side.head_size = head.size
    recording.capture = capture
    recording.request = side
    side.weigh(capture, head.count)
    recording.method = exchange.base[:head.method_length]
    recording.target = exchange.base[head.target:head.target + head.target_length]
    recording.scheme = b"https" if exchange.bridged is not None else exchange.service.scheme
    recording.authority = authority_of(exchange)
    recording.minor = exchange.minor
    recording.reason = recording.server = recording.client = b""
    recording.id = exchange.id[:exchange.id_length].decode("latin-1")
    return recording


cdef void lose(ExchangeState exchange, Capture capture, object error) noexcept:
    exchange.recording = None
    capture.lose()
    exchange.worker.tell(40, f"capture {capture.name}: an exchange could not be recorded: {error!r}")


cdef void record_for(ExchangeState exchange, Capture capture) noexcept:
    if capture is None:
        exchange.recording = None
    elif exchange.recording is not None:
        exchange.recording.move(capture)
    elif capture.held >= capture.held_most:
        capture.lose()
    elif not exchange.is_connect and exchange.base != NULL:
        try:
            exchange.recording = new_recording(exchange, capture)
        except Exception as error:
            lose(exchange, capture, error)
            return
        if exchange.keep is not None and not exchange.replaced:
            # what came while a name was looked up; from the spool file nothing is read back
            exchange.recording.request.append(capture, exchange.keep.data, <size_t>exchange.keep.in_memory)
        exchange.recording.request.size = exchange.received


cdef inline Side side_of(ExchangeState exchange, Stream source):
    if source is exchange.client:
        return exchange.recording.request
    return exchange.recording.response if source is exchange.origin else None


cdef void record_content(ExchangeState exchange, Stream source, const char* data, size_t size) noexcept:
    cdef Side side = side_of(exchange, source)
    if side is not None and exchange.phase != PHASE_TUNNEL:
        side.append(exchange.recording.capture, data, size)


cdef void record_moved(ExchangeState exchange, Stream source, uint64_t size) noexcept:
    cdef Side side = side_of(exchange, source)
    if side is not None and exchange.phase != PHASE_TUNNEL:
        side.size += size


cdef bint records(ExchangeState exchange, Stream source) noexcept:
    cdef Side side = side_of(exchange, source)
    return side is not None and side.wants(exchange.recording.capture)


cdef void record_sent(ExchangeState exchange) noexcept:
    exchange.recording.sent_at = monotonic()


cdef void record_response(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept:
    cdef Recording recording = exchange.recording
    cdef Side side
    try:
        side = Side.__new__(Side)
        side.fields = fields_of(head, fields, base)
        side.head_size = head.size
        recording.reason = base[head.reason:head.reason + head.reason_length]
        recording.server = text_of(&(<Connection>exchange.origin).peer)
    except Exception as error:
        lose(exchange, recording.capture, error)
        return
    side.weigh(recording.capture, head.count)
    recording.status = head.status
    recording.response_minor = head.minor
    recording.response = side


cdef void record_reply(ExchangeState exchange, const OutHead* head, const char* body, size_t size) noexcept:
    cdef Recording recording = exchange.recording
    cdef Side side
    cdef unsigned int i
    if recording.response is not None:
        return
    try:
        side = Side.__new__(Side)
        side.fields = []
        for i in range(head.count):
            side.fields.append((
                head.fields[i].name[:head.fields[i].name_length], head.fields[i].value[:head.fields[i].value_length]
            ))
        if head.framing == FRAMING_LENGTH:
            side.fields.append((b"Content-Length", str(head.length).encode()))
        recording.reason = head.reason.data[:head.reason.length]
    except Exception as error:
        lose(exchange, recording.capture, error)
        return
    side.weigh(recording.capture, head.count)
    recording.status = head.status
    recording.response_minor = 1
    recording.response = side
    if size and not head.head_only:
        side.append(recording.capture, body, size)


cdef uint64_t since_start(ExchangeState exchange, uint64_t moment) noexcept:
    return moment - exchange.started if moment > exchange.started else 0


cdef void settle(ExchangeState exchange, Recording recording) except *:
    cdef uint64_t now = monotonic()
    recording.total = now - exchange.started
    recording.started = realtime() - recording.total
    recording.dial = exchange.dial_time
    recording.forwarded = since_start(exchange, exchange.forwarded_at)
    recording.sent = since_start(exchange, recording.sent_at)
    if exchange.response_time:
        recording.answered = recording.forwarded + exchange.response_time
    recording.client = text_of(&exchange.peer)
    recording.port = exchange.peer.port
    recording.told = exchange.status
    recording.fault = exchange.fault
    recording.attempts = exchange.attempts
    recording.tunnel = exchange.phase == PHASE_TUNNEL
    recording.listener = exchange.service.name
    recording.route = exchange.action.name if exchange.action is not None else ""
    recording.rule = recording.upstream = recording.endpoint = recording.egress = recording.user = ""
    if exchange.rule >= 0 and exchange.service.access.effects is not None:
        recording.rule = (<RuleEffect>exchange.service.access.effects[exchange.rule]).name
    if exchange.egress is not None:
        recording.egress = exchange.egress.name.decode()
    elif exchange.upstream is not None:
        recording.upstream = exchange.upstream.name.decode()
    if exchange.endpoint is not None:
        recording.endpoint = exchange.endpoint.label.decode()
    if exchange.identity is not None:
        recording.user = exchange.identity.name


cdef void hand_over(ExchangeState exchange) noexcept:
    cdef Recording recording = exchange.recording
    exchange.recording = None
    try:
        settle(exchange, recording)
        recording.capture.take(recording)
        # a task of the loop writes it
        exchange.worker.wake = True
    except Exception as error:
        lose(exchange, recording.capture, error)
