"""Which hosts the clients of an instance have been seen to pin: learnt in one place for all workers.

Workers tell of every leaf that a client rejected; what is learnt from that goes back to all of them, and to each that
starts later. It lives through reloads and ends with the instance.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.runtime.estate import Estate
    from limen.tls.pinning import Learnt, Pinning


class Pins:
    """Of one instance, by listener key. Nothing is imported for it while no listener bridges."""

    def __init__(self) -> None:
        self._held: dict[str, Pinning] = {}
        self._names: dict[str, str] = {}

    def settle(self, estate: Estate) -> None:
        """This estate is in force: what its listeners have learnt goes on, where learning is still wanted."""
        before, self._held, self._names = self._held, {}, {}
        for place in estate.revision.listeners:
            listener = estate.revision.config.listeners[place.index]
            if listener.forward is None or listener.forward.bridge is None:
                continue
            from limen.tls.pinning import Pinning

            pinning = Pinning.of(listener.forward.bridge.pinned)
            if place.key in before:
                pinning.adopt(before[place.key].learnt())
            self._held[place.key] = pinning
            self._names[place.key] = listener.label

    def note(self, fields: Mapping[str, object]) -> bool:
        """A worker's word of a rejected leaf; True if that decided, so that all workers have to hear of it."""
        pinning = self._held.get(str(fields.get("key")))
        if pinning is None:
            return False
        return pinning.note_rejection(str(fields.get("host")), str(fields.get("client")), str(fields.get("alert")))

    @property
    def payload(self) -> bytes:
        """Of a `pins` message; empty as long as there is nothing to tell."""
        learnt = {key: pinning.learnt() for key, pinning in self._held.items()}
        return pickle.dumps(learnt, protocol=pickle.HIGHEST_PROTOCOL) if any(learnt.values()) else b""

    def report(self) -> list[dict[str, object]]:
        """For people: what was learnt and still holds, by listener."""
        return [
            {
                "listener": self._names[key],
                "host": one.host,
                "clients": list(one.clients),
                "alert": one.alert,
                "since": one.since,
                "until": one.until,
            }
            for key, pinning in self._held.items()
            for one in pinning.learnt()
        ]


def decode_pins(payload: bytes) -> Mapping[str, Sequence[Learnt]]:
    """Reverses `Pins.payload`."""
    pins: Mapping[str, Sequence[Learnt]] = pickle.loads(payload)  # noqa: S301 - from our own supervisor
    return pins
