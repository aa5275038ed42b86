"""DNS over HTTPS (RFC 8484): each question a POST on a stream of its own, over HTTP/2, the RFC's least.

The only file that knows h2, which comes with the extra `doh`. No redirect is followed, no cookie kept, and no field
says more than the exchange needs (RFC 8484, section 8.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from limen.egress.sealed_line import LARGEST, Line, LineEnded, Malformed, NoAnswer, Reply

#: Questions under way on one connection, if the server allows as many streams.
MOST = 128
#: Bytes of a question at most: a name, EDNS, and padding to a multiple of 128.
_QUERY = 512
#: The media type of questions and answers.
MESSAGE = b"application/dns-message"


@dataclass(slots=True)
class _Incoming:
    """An answer of which some has come."""

    status: bytes = b""
    kind: bytes = b""
    age: int = 0
    content: bytearray = field(default_factory=bytearray)


class HttpsLine(Line):
    """A connection to the resource `path` of `authority`."""

    def __init__(self, idle: float, changed: Callable[[], None], *, authority: str, path: str) -> None:
        super().__init__(idle, changed)
        self._fields = [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", authority.encode()),
            (b":path", path.encode()),
            (b"accept", MESSAGE),
            (b"content-type", MESSAGE),
        ]
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self._http.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 16384,
            },
        )
        self._incoming: dict[int, _Incoming] = {}

    def _room(self) -> int:
        """None until the server has said what it takes, nor while it takes no content."""
        http = self._http
        if not self.heard or min(http.outbound_flow_control_window, http.remote_settings.initial_window_size) < _QUERY:
            return 0
        return min(MOST, http.remote_settings.max_concurrent_streams) - http.open_outbound_streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over; HTTP/2 begins."""
        super().connection_made(transport)
        encryption = transport.get_extra_info("ssl_object")
        if encryption is None or encryption.selected_alpn_protocol() != "h2":
            self.end("it does not speak HTTP/2")
            return
        self._http.initiate_connection()
        self._flush()

    def _send(self, query: bytes) -> int:
        try:
            stream: int = self._http.get_next_available_stream_id()
            self._http.send_headers(stream, [*self._fields, (b"content-length", b"%d" % len(query))])
            self._http.send_data(stream, query, end_stream=True)
        except h2.exceptions.ProtocolError as error:  # such as the last number of a stream
            self.end(str(error))
            raise LineEnded(self.ended) from error
        self._incoming[stream] = _Incoming()
        self._flush()
        return stream

    def _give_up(self, number: int) -> None:
        if self._incoming.pop(number, None) is not None:
            try:
                self._http.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.ProtocolError as error:
                self.end(str(error))
            self._flush()

    def _received(self, data: bytes) -> None:
        self.heard += 1
        try:
            for event in self._http.receive_data(data):
                self._happened(event)
        except h2.exceptions.ProtocolError as error:
            self._flush()  # which tells the server so
            raise Malformed(f"it does not keep to HTTP/2: {str(error) or type(error).__name__}") from None
        self._flush()
        self._changed()

    def _happened(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self._head(self._incoming.get(event.stream_id or 0), event.headers or [])
            case h2.events.DataReceived():
                self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
                incoming = self._incoming.get(event.stream_id or 0)
                if incoming is not None:
                    incoming.content += event.data or b""
                    if len(incoming.content) > LARGEST:
                        raise Malformed("it answers with more than a DNS message")
            case h2.events.StreamEnded():
                incoming = self._incoming.pop(event.stream_id or 0, None)
                if incoming is not None:
                    self._answer(event.stream_id or 0, _reply(incoming))
            case h2.events.StreamReset():
                self._incoming.pop(event.stream_id or 0, None)
                self._answer(event.stream_id or 0, NoAnswer(f"it has reset the stream ({event.error_code})"))
            case h2.events.ConnectionTerminated():
                # What is under way might still be answered, but h2 reads no further; all of it may be asked again.
                raise Malformed("it has ended the connection")

    @staticmethod
    def _head(incoming: _Incoming | None, fields: list[tuple[bytes, bytes]]) -> None:
        if incoming is None:
            return
        for name, value in fields:
            if name == b":status":
                incoming.status = value
            elif name == b"content-type":
                incoming.kind = value.partition(b";")[0].strip().lower()
            elif name == b"age" and value.isdigit():
                incoming.age = min(int(value[:10]), 1 << 31)

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _reply(incoming: _Incoming) -> Reply | NoAnswer:
    if incoming.status != b"200":
        return NoAnswer(f"it answers with status {incoming.status.decode('ascii', 'replace')}")
    if incoming.kind != MESSAGE:
        return NoAnswer("it answers with what is no DNS message")
    return Reply(bytes(incoming.content), incoming.age)
