"""A name server's answers over HTTPS (RFC 8484), on h2's side of a server: what a test may set, and what it saw."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import cast

import dns.message
import h2.config
import h2.connection
import h2.events
import h2.settings

from tests.support.name_server import NameServer


@dataclass
class HttpsNames:
    """What all connections share. Streams that are `held` are answered in the opposite order, once there are two."""

    names: NameServer
    status: bytes = b"200"
    kind: bytes = b"application/dns-message"
    age: int | None = None
    hold: bool = False
    reset: bool = False
    leave: bool = False  # GOAWAY in the place of the next answer
    silent: bool = False  # not even SETTINGS
    garbage: bool = False
    padding: int = 0  # bytes more than an answer has
    streams: int = 100
    window: int = 65535
    connections: list[_Connection] = field(default_factory=list)
    fields: list[dict[bytes, bytes]] = field(default_factory=list)
    questions: list[bytes] = field(default_factory=list)
    most: int = 0  # streams open at a time
    port: int = 0

    async def start(self, context: ssl.SSLContext, *, http2: bool = True) -> asyncio.Server:
        """Serves on 127.0.0.1."""
        context.set_alpn_protocols(["h2"] if http2 else ["http/1.1"])
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        return server


class _Connection(asyncio.Protocol):
    def __init__(self, server: HttpsNames) -> None:
        self.server = server
        self.over = asyncio.Event()
        self.changed = asyncio.Event()  # a stream was given up
        self.open: dict[int, bytearray] = {}
        self.rest: dict[int, bytes] = {}
        self.held: list[tuple[int, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.connections.append(self)
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self.http.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.server.streams,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.server.window,
            },
        )
        if self.server.garbage:
            self.transport.write(b"\x00" * 64)
        elif not self.server.silent:
            self.http.initiate_connection()
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()

    def data_received(self, data: bytes) -> None:
        if self.server.silent or self.server.garbage:
            return
        for event in self.http.receive_data(data):
            match event:
                case h2.events.RequestReceived():
                    self.open[event.stream_id] = bytearray()
                    self.server.most = max(self.server.most, len(self.open))
                    self.server.fields.append(dict(event.headers))
                case h2.events.DataReceived():
                    self.open[event.stream_id] += event.data
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded():
                    self.asked(event.stream_id, bytes(self.open[event.stream_id]))
                case h2.events.WindowUpdated():
                    self.go_on()
                case h2.events.StreamReset():
                    self.open.pop(event.stream_id, None)
                    self.rest.pop(event.stream_id, None)
                    self.changed.set()
        self.flush()

    def asked(self, stream: int, query: bytes) -> None:
        server = self.server
        server.questions.append(query)
        if server.leave:
            server.leave = False
            self.http.close_connection()
            self.flush()
            self.transport.close()
            return
        if server.reset:
            self.http.reset_stream(stream)
            self.open.pop(stream)
            return
        response = server.names.answer(dns.message.from_wire(query))
        if response is None:
            return
        self.held.insert(0, (stream, response.to_wire(max_size=65535) + bytes(server.padding)))
        if not server.hold or len(self.held) == 2:
            for at, wire in self.held:
                self.answer(at, wire)
            self.held.clear()

    def answer(self, stream: int, wire: bytes) -> None:
        fields = [(b":status", self.server.status), (b"content-type", self.server.kind)]
        if self.server.age is not None:
            fields.append((b"age", b"%d" % self.server.age))
        self.http.send_headers(stream, fields)
        self.rest[stream] = wire
        self.go_on()

    def go_on(self) -> None:
        """Sends what the client's windows let through."""
        for stream in list(self.rest):
            wire = self.rest[stream]
            size = self.http.max_outbound_frame_size
            while wire and (size := min(size, self.http.local_flow_control_window(stream))):
                self.http.send_data(stream, wire[:size])
                wire = wire[size:]
            self.rest[stream] = wire
            if not wire:
                self.http.end_stream(stream)
                del self.rest[stream], self.open[stream]

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.http.data_to_send())
