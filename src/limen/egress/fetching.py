"""HTTP that Limen speaks on its own behalf: for lists, endpoints and identities. The one place that sets a client up.

Names go to the resolver of the configuration and to nobody else. No proxy of the environment is used, since it could
be this one; no cookies are kept. Callers do not follow redirects: what they send is for whom the configuration names.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from typing import Literal

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from limen.egress.resolver import Resolver

_READ_SIZE = 256 * 1024


class Unusable(Exception):
    """An answer that is not what was asked for."""


def open_session(
    names: Resolver, *, trust: ssl.SSLContext | Literal[True] = True, timeout: float | None = None
) -> aiohttp.ClientSession:
    """A client that has a connection of its own for each request.

    `trust`: whom to believe; by default the authorities that the system had when this process began, which takes
    nothing to read. `timeout` of a whole exchange in seconds. The resolver stays the caller's.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Names(names), ssl=trust, force_close=True),
        headers={"Accept-Encoding": "identity", "User-Agent": "limen"},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout),
        trust_env=False,
    )


async def pieces(answer: aiohttp.ClientResponse, most: int, key: str = "") -> AsyncIterator[bytes]:
    """The content as it comes. Raises Unusable when it is compressed, or has over `most` bytes, by the key `key`."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise Unusable("the answer is compressed, which was not asked for")
    size = 0
    async for piece in answer.content.iter_chunked(_READ_SIZE):
        size += len(piece)
        if size > most:
            raise Unusable(f"the answer is larger than {most} bytes" + (f" (`{key}`)" if key else ""))
        yield piece


class _Names(AbstractResolver):
    """Our resolver for aiohttp."""

    def __init__(self, names: Resolver) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host)
        if not found.addresses:
            raise OSError(None, f"{host} has no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found.addresses
        ]

    async def close(self) -> None:
        """The resolver is its owner's."""
