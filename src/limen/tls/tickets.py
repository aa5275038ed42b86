"""Session ticket keys: rings that turn, the same for all workers, kept in memory alone.

    next ----> encrypts ----> redeems ----> redeems ----> redeems ----> forgotten
          L/3           L/3           L/3           L/3           L/3          (L: lifetime)

A ticket lives for L at most, its key encrypts for L/3 and redeems for L more. The next key is with the workers before
any of them encrypts with it: none meets a ticket that it cannot redeem. Keys from a file do not turn.
"""

from __future__ import annotations

import base64
import binascii
import os
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config.models.tls import Tickets

KEY_SIZE = 80
"""Bytes of a key: 16 name, 32 HMAC, 32 AES-256."""
MOST = 8
"""Keys of a ring at most."""
_TURNS = 3
# Behind the next and the encrypting one: for L after the last ticket, which is _TURNS turns.
_REDEEMING = _TURNS


@dataclass(frozen=True, slots=True, repr=False)
class RingSetting:
    """What a listener wants: keys that turn within `lifetime` seconds, or those given."""

    lifetime: float
    keys: tuple[bytes, ...] = ()


def ring_name(tickets: Tickets) -> str:
    """Listeners with the same setting share a ring; this is its name."""
    return f"file {tickets.file}" if tickets.file is not None else f"made {tickets.lifetime:g}"


def parse_keys(content: bytes) -> tuple[bytes, ...]:
    """The keys of a ticket file: raw one after the other, or a line of base64 each. Raises ValueError."""
    keys = _from_base64(content)
    if keys is None:
        if not content or len(content) % KEY_SIZE:
            raise ValueError(f"holds {len(content)} bytes, not 1 to {MOST} keys of {KEY_SIZE} bytes")
        keys = [content[start : start + KEY_SIZE] for start in range(0, len(content), KEY_SIZE)]
    if not 1 <= len(keys) <= MOST:
        raise ValueError(f"holds {len(keys)} keys; 1 to {MOST} can be used")
    if len({key[:16] for key in keys}) != len(keys):
        raise ValueError("holds two keys of one name (their first 16 bytes)")
    return tuple(keys)


def _from_base64(content: bytes) -> list[bytes] | None:
    try:
        keys = [base64.b64decode(line, validate=True) for line in content.split() if line]
    except (binascii.Error, ValueError):
        return None
    return keys if keys and all(len(key) == KEY_SIZE for key in keys) else None


@dataclass(slots=True, repr=False)
class _Ring:
    setting: RingSetting
    following: bytes = b""
    keys: list[bytes] = field(default_factory=list)
    """The encrypting one, then older ones."""
    turned: float = 0.0

    @property
    def due(self) -> float:
        return self.turned + self.setting.lifetime / _TURNS

    def turn(self, now: float) -> None:
        # after a long sleep: all that would have been forgotten meanwhile is
        missed = min(int((now - self.turned) / (self.setting.lifetime / _TURNS)), _REDEEMING + 2)
        for _ in range(missed):
            self.keys = [self.following, *self.keys][: 1 + _REDEEMING]
            self.following = os.urandom(KEY_SIZE)
        self.turned = now

    def shown(self) -> tuple[bytes, ...]:
        if self.setting.keys:
            return self.setting.keys
        return self.keys[0], self.following, *self.keys[1:]


class Rings:
    """All rings of an instance by their names. `clock` counts seconds, the same in a successor process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rings: dict[str, _Ring] = {}

    def want(self, settings: Mapping[str, RingSetting]) -> None:
        """Makes what is missing, and takes the keys that are given; others stay."""
        for name, setting in settings.items():
            ring = self._rings.get(name)
            if ring is not None:
                ring.setting = setting
            elif setting.keys:
                self._rings[name] = _Ring(setting)
            else:
                self._rings[name] = _Ring(setting, os.urandom(KEY_SIZE), [os.urandom(KEY_SIZE)], self._clock())

    def keep(self, settings: Mapping[str, RingSetting]) -> None:
        """As `want`, and forgets all others."""
        self.want(settings)
        self._rings = {name: self._rings[name] for name in settings}

    def turn(self) -> None:
        """Turns those whose time has come."""
        now = self._clock()
        for ring in self._rings.values():
            if not ring.setting.keys and now >= ring.due:
                ring.turn(now)

    def until_due(self) -> float | None:
        """Seconds to the next turn; None when no ring turns."""
        due = [ring.due for ring in self._rings.values() if not ring.setting.keys]
        return max(0.0, min(due) - self._clock()) if due else None

    def keys(self) -> dict[str, tuple[bytes, ...]]:
        """What workers get: by name, the encrypting key first."""
        return {name: ring.shown() for name, ring in self._rings.items()}

    def dump(self) -> bytes:
        """Everything, for the successor of a handover: never to be written to a disk."""
        return pickle.dumps(
            {
                name: (ring.setting.lifetime, ring.setting.keys, ring.following, ring.keys, ring.turned)
                for name, ring in self._rings.items()
            }
        )

    def load(self, dumped: bytes) -> None:
        """Goes on with what the predecessor dumped."""
        for name, (lifetime, given, *rest) in pickle.loads(dumped).items():  # noqa: S301 our own predecessor's
            self._rings[name] = _Ring(RingSetting(lifetime, given), *rest)
