"""Keys behind a URL: fetched when first needed, again after a while, and for a token that names a key not yet known.

A fetch that fails leaves the keys that are known, for as long as there are none better.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from limen.policy.identity.passwords import FileRefused
from limen.runtime.identity.bearer import KeySet
from limen.runtime.identity.provider import ProviderFailed

if TYPE_CHECKING:
    import jwt

Fetch = Callable[[], Awaitable[bytes]]
"""The content behind the URL. Raises ProviderFailed."""

# Seconds between two fetches for keys that are not known: tokens with made-up names of keys must not become requests.
_PAUSE = 10.0
_log = logging.getLogger("limen.identity")


class FetchedKeys:
    """See Keys."""

    def __init__(self, fetch: Fetch, *, refresh: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._refresh = refresh
        self._clock = clock
        self._set: KeySet | None = None
        self._fetched = -1e9
        self._tried = -1e9
        self._lock = asyncio.Lock()

    async def find(self, identifier: str | None, kind: str) -> Sequence[jwt.PyJWK]:
        """See Keys."""
        if self._set is None or self._clock() - self._fetched >= self._refresh:
            await self._renew()
        found = self._matching(identifier, kind)
        if not found:
            await self._renew()
            found = self._matching(identifier, kind)
        return found

    def has(self, thumbprint: bytes) -> bool:
        """See Keys. As long as none were fetched nothing speaks against it."""
        return self._set is None or self._set.has(thumbprint)

    def _matching(self, identifier: str | None, kind: str) -> list[jwt.PyJWK]:
        return self._set.matching(identifier, kind) if self._set is not None else []

    async def _renew(self) -> None:
        began = self._tried
        async with self._lock:
            # who waited for the lock has got what another one fetched
            if self._tried == began and self._clock() - self._tried >= _PAUSE:
                self._tried = self._clock()
                try:
                    self._set = KeySet(await self._fetch())
                    self._fetched = self._clock()
                except (ProviderFailed, FileRefused) as error:
                    _log.warning("keys could not be fetched: %s", error)
        if self._set is None:
            raise ProviderFailed("there are no keys yet")
