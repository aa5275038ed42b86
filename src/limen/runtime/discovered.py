"""What discovery makes of a configuration: written and discovered endpoints as one list, and the lists kept on disk.

Pure but for `Kept`, which reads and writes the state directory.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from limen.config.listing import Listing
from limen.config.loops import own_listeners, serves
from limen.errors import ConfigErrors
from limen.tls.state import state_directory, write

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.addresses import Address
    from limen.config.models.upstreams import Endpoint, Upstream

_log = logging.getLogger("limen.supervisor")


def merged(written: Sequence[Endpoint], discovered: Iterable[Endpoint], *, ordered: bool) -> tuple[Endpoint, ...]:
    """One list without twins: the written ones first, and they win.

    Unless the order means something (`ordered`), the discovered ones come in one of their own: that a source turns its
    answers around is no change.
    """
    seen = {endpoint.address for endpoint in written}
    found = []
    for endpoint in discovered:
        if endpoint.address not in seen:
            seen.add(endpoint.address)
            found.append(endpoint)
    if not ordered:
        found.sort(key=lambda endpoint: (endpoint.address.host, endpoint.address.port))
    return (*written, *found)


def filled(upstream: Upstream, discovered: Sequence[Endpoint]) -> Upstream:
    """The upstream as it is put in force: with all its endpoints, and without a word of where they are from."""
    endpoints = merged(upstream.endpoints, discovered, ordered=upstream.balance.policy == "first")
    return upstream.model_copy(update={"endpoints": endpoints, "discover": None})


def loops(config: Config, upstream: str) -> str:
    """What is wrong if an endpoint of the upstream leads back to the listener that its exchanges come from; or ""."""
    binds: dict[int, list[Address]] = {}
    for listener in config.listeners:
        binds.setdefault(listener.bind.port, []).append(listener.bind)
    suspects = any(
        serves(bind, endpoint.address)
        for endpoint in config.upstreams[upstream].endpoints
        for bind in binds.get(endpoint.address.port, ())
    )
    if not suspects:
        return ""
    return next((finding.message for finding in own_listeners(config) if finding.path[1] == upstream), "")


def encode_list(endpoints: Sequence[Endpoint]) -> list[dict[str, object]]:
    """JSON-able, as Listing.plain takes it."""
    return [endpoint.model_dump(mode="json", exclude_defaults=True) for endpoint in endpoints]


class Kept:
    """The last good list of each upstream of one instance, in the state directory."""

    def __init__(self, instance: str, directory: Path | None = None) -> None:
        """`instance` tells instances apart that share the directory."""
        self._instance = instance
        self._directory = directory
        self._told = False

    def _path(self, upstream: str, source: str) -> Path:
        name = hashlib.sha256(f"{self._instance}\0{upstream}\0{source}".encode()).hexdigest()[:32]
        return (self._directory or state_directory()) / "discovery" / f"{name}.json"

    def read(self, upstream: str, source: str, *, most: int) -> tuple[Endpoint, ...] | None:
        """None if there is none, or none that can be used."""
        path = self._path(upstream, source)
        try:
            found = json.loads(path.read_bytes())
            if found["upstream"] != upstream or found["source"] != source:
                return None
            return Listing(str(path), most=most).plain(found["endpoints"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigErrors) as error:
            _log.warning("upstream %s: the list kept in %s cannot be used: %s", upstream, path, error)
            return None

    def write(self, upstream: str, source: str, endpoints: Sequence[Endpoint]) -> None:
        """Keeps a list; that it cannot be kept is told once."""
        content: Mapping[str, object] = {
            "upstream": upstream,
            "source": source,
            "endpoints": encode_list(endpoints),
        }
        try:
            write(self._path(upstream, source), json.dumps(content, indent=1).encode())
        except OSError as error:
            if not self._told:
                _log.warning("lists of endpoints cannot be kept for a restart: %s", error)
            self._told = True
