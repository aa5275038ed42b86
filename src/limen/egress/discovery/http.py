"""Endpoints from a URL that is asked for again and again; the only client of HTTP in the supervisor.

An answer is a list (200) or "as before" (304); every other one is a failure. Redirects are not followed: the bearer
token is for whom the configuration names.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from limen.config.listing import Listing
from limen.config.models.discover import HttpSource
from limen.egress.discovery.source import Found, SourceFailed
from limen.egress.resolver import Resolver
from limen.errors import ConfigErrors

_JITTER = 0.1
# Longest time between two requests to a source that fails, seconds, unless its interval is longer.
_PATIENCE = 60.0
_READ_SIZE = 64 * 1024


class PolledList:
    """One URL."""

    def __init__(self, settings: HttpSource, resolver: Resolver, listing: Listing) -> None:
        # what follows the question mark may be a secret
        self.text = f"http {settings.url.partition('?')[0]}"
        self.patience = max(_PATIENCE, settings.interval)
        self._settings = settings
        self._resolver = resolver
        self._listing = listing
        self._session: aiohttp.ClientSession | None = None
        self._etag = ""

    async def look(self) -> Found:
        """See Source."""
        settings = self._settings
        fields = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "limen"}
        if settings.token is not None:
            fields["Authorization"] = f"Bearer {settings.token}"
        if self._etag:
            fields["If-None-Match"] = self._etag
        again = settings.interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 spreads requests, no secret
        try:
            session = self._opened()
            async with (
                asyncio.timeout(settings.timeout),
                session.get(settings.url, headers=fields, allow_redirects=False) as answer,
            ):
                if answer.status == 304 and self._etag:
                    return Found(None, again)
                if answer.status != 200:
                    raise SourceFailed(f"the answer is {answer.status}")
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise SourceFailed("the answer is compressed, which was not asked for")
                content = await self._content(answer)
                etag = answer.headers.get("ETag", "")
        except TimeoutError:
            raise SourceFailed(f"no answer within {settings.timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceFailed(f"cannot be asked: {error}") from None
        try:
            # thousands of endpoints take a while
            endpoints = await asyncio.to_thread(self._listing.json, content)
        except ConfigErrors as errors:
            self._etag = ""
            raise SourceFailed(str(errors)) from None
        self._etag = etag
        return Found(endpoints, again)

    async def _content(self, answer: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for part in answer.content.iter_chunked(_READ_SIZE):
            content += part
            if len(content) > self._settings.max:
                raise SourceFailed(f"the answer is larger than {self._settings.max} bytes")
        return bytes(content)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # read with every reload, and when it could not be read
            trust = ssl.create_default_context(cafile=self._settings.ca)
            connector = aiohttp.TCPConnector(resolver=_Names(self._resolver), ssl=trust, force_close=True)
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    async def close(self) -> None:
        """See Source."""
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()


class _Names(AbstractResolver):
    """Our resolver for aiohttp."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host)
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
        """The resolver is closed with its source."""
