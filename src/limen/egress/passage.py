"""A connection by a way out, for what the supervisor and the command line try: the same steps as the engine's.

From a source, or hop by hop through parents: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, RFC 1929). Names are
resolved at the exit; the first parent's by us.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config.exits import ParentUrl
    from limen.config.models.egress import Egress, ParentWay, SourceWay
    from limen.egress.probes.question import Encryption

Resolve = Callable[[str], Awaitable[Sequence[str]]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: Bytes of an answer to CONNECT that are read.
ANSWER_MOST = 16384


class NotPassed(Exception):
    """The way does not lead there; the text says where it ends, without credentials."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One way out. Equal ones lead the same way."""

    hops: tuple[ParentUrl, ...] = ()
    sources: tuple[str, ...] = ()
    interface: str = ""
    mark: int = 0
    here: bool = False
    """Names are resolved here even though there are parents."""
    encryption: Encryption | None = field(default=None)
    """With the parents that are asked by TLS."""


def passage_of(egress: Egress, way: ParentWay | SourceWay, encryption: Encryption | None) -> Passage:
    """The way as configured."""
    return Passage(
        getattr(way, "hops", ()),
        tuple(str(network) for network in getattr(way, "addresses", ())),
        egress.interface or "",
        egress.mark or 0,
        egress.resolve == "here",
        encryption,
    )


async def open_by(passage: Passage, host: str, port: int, resolve: Resolve, *, limit: int = 65536) -> Streams:
    """A connection to `host` by this way. Raises NotPassed, OSError, ssl.SSLError."""
    if passage.here and passage.hops:
        host = (await _resolved(host, resolve))[0]
    first = (passage.hops[0].address.host, passage.hops[0].address.port) if passage.hops else (host, port)
    streams = await _dialled(passage, *first, resolve, limit)
    hop = None
    try:
        for number, hop in enumerate(passage.hops):
            last = number + 1 == len(passage.hops)
            after = (host, port) if last else _place(passage.hops[number + 1])
            if hop.encrypted:
                assert passage.encryption is not None  # noqa: S101 as the configuration has it
                name = passage.encryption.server_name or hop.address.host
                await streams[1].start_tls(passage.encryption.context, server_hostname=name)
            await _ask(hop, *after, *streams)
    except asyncio.IncompleteReadError as error:
        streams[1].transport.abort()
        raise NotPassed(f"{hop} closed the connection") from error
    except BaseException:
        streams[1].transport.abort()
        raise
    return streams


def _place(hop: ParentUrl) -> tuple[str, int]:
    return hop.address.host, hop.address.port


async def _resolved(host: str, resolve: Resolve) -> Sequence[str]:
    addresses = await resolve(host)
    if not addresses:
        raise NotPassed(f"{host} does not resolve")
    return addresses


async def _dialled(passage: Passage, host: str, port: int, resolve: Resolve, limit: int) -> Streams:
    failure: OSError | None = None
    for address in await _resolved(host, resolve):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        dialling = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            _leave_by(passage, dialling, family)
            await asyncio.get_running_loop().sock_connect(dialling, (address, port))
            return await asyncio.open_connection(sock=dialling, limit=limit)
        except OSError as error:
            dialling.close()
            failure = error
        except BaseException:
            dialling.close()
            raise
    assert failure is not None  # noqa: S101 there was an address
    raise failure


def _leave_by(passage: Passage, dialling: socket.socket, family: int) -> None:
    if passage.interface:
        dialling.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, passage.interface.encode())
    if passage.mark:
        dialling.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, passage.mark)
    if not passage.sources:
        return
    version = 6 if family == socket.AF_INET6 else 4
    for text in passage.sources:
        network = ipaddress.ip_network(text)
        if network.version == version:
            chosen = network[random.randrange(min(network.num_addresses, 1 << 62))]  # noqa: S311 no secret
            if network.num_addresses > 1:
                dialling.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
            dialling.bind((str(chosen), 0))
            return
    raise OSError(0, "no source of this family")


async def _ask(
    hop: ParentUrl, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if hop.kind == "http":
        await _connect(hop, host, port, reader, writer)
    else:
        await _socks(hop, host, port, reader, writer)


async def _connect(
    hop: ParentUrl, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if hop.user:
        credentials = base64.b64encode(f"{hop.user}:{hop.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    writer.write("\r\n".join([*lines, "", ""]).encode())
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise NotPassed(f"{hop} did not answer as a proxy does") from error
        words = head.split(b"\r\n", 1)[0].split(b" ", 2)
        if not words[0].startswith(b"HTTP/1.") or len(words) < 2 or len(words[1]) != 3 or not words[1].isdigit():
            raise NotPassed(f"{hop} did not answer as a proxy does")
        status = int(words[1])
        if status >= 200:
            break
    if status >= 300:
        raise NotPassed(f"{hop} answered {status}")


async def _socks(
    hop: ParentUrl, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(b"\x05\x02\x00\x02" if hop.user else b"\x05\x01\x00")
    version, method = await reader.readexactly(2)
    if version != 5 or method not in (0, 2, 255) or (method == 2 and not hop.user):
        raise NotPassed(f"{hop} did not answer as a proxy does")
    if method == 255:
        raise NotPassed(f"{hop} wants credentials, or others")
    if method == 2:
        user, password = hop.user.encode(), hop.password.encode()
        writer.write(bytes([1, len(user), *user, len(password), *password]))
        if (await reader.readexactly(2))[1]:
            raise NotPassed(f"{hop} does not take the credentials")
    writer.write(b"\x05\x01\x00" + _named(host) + port.to_bytes(2))
    version, reply, _, kind = await reader.readexactly(4)
    if version != 5 or (reply == 0 and kind not in (1, 3, 4)):
        raise NotPassed(f"{hop} did not answer as a proxy does")
    if reply:
        raise NotPassed(f"{hop} refused with code {reply}")
    await reader.readexactly((await reader.readexactly(1))[0] if kind == 3 else 4 if kind == 1 else 16)
    await reader.readexactly(2)


def _named(host: str) -> bytes:
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna") if not host.isascii() else host.encode()
        return bytes([3, len(name), *name])
    return bytes([1 if literal.version == 4 else 4, *literal.packed])
