"""Endpoints from a URL that is asked for again and again.

An answer is a list (200) or "as before" (304); every other one is a failure. Redirects are not followed: the bearer
token is for whom the configuration names.
"""

from __future__ import annotations

import asyncio
import random
import ssl

import aiohttp

from limen.config.listing import Listing
from limen.config.models.discover import HttpSource
from limen.egress.discovery.source import Found, SourceFailed
from limen.egress.fetching import Unusable, open_session, pieces
from limen.egress.resolver import Resolver
from limen.errors import ConfigErrors

_JITTER = 0.1
# Longest time between two requests to a source that fails, seconds, unless its interval is longer.
_PATIENCE = 60.0


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
        fields = {"Accept": "application/json"}
        if settings.token is not None:
            fields["Authorization"] = f"Bearer {settings.token}"
        if self._etag:
            fields["If-None-Match"] = self._etag
        again = settings.interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 spreads requests, no secret
        try:
            if self._session is None:
                # the authorities are read with every reload, and when they could not be read
                self._session = open_session(self._resolver, trust=ssl.create_default_context(cafile=settings.ca))
            async with (
                asyncio.timeout(settings.timeout),
                self._session.get(settings.url, headers=fields, allow_redirects=False) as answer,
            ):
                if answer.status == 304 and self._etag:
                    return Found(None, again)
                if answer.status != 200:
                    raise SourceFailed(f"the answer is {answer.status}")
                content = b"".join([piece async for piece in pieces(answer, settings.max)])
                etag = answer.headers.get("ETag", "")
        except TimeoutError:
            raise SourceFailed(f"no answer within {settings.timeout:g} s") from None
        except Unusable as error:
            raise SourceFailed(str(error)) from None
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

    async def close(self) -> None:
        """See Source."""
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()
