"""Hosts that pin: which of them pass instead of being bridged, because their clients accept one certificate only.

    known ----+                                  refused leaf (alert)
    named ----+--> pinned, unless must_bridge        |
    learnt ---+                                      v
      ^                                 evidence: times within `within`
      +---- `after` of them; for `keep` <------------+

Evidence is one client's alert that says "I do not trust this certificate". Everything is bounded, and the clock is
handed in.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from limen.config.hosts import HostSet, canonical

if TYPE_CHECKING:
    from limen.config.models.bridge import Learn, Pinned

REJECTIONS = frozenset({"unknown_ca", "bad_certificate", "certificate_unknown"})
"""Alerts by which a client says that it does not trust the leaf (RFC 8446, 6.2). Others may mean anything."""

ALERTS = {42: "bad_certificate", 46: "certificate_unknown", 48: "unknown_ca"}
"""Those alerts by their numbers, as they stand in the record."""

MOST_HOSTS = 4096
"""Hosts that are remembered, of each kind, at most: the oldest goes."""

_MOST_CLIENTS = 16


def known_hosts() -> tuple[str, ...]:
    """The patterns of the list in the package, in its order."""
    text = resources.files(__package__).joinpath("known_pins.txt").read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A host that was learnt to pin, for display and for other workers."""

    host: str
    clients: tuple[str, ...]
    """Clients that refused the leaf, at most 16."""
    alert: str
    """The last alert."""
    since: float
    """Unix time of the refusal that decided."""
    until: float
    """Unix time at which the host is bridged again."""


@dataclass(slots=True)
class _Evidence:
    times: deque[float]
    clients: OrderedDict[str, None] = field(default_factory=OrderedDict)


class Pinning:
    """The pinned hosts of one listener, in one worker. What was learnt can be taken over into a successor."""

    def __init__(
        self,
        *,
        known: Iterable[str] = (),
        hosts: Iterable[str] = (),
        must_bridge: Iterable[str] = (),
        learn: Learn | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._known = HostSet(known)
        self._named = HostSet(hosts)
        self._must = HostSet(must_bridge)
        self._learn = learn
        self._clock = clock
        self._evidence: OrderedDict[str, _Evidence] = OrderedDict()
        self._learnt: OrderedDict[str, Learnt] = OrderedDict()

    @classmethod
    def of(cls, pinned: Pinned, clock: Callable[[], float] = time.time) -> Pinning:
        """As the configuration says."""
        return cls(
            known=known_hosts() if pinned.known else (),
            hosts=pinned.hosts,
            must_bridge=pinned.must_bridge,
            learn=pinned.learn,
            clock=clock,
        )

    def must_bridge(self, host: str) -> bool:
        """Whether a host may never pass."""
        return host in self._must

    @property
    def has_must_bridge(self) -> bool:
        """Whether there are hosts that may never pass."""
        return bool(self._must)

    def why(self, host: str) -> str:
        """What pins a host: `known`, `hosts` or `learnt` (keys of `pinned`); empty if nothing does."""
        name = canonical(host)
        if self._must.has(name):
            return ""
        if self._named.has(name):
            return "hosts"
        if self._known.has(name):
            return "known"
        return "learnt" if self._is_learnt(name) else ""

    def is_pinned(self, host: str) -> bool:
        """Whether a host passes instead of being bridged."""
        return bool(self.why(host))

    def _is_learnt(self, name: str) -> bool:
        entry = self._learnt.get(name)
        if entry is None:
            return False
        if entry.until <= self._clock():
            del self._learnt[name]
            return False
        return True

    def note_rejection(self, host: str, client: str, alert: str) -> bool:
        """A client ended the handshake over our leaf with this alert; True if the host counts as pinned from now on.

        Other alerts than REJECTIONS are no evidence, and neither is anything about hosts that must be bridged.
        """
        name = canonical(host)
        if self._learn is None or alert not in REJECTIONS or not name or self.is_pinned(name) or self._must.has(name):
            return False
        now = self._clock()
        evidence = self._evidence.pop(name, None) or _Evidence(deque(maxlen=self._learn.after))
        self._evidence[name] = evidence
        while evidence.times and evidence.times[0] <= now - self._learn.within:
            evidence.times.popleft()
        evidence.times.append(now)
        evidence.clients.pop(client, None)
        evidence.clients[client] = None
        if len(evidence.clients) > _MOST_CLIENTS:
            evidence.clients.popitem(last=False)
        if len(evidence.times) < self._learn.after:
            _bound(self._evidence)
            return False
        del self._evidence[name]
        self._put(Learnt(name, tuple(evidence.clients), alert, now, now + self._learn.keep))
        return True

    def _put(self, entry: Learnt) -> None:
        self._learnt.pop(entry.host, None)
        self._learnt[entry.host] = entry
        _bound(self._learnt)

    def learnt(self) -> list[Learnt]:
        """What was learnt and still holds, the oldest first."""
        now = self._clock()
        return [entry for entry in self._learnt.values() if entry.until > now]

    def adopt(self, entries: Iterable[Learnt]) -> None:
        """Takes over what another worker or a predecessor learnt, unless nothing is to be learnt here.

        An entry never holds longer than `keep` from now.
        """
        if self._learn is None:
            return
        now = self._clock()
        for entry in entries:
            known = self._learnt.get(entry.host)
            until = min(entry.until, now + self._learn.keep)
            if until > now and not self._must.has(entry.host) and (known is None or known.until < until):
                self._put(Learnt(entry.host, entry.clients, entry.alert, entry.since, until))

    def forget(self, host: str) -> bool:
        """Bridges a learnt host again at once; False if it was not learnt."""
        name = canonical(host)
        self._evidence.pop(name, None)
        return self._learnt.pop(name, None) is not None


def _bound(entries: OrderedDict[str, Learnt] | OrderedDict[str, _Evidence]) -> None:
    while len(entries) > MOST_HOSTS:
        entries.popitem(last=False)
