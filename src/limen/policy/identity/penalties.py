"""How failed attempts are slowed down: per client address and per name, in bounded memory.

    none --(FREE failures)--> 0.25 s --(each further one)--> twice as long, up to a bound --(FORGET s of quiet)--> none

A penalty is a wait before the next attempt is looked at, whether that will be right or not: nothing is told by it, and
a guesser gets one attempt in that time. A name's bound is small: who guesses at a name must not lock its owner out.
Credentials that are known already are not asked for here at all. Clients are counted by address (of IPv6 the /64), an
identity never is.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address

FREE = 3
"""Failures that cost nothing: people mistype."""
FIRST = 0.25
CLIENT_MOST = 10.0
NAME_MOST = 2.0
FORGET = 300.0
"""Seconds after the last failure in which they are remembered."""
ROWS = 10_000
"""Clients, and names, that are remembered; beyond, who failed least recently is forgotten."""
WAITING = 4
"""Attempts of one client that may wait at a time; further ones are refused at once."""


@dataclass(slots=True)
class _Row:
    failures: int = 0
    last: float = 0.0


class _Ledger:
    def __init__(self, most: float) -> None:
        self._most = most
        self._rows: OrderedDict[str, _Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def failures(self, key: str, now: float) -> int:
        row = self._rows.get(key)
        if row is None:
            return 0
        if now - row.last > FORGET:
            del self._rows[key]
            return 0
        return row.failures

    def penalty(self, key: str, now: float) -> float:
        over = self.failures(key, now) - FREE
        return 0.0 if over < 0 else min(FIRST * 2.0 ** min(over, 20), self._most)

    def fail(self, key: str, now: float) -> None:
        before = self.failures(key, now)
        self._rows[key] = _Row(before + 1, now)
        self._rows.move_to_end(key)
        if len(self._rows) > ROWS:
            self._rows.popitem(last=False)

    def forgive(self, key: str) -> None:
        self._rows.pop(key, None)


class Penalties:
    """Of one worker. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._clients = _Ledger(CLIENT_MOST)
        self._names = _Ledger(NAME_MOST)
        self._waiting: dict[str, int] = {}

    def before(self, client: str, name: str, now: float) -> float:
        """Seconds to wait before an attempt is looked at."""
        return max(self._clients.penalty(_network(client), now), self._names.penalty(name, now) if name else 0.0)

    def enter(self, client: str) -> bool:
        """One more attempt of this client waits; False if too many do."""
        key = _network(client)
        count = self._waiting.get(key, 0)
        if count >= WAITING:
            return False
        self._waiting[key] = count + 1
        return True

    def leave(self, client: str) -> None:
        """It waits no more."""
        key = _network(client)
        count = self._waiting.get(key, 0)
        if count > 1:
            self._waiting[key] = count - 1
        else:
            self._waiting.pop(key, None)

    def failed(self, client: str, name: str, now: float) -> int:
        """An attempt was wrong; how many of this client were in a row."""
        key = _network(client)
        self._clients.fail(key, now)
        if name:
            self._names.fail(name, now)
        return self._clients.failures(key, now)

    def succeeded(self, client: str, name: str) -> None:
        """An attempt was right: the name is forgiven. The client is not: it could be right with a name of its own
        between guesses at others.
        """
        del client
        if name:
            self._names.forgive(name)

    @property
    def rows(self) -> int:
        """How many are remembered."""
        return len(self._clients) + len(self._names)


def _network(client: str) -> str:
    if ":" not in client:
        return client
    address = ip_address(client.partition("%")[0])
    return address.exploded[:19]
