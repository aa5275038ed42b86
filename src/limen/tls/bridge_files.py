"""The files that bridging names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.bridge import BridgeAuthority


def authorities_of(config: Config) -> tuple[BridgeAuthority, ...]:
    """The authorities of all bridging listeners, each once."""
    found = [
        listener.forward.bridge.authority
        for listener in config.listeners
        if listener.forward is not None and listener.forward.bridge is not None
    ]
    return tuple({authority.certificate: authority for authority in found}.values())
