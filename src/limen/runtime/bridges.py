"""The bridges of one revision: what equals the predecessor's is the predecessor's, so that its connections live on.

What bridging needs is imported when the first listener bridges: nobody else loads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from limen.egress.resolver import Resolver
from limen.engine.lists import AddressList
from limen.observe.discretion import Discretion
from limen.runtime.contexts import NO_KEY_LOG, KeyLog, TicketHold
from limen.runtime.icap import Adapters
from limen.tls.material import NO_MATERIAL, Material

if TYPE_CHECKING:
    from limen.config.models.forward import Forward
    from limen.engine.bridged import Bridge
    from limen.engine.capture import Capture
    from limen.engine.host_lists import HostList
    from limen.runtime.bridging import Gate
    from limen.tls.material import BridgeMaterial
    from limen.tls.pinning import Learnt


def _nobody(_key: str, _host: str, _client: str, _alert: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a revision is built into, beside the engine."""

    tickets: TicketHold = field(default_factory=TicketHold)
    start: Callable[[Coroutine[object, object, None]], object] = asyncio.ensure_future
    """Runs a coroutine as a task of the worker."""
    rejected: Callable[[str, str, str, str], None] = _nobody
    """Hears of rejected leaves: listener key, host, client, alert."""
    discretion: Callable[[], Discretion] = Discretion
    """How the event log names clients and targets at the moment."""
    key_log: KeyLog = NO_KEY_LOG
    lists: Mapping[str, AddressList | HostList] = field(default_factory=dict)
    """Lists by their source (SharedList.source)."""
    adapters: Adapters = field(default_factory=Adapters)
    """Services of content."""
    captures: Mapping[str, Capture] = field(default_factory=dict)
    """What records exchanges, by name."""
    names: Callable[[], Resolver] = Resolver
    """Whom services that Limen asks itself are looked up by, at the moment."""


@dataclass(frozen=True, slots=True)
class _Held:
    forward: Forward
    material: BridgeMaterial | None
    bridge: Bridge
    gate: Gate
    lists: Mapping[str, HostList]
    """Those that its rules name."""


class Bridges:
    """By listener key."""

    def __init__(
        self,
        material: Material = NO_MATERIAL,
        previous: Bridges | None = None,
        surroundings: Surroundings | None = None,
        lists: Mapping[str, AddressList | HostList] | None = None,
    ) -> None:
        """`lists`: those of the configuration, by name."""
        self._lists = lists or {}
        self._material = material
        self._previous = previous
        self.surroundings = surroundings or Surroundings()
        self.held: dict[str, _Held] = {}

    def settled(self) -> None:
        """Lets go of the predecessor, once the revision is complete."""
        self._previous = None

    def keeps(self, key: str, forward: Forward | None, index: int) -> bool:
        """Whether the listener of this key (number `index` now) treats TLS in tunnels exactly as it did before."""
        return not _looks(forward) or self._kept(key, forward, index) is not None

    def _kept(self, key: str, forward: Forward | None, index: int) -> _Held | None:
        if self._previous is None or self._previous.surroundings.key_log != self.surroundings.key_log:
            return None
        before = self._previous.held.get(key)
        if before is None or forward is None or before.material != self._material.bridges.get(index):
            return None
        if before.lists != self._named(forward):
            return None
        return (
            before if (before.forward.bridge, before.forward.fronting) == (forward.bridge, forward.fronting) else None
        )

    def _named(self, forward: Forward) -> dict[str, HostList]:
        """The lists of names that the rules of a bridge name."""
        used = {name for _, names in forward.bridge.uses_of_lists() for name in names} if forward.bridge else set[str]()
        return {name: one for name, one in self._lists.items() if name in used and not isinstance(one, AddressList)}

    def bridge(self, key: str, forward: Forward, index: int) -> Bridge | None:
        """The engine's bridge of a listener; None where tunnels are opaque. Raises ConfigError."""
        if not _looks(forward):
            return None
        held = self._kept(key, forward, index) or self._made(key, forward, index)
        self.held[key] = held
        return held.bridge

    def _made(self, key: str, forward: Forward, index: int) -> _Held:
        from limen.runtime.bridging import make_bridge

        material = self._material.bridges.get(index)
        lists = self._named(forward)
        bridge, gate = make_bridge(key, f"listeners[{index}].forward", forward, material, self.surroundings, lists)
        return _Held(forward, material, bridge, gate, lists)

    def adopt(self, pins: Mapping[str, Sequence[Learnt]]) -> None:
        """Hosts that were learnt to pin, by listener key, pass from now on."""
        for key, learnt in pins.items():
            if key in self.held:
                self.held[key].gate.adopt(learnt)


def _looks(forward: Forward | None) -> bool:
    return forward is not None and (forward.bridge is not None or forward.refuses_fronting)
