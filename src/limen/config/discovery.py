"""Checks of discovery: what would give a secret away."""

from __future__ import annotations

from collections.abc import Iterator

from limen.config.addresses import parse_address
from limen.config.findings import Finding
from limen.config.models.root import Config


def plain_tokens(config: Config) -> Iterator[Finding]:
    """Bearer tokens that travel unsealed, but within this machine."""
    for name, upstream in config.upstreams.items():
        http = upstream.discover.http if upstream.discover is not None else None
        if http is None or http.token is None or http.url.startswith("https://"):
            continue
        authority = http.url.removeprefix("http://").partition("/")[0].partition("?")[0]
        if not parse_address(authority, default_port=80).is_loopback:
            path = ("upstreams", name, "discover", "http", "token")
            yield Finding(path, "the token is sent in the clear", "use https://", warning=True, key=True)
