# What hooks see and do, in terms of the parked exchange. A changed head is written out and parsed
# again by the parser that reads clients and origins: a hook can make nothing that a client could not.

import asyncio

from limen.errors import BodyTooLarge, BodyTruncated

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free

from limen.engine.addresses cimport client_text, parse_authority
from limen.engine.attempts cimport drop_origin
from limen.engine.connection cimport Connection
from limen.engine.copies cimport copy_head, hold_head
from limen.engine.exchange cimport Exchange
from limen.engine.http1.parse cimport parse_request, parse_response
from limen.engine.parked cimport want_body
from limen.engine.replies cimport add_field, add_strict_transport, send_reply
from limen.engine.routing cimport revise
from limen.engine.state cimport PHASE_HOOK, PHASE_REPLY, PHASE_RESPONSE_HOOK
from limen.engine.steering cimport facts_of_place
from limen.engine.sys cimport monotonic
from limen.engine.tls.facts cimport Facts, facts_of
from limen.engine.tls.session cimport Session
from limen.engine.types cimport FRAMING_LENGTH, FRAMING_NONE, METHOD_HEAD, Field, Head, HeadLimits

# Never taken from a hook's field list: they belong to the connection and the framing.
_ENGINES = frozenset(
    (
        "host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "upgrade",
        "trailer", "expect",
    )
)


cdef inline bint status_has_no_content(int status) noexcept nogil:
    return status == 204 or status == 304


cdef object text(const char* base, size_t at, size_t size):
    return base[at:at + size].decode("latin-1")


cdef list fields_of(const char* base, const Field* fields, unsigned int count):
    cdef unsigned int i
    return [
        (
            text(base, fields[i].name, fields[i].name_length),
            text(base, fields[i].value, fields[i].value_length),
        )
        for i in range(count)
    ]


cdef bytes head_lines(list fields, set skip):
    return b"".join(
        f"{name}: {value}\r\n".encode("latin-1") for name, value in fields if name.lower() not in skip
    )


cdef class ExchangeHandle:
    """One parked exchange. After its end everything written is ignored and reads raise LookupError."""

    def __init__(self, Exchange exchange not None):
        self.exchange = exchange

    cdef Exchange live(self):
        if self.exchange is None or self.exchange.finished:
            raise LookupError("the exchange has ended")
        return self.exchange

    @property
    def is_response(self) -> bool:
        """Whether it is parked with a response."""
        return self.live().phase == PHASE_RESPONSE_HOOK

    @property
    def hooks(self) -> list[object]:
        """What the action has for the phase it is parked in."""
        cdef Exchange exchange = self.live()
        if exchange.phase == PHASE_RESPONSE_HOOK:
            return exchange.action.response_hooks
        return exchange.action.request_hooks

    def keep_state(self, state: object) -> None:
        """Keep an object with the exchange; its ended() is called when the exchange ends."""
        self.live().hook_state = state

    @property
    def state(self) -> object:
        """What keep_state() kept, or None."""
        return self.live().hook_state

    def client(self) -> tuple[str, int]:
        cdef Exchange exchange = self.live()
        return client_text(&exchange.peer), exchange.peer.port

    def tls(self):
        """What is known of the client's TLS; None without."""
        cdef Session tls = (<Connection>self.live().client).tls
        cdef Facts facts
        if tls is None:
            return None
        facts = facts_of(tls)
        if facts is None:
            raise MemoryError
        return (
            facts.version.decode(), facts.cipher.decode(), facts.server_name.decode("latin-1"),
            facts.protocol.decode("latin-1"), facts.resumed, "" if tls.ja4 is None else tls.ja4.decode("latin-1"),
            (
                facts.subject.decode("utf-8", "replace"), facts.issuer.decode("utf-8", "replace"),
                facts.serial.decode(), facts.fingerprint.decode(),
                facts.names.decode("utf-8", "replace").splitlines(), facts.certificate,
            ) if facts.presented else None,
        )

    def place(self) -> tuple[str, str, int, str] | None:
        """Country, continent, AS number and region of the client; None where nothing is known."""
        facts = facts_of_place(self.live())
        return facts[:4] if facts is not None else None

    def identity(self) -> tuple[str, tuple[str, ...]] | None:
        cdef Exchange exchange = self.live()
        return None if exchange.identity is None else (exchange.identity.name, exchange.identity.groups)

    def names(self) -> tuple[str, str]:
        cdef Exchange exchange = self.live()
        return exchange.service.name, ("" if exchange.service.routes is None else exchange.action.name)

    def target(self) -> tuple[str, int] | None:
        cdef Exchange exchange = self.live()
        if exchange.upstream is not None:
            return None
        return exchange.host.name[:exchange.host.name_length].decode("ascii"), exchange.host.port

    def request_head(self) -> tuple[str, str, str, str, list[tuple[str, str]]]:
        cdef Exchange exchange = self.live()
        cdef Head* head = &exchange.head
        if head.authority_length:
            authority = text(exchange.base, head.authority, head.authority_length)
        else:
            authority = text(exchange.base, head.host, head.host_length)
        return (
            text(exchange.base, 0, head.method_length), text(exchange.base, head.target, head.target_length), authority,
            "1.1" if head.minor else "1.0", fields_of(exchange.base, exchange.fields, head.count),
        )

    def response_head(self) -> tuple[int, str, list[tuple[str, str]]]:
        cdef Exchange exchange = self.live()
        cdef Head* head = &exchange.response_head
        return (
            head.status, "1.1" if head.minor else "1.0",
            fields_of(exchange.response_base, exchange.response_fields, head.count),
        )

    async def read_body(self, limit: int) -> bytes:
        future = asyncio.get_running_loop().create_future()
        self.collect(limit, lambda content: future.done() or future.set_result(content))
        content = await future
        if content is None:
            if self.exchange is None or self.exchange.finished:
                raise LookupError("the exchange has ended")
            if self.exchange.fault:
                raise BodyTruncated("the content ended before it was whole")
            raise BodyTooLarge(f"the content has more than {limit} bytes")
        return content

    def collect(self, limit: int, waiter: object) -> None:
        """Have `waiter` called with the whole content, or None if it is longer than `limit` or breaks off."""
        cdef Exchange exchange = self.live()
        want_body(exchange, <uint64_t>limit, waiter)
        exchange.worker.flush()

    def replace_request(
        self, method: str, target: str, authority: str, fields: list[tuple[str, str]] | None
    ) -> None:
        cdef Exchange exchange = self.exchange
        cdef Head* head
        cdef list lines
        cdef bytes raw
        if exchange is None or exchange.finished or exchange.phase != PHASE_HOOK:
            return
        head = &exchange.head
        lines = fields_of(exchange.base, exchange.fields, head.count)
        if target.lower().startswith(("http://", "https://")):
            scheme, _, rest = target.partition("://")
            at = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
            target = f"{scheme}://{authority}{rest[at:]}"
        raw = f"{method} {target} HTTP/1.1\r\nHost: {authority or 'localhost'}\r\n".encode("latin-1")
        raw += head_lines(lines if fields is None else fields, set(_ENGINES))
        # framing and hop-by-hop stay as the client sent them
        raw += head_lines([line for line in lines if line[0].lower() in _ENGINES], {"host"})
        self.parse_new_request(raw + b"\r\n")

    cdef int parse_new_request(self, bytes raw) except -1:
        cdef Exchange exchange = self.exchange
        cdef int minor = exchange.head.minor
        cdef HeadLimits limits = exchange.service.limits
        cdef int result
        cdef int fault
        limits.line = 65535
        limits.fields = 65535
        limits.count = 256
        limits.allow_underscore = True
        if len(raw) > 65535:
            raise ValueError("the request head has outgrown 65535 bytes")
        result = parse_request(raw, len(raw), &limits, &exchange.worker.head, exchange.worker.parsed)
        if result <= 0:
            raise ValueError(f"the changed request head is malformed (fault {-result})")
        if copy_head(exchange, raw) < 0:
            raise MemoryError
        exchange.head.minor = <uint8_t>minor
        free(exchange.normal)
        exchange.normal = NULL
        fault = revise(exchange)
        if fault:
            raise ValueError(f"the changed request cannot be forwarded (fault {fault})")
        return 0

    def replace_response(self, status: int, fields: list[tuple[str, str]] | None) -> None:
        cdef Exchange exchange = self.exchange
        cdef Head* head
        cdef list lines
        cdef bytes raw
        if exchange is None or exchange.finished or exchange.phase != PHASE_RESPONSE_HOOK:
            return
        head = &exchange.response_head
        lines = fields_of(exchange.response_base, exchange.response_fields, head.count)
        reason = text(exchange.response_base, head.reason, head.reason_length) if status == head.status else ""
        raw = f"HTTP/1.1 {status} {reason}\r\n".encode("latin-1")
        raw += head_lines(lines if fields is None else fields, set(_ENGINES))
        self.parse_new_response(raw + b"\r\n")

    cdef int parse_new_response(self, bytes raw) except -1:
        cdef Exchange exchange = self.exchange
        cdef Head old = exchange.response_head
        cdef HeadLimits limits = exchange.service.limits
        cdef int result
        limits.line = 65535
        limits.fields = 65535
        limits.count = 256
        limits.allow_underscore = True
        if len(raw) > 65535:
            raise ValueError("the response head has outgrown 65535 bytes")
        result = parse_response(
            raw, len(raw), &limits, exchange.head.method, &exchange.worker.head, exchange.worker.parsed
        )
        if result <= 0:
            raise ValueError(f"the changed response head is malformed (fault {-result})")
        if hold_head(exchange, &exchange.worker.head, exchange.worker.parsed, raw) < 0:
            raise MemoryError
        # the content that follows is still framed as it came
        if status_has_no_content(exchange.response_head.status):
            if old.framing != FRAMING_NONE and exchange.head.method != METHOD_HEAD:
                exchange.replace_content(NULL, 0)
            old.framing = FRAMING_NONE
        elif old.framing == FRAMING_NONE and exchange.head.method != METHOD_HEAD:
            # a status without content has become one with
            old.framing = FRAMING_LENGTH
            old.length = 0
        exchange.response_head.framing = old.framing
        exchange.response_head.length = old.length
        exchange.response_head.flags = old.flags
        return 0

    def set_target(self, host: str, port: int) -> None:
        cdef Exchange exchange = self.exchange
        cdef bytes authority
        if exchange is None or exchange.finished or exchange.phase != PHASE_HOOK:
            return
        if exchange.bridged is not None:
            # anywhere else its content would go unsealed, to somebody whom nobody has verified
            raise ValueError("a bridged request goes to the origin that was verified; reply or redirect instead")
        authority = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode("ascii")
        if parse_authority(authority, len(authority), 0, &exchange.host) < 0:
            raise ValueError(f"{host!r} is no host")
        exchange.upstream = None
        exchange.endpoint = None
        exchange.looking = False
        exchange.pinned = True

    def set_body(self, body: bytes) -> None:
        cdef Exchange exchange = self.exchange
        if exchange is None or exchange.finished:
            return
        if exchange.phase == PHASE_RESPONSE_HOOK and status_has_no_content(exchange.response_head.status):
            return
        exchange.replace_content(body, len(body))

    def reply(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        cdef Exchange exchange = self.exchange
        cdef unsigned int count = 0
        cdef list kept = []
        cdef bytes name_bytes
        cdef bytes value_bytes
        if exchange is None or exchange.finished:
            return
        for name, value in fields[:200]:
            if name.lower() in _ENGINES or name.lower() in ("date", "server"):
                continue
            name_bytes = name.encode("latin-1")
            value_bytes = value.encode("latin-1")
            kept.append((name_bytes, value_bytes))
            add_field(
                exchange, &count, <const char*>name_bytes, <size_t>len(name_bytes), <const char*>value_bytes,
                <size_t>len(value_bytes),
            )
        if not any(name.lower() == "strict-transport-security" for name, _ in fields):
            add_strict_transport(exchange, &count)
        exchange.parked = False
        drop_origin(exchange)
        exchange.phase = PHASE_REPLY
        exchange.worker.values_used = 0
        send_reply(exchange, status, <const char*>body, <size_t>len(body), count, False)
        # the bytes of fields and body are ours: they go out before we let go of them
        exchange.worker.flush()
        exchange.finish()

    def conclude(self, fault: int) -> None:
        """The hooks have ended: go on (0), or answer with this fault."""
        cdef Exchange exchange = self.exchange
        if exchange is None or exchange.finished or not exchange.parked:
            return
        exchange.worker.now = monotonic()
        if fault:
            exchange.hook_failed(fault)
        else:
            exchange.hooks_done()
        exchange.worker.flush()

    def let_go(self) -> None:
        """Drop the exchange: it has ended."""
        self.exchange = None
