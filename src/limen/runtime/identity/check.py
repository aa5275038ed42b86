"""A service that is asked by HTTP: credentials in `Authorization`, the answer in its status and fields."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from typing import Literal

import aiohttp

from limen.egress.fetching import Unusable, open_session, pieces
from limen.egress.resolver import Resolver
from limen.exchange.identity import Credentials
from limen.runtime.identity.provider import Found, Proof, ProviderFailed

_LARGEST = 1 << 20
_REFUSING = (401, 403)
_LONGEST_NAME = 256


class CheckProvider:
    """Asks the service for each credentials that are not known. `names`: the resolver in force."""

    def __init__(
        self, url: str, *, names: Callable[[], Resolver], timeout: float, ca: str | None, name: str, groups: str
    ) -> None:
        self._url = url
        self._names = names
        self._timeout = timeout
        self._ca = ca
        self._name = name
        self._groups = groups

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        return bool(credentials.scheme)

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider."""
        try:
            async with (
                open_session(self._names(), trust=_trust(self._ca), timeout=self._timeout) as session,
                session.get(
                    self._url, headers={"Authorization": _field(credentials)}, allow_redirects=False
                ) as response,
            ):
                status, fields = response.status, response.headers
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ProviderFailed(f"{self._url}: {str(error) or type(error).__name__}") from None
        if status in _REFUSING:
            return None
        if not 200 <= status < 300:
            raise ProviderFailed(f"{self._url}: status {status}")
        name = fields.get(self._name, "").strip() or credentials.name
        if not name or len(name) > _LONGEST_NAME:
            raise ProviderFailed(f"{self._url}: the answer has no {self._name}")
        groups = (group.strip() for group in fields.get(self._groups, "").split(","))
        return Found(name, tuple(group for group in groups if group), evidence=self._url)

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. The service would have to be shown the credentials, which are not kept."""
        return proof.groups if proof.evidence == self._url else None


async def fetched(url: str, *, names: Callable[[], Resolver], timeout: float, ca: str | None) -> bytes:
    """The content behind a URL, 1 MiB at most. Raises ProviderFailed."""
    try:
        async with (
            open_session(names(), trust=_trust(ca), timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise ProviderFailed(f"{url}: status {response.status}")
            return b"".join([piece async for piece in pieces(response, _LARGEST)])
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, Unusable) as error:
        raise ProviderFailed(f"{url}: {str(error) or type(error).__name__}") from None


def _trust(ca: str | None) -> ssl.SSLContext | Literal[True]:
    return ssl.create_default_context(cafile=ca) if ca is not None else True


def _field(credentials: Credentials) -> str:
    if credentials.scheme == "basic":
        pair = f"{credentials.name}:{credentials.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")
    scheme = "Bearer" if credentials.scheme == "bearer" else credentials.scheme
    return f"{scheme} {credentials.token}"
