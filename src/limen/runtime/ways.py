"""What a forward listener speaks beside HTTP, as arguments of the engine's Service."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from limen.config.addresses import parse_address
from limen.engine.pac import Pac
from limen.policy.pac import PATHS, pac_file, proxies_of

if TYPE_CHECKING:
    from limen.config.models.forward import Forward
    from limen.config.models.listeners import Listener

# engine/ways.pxd
_HTTP = 1 << 0
_TRANSPARENT = {None: 0, "redirect": 1, "tproxy": 2}


class WaysIn(TypedDict, total=False):
    """Those arguments; what is off is left out."""

    ways: int
    transparent: int
    bind_timeout: float
    relay_targets: int
    relay_size: int
    relay_idle: float
    pac: Pac


def ways_in(listener: Listener, forward: Forward, address: str) -> WaysIn:
    """For a listener that is bound to `address`."""
    made: WaysIn = {}
    if forward.transparent is not None:
        made["transparent"] = _TRANSPARENT[forward.transparent]
    if forward.pac is not None:
        proxies = proxies_of(listener, parse_address(address) if forward.pac.proxies is None else listener.bind)
        made["pac"] = Pac([path.encode() for path in PATHS], pac_file(forward.pac, proxies).encode("ascii"))
    socks = forward.socks
    if socks is None:
        return made
    made["ways"] = sum(1 << version for version in set(socks.versions)) | (0 if socks.only else _HTTP)
    if socks.bind is not None:
        made["bind_timeout"] = socks.bind.wait
    if socks.udp is not None:
        made["relay_targets"] = socks.udp.targets
        made["relay_size"] = socks.udp.largest
        made["relay_idle"] = socks.udp.idle
    return made
