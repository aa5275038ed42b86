"""The origin of `limen demo`: a small HTTP/1.1 server on plain asyncio, in a process of its own.

`/` says which origin it is, `/echo` what it received (JSON), `/slow?seconds=2` sends in pieces, `/large?bytes=10485760`
sends much. It is no example of a good server: it believes its clients, and listens on loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

_HEAD_LIMIT = 64 * 1024
_CONTENT_LIMIT = 16 * 1024 * 1024
_SHOWN = 64 * 1024
_LARGEST = 1024 * 1024 * 1024
_PIECE = b"The quick brown fox jumps over the lazy dog.\n" * 1456


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    method: str
    target: str
    version: str
    fields: list[tuple[str, str]]
    content: bytes

    def field(self, name: str) -> str:
        """The first value of a field, lower case; empty without."""
        return next((value.lower() for key, value in self.fields if key.lower() == name), "")

    def number(self, name: str, default: float, *, most: float) -> float:
        """A number from the query, bounded."""
        try:
            return max(0.0, min(most, float(parse_qs(urlsplit(self.target).query)[name][0])))
        except (KeyError, ValueError):
            return default


class Origin:
    """Answers connections; `name` is what it calls itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection until its end."""
        with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            while (request := await receive(reader)) is not None:
                await self._answer(request, writer)
                await writer.drain()
                if request.field("connection") == "close" or request.version == "HTTP/1.0":
                    break
        writer.close()

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> None:
        match urlsplit(request.target).path:
            case "/":
                text = f"This is {self.name}. Try /echo, /slow?seconds=2, /large?bytes=10485760.\n"
                self._send(writer, request, text.encode(), "text/plain; charset=utf-8")
            case "/echo":
                peer = writer.get_extra_info("peername")
                self._send(writer, request, self._echo(request, peer), "application/json")
            case "/slow":
                await self._slow(request, writer)
            case "/large":
                await self._large(request, writer)
            case path:
                self._send(writer, request, f"{self.name} has no {path}\n".encode(), "text/plain", "404 Not Found")

    def _send(
        self, writer: asyncio.StreamWriter, request: Received, content: bytes, kind: str, status: str = "200 OK"
    ) -> None:
        writer.write(self._head(status, kind, f"Content-Length: {len(content)}"))
        if request.method != "HEAD":
            writer.write(content)

    def _head(self, status: str, kind: str, framing: str) -> bytes:
        return f"HTTP/1.1 {status}\r\nServer: {self.name}\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n".encode()

    def _echo(self, request: Received, peer: tuple[object, ...]) -> bytes:
        described = {
            "origin": self.name,
            "method": request.method,
            "target": request.target,
            "fields": request.fields,
            "content": request.content[:_SHOWN].decode(errors="replace"),
            "content_bytes": len(request.content),
            "peer": f"{peer[0]}:{peer[1]}",
        }
        return (json.dumps(described, indent=2) + "\n").encode()

    async def _slow(self, request: Received, writer: asyncio.StreamWriter) -> None:
        seconds = request.number("seconds", 2.0, most=60.0)
        writer.write(self._head("200 OK", "text/plain", "Transfer-Encoding: chunked"))
        if request.method == "HEAD":
            return
        for piece in range(1, 11):
            await asyncio.sleep(seconds / 10)
            line = f"piece {piece} of 10 from {self.name}\n".encode()
            writer.write(b"%x\r\n%b\r\n" % (len(line), line))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def _large(self, request: Received, writer: asyncio.StreamWriter) -> None:
        left = int(request.number("bytes", 10 * 1024 * 1024, most=_LARGEST))
        writer.write(self._head("200 OK", "text/plain", f"Content-Length: {left}"))
        while left and request.method != "HEAD":
            piece = _PIECE[:left]
            writer.write(piece)
            await writer.drain()
            left -= len(piece)


async def receive(reader: asyncio.StreamReader) -> Received | None:
    """The next request, None at the end. Raises ValueError or EOFError for what is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = first.split(" ")
    pairs = [line.split(":", 1) for line in lines]
    fields = [(name, value.strip()) for name, value in pairs]
    request = Received(method, target, version, fields, b"")
    return Received(method, target, version, fields, await _content(request, reader))


async def _content(request: Received, reader: asyncio.StreamReader) -> bytes:
    if request.field("transfer-encoding") == "chunked":
        content = b""
        while size := int(await reader.readline(), 16):
            if len(content) + size > _CONTENT_LIMIT:
                raise ValueError("too large")
            content += await reader.readexactly(size)
            await reader.readline()
        while (await reader.readline()).strip():
            pass
        return content
    length = int(request.field("content-length") or 0)
    if length > _CONTENT_LIMIT:
        raise ValueError("too large")
    return await reader.readexactly(length)


async def _live(name: str, port: int) -> None:
    server = await asyncio.start_server(Origin(name).serve, "127.0.0.1", port, limit=_HEAD_LIMIT)
    # The parent waits for this line; port 0 took a free one.
    print(server.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        # Nobody is left to end us when the parent was killed.
        await asyncio.sleep(1.0)


def main(arguments: Sequence[str]) -> int:
    """`demo_origin NAME PORT`."""
    name, port = arguments
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_live(name, int(port)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
