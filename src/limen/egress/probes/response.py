"""Reading a probe's response: the head, and as much of the content as is looked at. Everything is bounded."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

HEAD_MOST = 32 * 1024
"""Bytes of a head."""
CONTENT_MOST = 64 * 1024
"""Bytes of content that are read."""
_INTERIM_MOST = 16
_START = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


class NoResponse(Exception):
    """What came is no response; the text says why."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response, as far as probes look at it."""

    status: int
    fields: tuple[tuple[str, str], ...]
    content: bytes = b""

    def all_of(self, name: str) -> list[str]:
        """The values of a field, in any case of its name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]


async def read_response(reader: asyncio.StreamReader, *, method: str, content: bool) -> Response:
    """The next response that is not interim; its content only if asked for. Raises NoResponse or OSError."""
    for _ in range(_INTERIM_MOST):
        response = parse_head(await _head(reader))
        if response.status >= 200:
            break
    else:
        raise NoResponse("nothing but interim responses")
    if not content or method == "HEAD" or response.status in (204, 304):
        return response
    return Response(response.status, response.fields, await _content(reader, response))


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise NoResponse("closed in the middle of a head" if error.partial else "closed without an answer") from None
    except asyncio.LimitOverrunError:
        raise NoResponse("no end of the head within 32 KiB") from None


def parse_head(head: bytes) -> Response:
    """Status and fields. Raises NoResponse."""
    start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    found = _START.fullmatch(start)
    if found is None:
        raise NoResponse("what came is not HTTP/1")
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise NoResponse("a malformed field")
        fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return Response(int(found[1]), tuple(fields))


async def _content(reader: asyncio.StreamReader, response: Response) -> bytes:
    """Up to CONTENT_MOST bytes; what ends early is as long as it is."""
    if any("chunked" in value.lower() for value in response.all_of("transfer-encoding")):
        return await _chunks(reader)
    length = (response.all_of("content-length") or [""])[0]
    return await _at_most(reader, min(int(length), CONTENT_MOST) if length.isdecimal() else CONTENT_MOST)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while len(content) < CONTENT_MOST:
        try:
            line = _CHUNK.fullmatch(await reader.readuntil(b"\r\n"))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            line = None
        if line is None:
            raise NoResponse("a malformed chunk")
        size = int(line[1], 16)
        if size == 0:
            break
        content += await _at_most(reader, min(size, CONTENT_MOST - len(content)))
        if len(content) < CONTENT_MOST:
            await _at_most(reader, 2)
    return content


async def _at_most(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        return error.partial
