"""What the supervisor holds for the revision in force: its sockets, its slots, the revision itself.

An estate is immutable. A reload makes its successor, which shares the sockets of unchanged listeners; either the
successor replaces it in one step, or what was newly bound is closed and nothing has happened.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from limen.config.revision import digest_of
from limen.runtime.databases import NO_DATABASES, Databases
from limen.runtime.identity_files import NO_IDENTITY_FILES, IdentityFiles
from limen.runtime.names import CAPACITY, ENDPOINT, endpoint_name, slot_names
from limen.runtime.revision import ListenerPlace, Revision
from limen.runtime.slots import SlotBook
from limen.runtime.sockets import BindError, ListenerSockets, describe, listen_all, listen_one, make_transparent
from limen.tls.material import NO_MATERIAL, Material

if TYPE_CHECKING:
    from limen.config import Config


@dataclass(frozen=True, slots=True)
class AdminSocket:
    """The bound TCP or unix socket of the admin address; `key` is the address as configured."""

    key: str
    socket: socket.socket

    @property
    def address(self) -> str:
        """As bound, with the chosen port."""
        return describe(self.socket)


@dataclass(frozen=True, slots=True)
class Estate:
    """See the head of this file."""

    revision: Revision
    listeners: Mapping[str, ListenerSockets]
    admin: AdminSocket | None
    slots: SlotBook
    workers: int
    databases: Databases = NO_DATABASES

    def descriptors_for(self, worker: int, keys: Iterable[str]) -> tuple[list[str], list[int]]:
        """Keys and descriptors, pairwise, that a worker is told to listen on."""
        pairs = [
            (key, sock.fileno())
            for key in keys
            for sock in self.listeners[key].for_worker(worker, workers=self.workers)
        ]
        return [key for key, _ in pairs], [fd for _, fd in pairs]

    def open(self, keys: Iterable[str], *, worker: int | None = None) -> None:
        """Lets connections in to these listeners, on all sockets or on those of one worker. Raises BindError."""
        for key in keys:
            listener = self.listeners[key]
            mine = listener.sockets if worker is None else listener.for_worker(worker, workers=self.workers)
            listener.open(mine)

    def close(self, *, unlink: bool) -> None:
        """Closes every socket of the supervisor; `unlink` also removes the paths of unix sockets."""
        for listener in self.listeners.values():
            listener.close(unlink=unlink)
        if self.admin is not None:
            self.admin.socket.close()


@dataclass(frozen=True, slots=True)
class Steering:
    """What steers exchanges beside the configuration: what signs cookies without a key, where and who clients are."""

    secret: bytes = field(default=b"", repr=False)
    databases: Databases = NO_DATABASES
    identity_files: IdentityFiles = NO_IDENTITY_FILES


NO_STEERING = Steering()


@dataclass(slots=True)
class Inheritance:
    """Sockets passed on by the predecessor of a handover; what an estate takes is removed."""

    listeners: dict[str, list[socket.socket]] = field(default_factory=dict)
    admin: dict[str, socket.socket] = field(default_factory=dict)

    def close_rest(self) -> None:
        """Closes what nobody took: listeners that the new configuration no longer has."""
        for sock in [*(sock for group in self.listeners.values() for sock in group), *self.admin.values()]:
            sock.close()
        self.listeners.clear()
        self.admin.clear()


class _Binding:
    """The sockets of an estate in the making; `undo` closes what was newly bound."""

    def __init__(self, previous: Estate | None, inheritance: Inheritance, workers: int) -> None:
        self._previous = previous
        self._inheritance = inheritance
        self._workers = workers
        self._new: list[ListenerSockets | AdminSocket] = []
        held = list(previous.listeners.values()) if previous else []
        self._own_ports = {listener.address.port for listener in held}

    def listener(self, key: str, config: Config, index: int) -> ListenerSockets:
        made = self._listener(key, config, index)
        forward = config.listeners[index].forward
        if forward is not None and forward.transparent == "tproxy":
            make_transparent(made)
        return made

    def _listener(self, key: str, config: Config, index: int) -> ListenerSockets:
        if self._previous is not None and key in self._previous.listeners:
            return self._previous.listeners[key]
        inherited = self._inheritance.listeners.pop(key, [])
        made = listen_all(
            key, config.listeners[index].bind, workers=self._workers, inherited=inherited, own_ports=self._own_ports
        )
        self._own_ports.add(made.address.port)
        if not inherited:
            self._new.append(made)
        return made

    def admin(self, config: Config) -> AdminSocket | None:
        if config.admin is None:
            return None
        key = str(config.admin.bind)
        if self._previous is not None and self._previous.admin is not None and self._previous.admin.key == key:
            return self._previous.admin
        inherited = self._inheritance.admin.pop(key, None)
        made = AdminSocket(key, inherited or listen_one(config.admin.bind))
        if inherited is None:
            self._new.append(made)
        return made

    def undo(self) -> None:
        for made in self._new:
            if isinstance(made, ListenerSockets):
                made.close(unlink=True)
            else:
                made.socket.close()


def establish(  # noqa: PLR0913 what an estate is made of, by name
    config: Config,
    *,
    number: int,
    workers: int,
    base: str,
    previous: Estate | None = None,
    inheritance: Inheritance | None = None,
    material: Material = NO_MATERIAL,
    written: Config | None = None,
    steering: Steering = NO_STEERING,
) -> Estate:
    """Binds, numbers and composes the estate of a configuration; `material` is what its TLS needs, already read.

    `written` is the configuration without what was discovered, whose digest tells revisions apart.
    Raises BindError or SlotsExhausted; then nothing new is open, and `previous` is as it was.
    """
    binding = _Binding(previous, inheritance or Inheritance(), workers)
    try:
        keys = listener_keys(config)
        listeners = {key: binding.listener(key, config, index) for index, key in enumerate(keys)}
        admin = binding.admin(config)
        book = previous.slots if previous else SlotBook()
        slots = book.planned(slot_names(config), capacity=CAPACITY, now=time.monotonic())
        places = tuple(ListenerPlace(key, index, str(listeners[key].address)) for index, key in enumerate(keys))
        own = [place.address for place in places] + ([admin.address] if admin else [])
        digest = digest_of(written or config)[:12]
        revision = Revision(
            number,
            config,
            places,
            slots.active,
            tuple(own),
            base,
            material,
            digest,
            steering.secret,
            steering.databases.digests,
            steering.identity_files.contents,
        )
    except BaseException:
        binding.undo()
        raise
    return Estate(revision, listeners, admin, slots, workers, steering.databases)


def changed(previous: Estate, config: Config, names: Iterable[str]) -> Estate:
    """The estate whose configuration has other endpoints in the named upstreams, and differs in nothing else.

    Raises SlotsExhausted.
    """
    gone: list[str] = []
    come: list[str] = []
    for name in names:
        before = _endpoint_names(name, previous.revision.config)
        after = _endpoint_names(name, config)
        gone += before - after
        come += sorted(after - before)
    slots = previous.slots.exchanged(ENDPOINT, gone=gone, come=come, capacity=CAPACITY[ENDPOINT], now=time.monotonic())
    revision = replace(previous.revision, number=previous.revision.number + 1, config=config, slots=slots.active)
    return replace(previous, revision=revision, slots=slots)


def _endpoint_names(upstream: str, config: Config) -> set[str]:
    return {endpoint_name(upstream, endpoint.address) for endpoint in config.upstreams[upstream].endpoints}


def abandon(successor: Estate, *, previous: Estate) -> None:
    """Closes what only the successor holds: it will not come into force."""
    _close_difference(successor, previous)


def retire(previous: Estate, *, successor: Estate) -> None:
    """Closes what only the previous estate held."""
    _close_difference(previous, successor)


def _close_difference(estate: Estate, other: Estate) -> None:
    for key, listener in estate.listeners.items():
        if key not in other.listeners:
            listener.close(unlink=True)
    if estate.admin is not None and (other.admin is None or other.admin.key != estate.admin.key):
        estate.admin.socket.close()


def listener_keys(config: Config) -> Sequence[str]:
    """One key per listener, in order: its address as configured. Port 0 may occur several times."""
    keys: list[str] = []
    for listener in config.listeners:
        key = bind = str(listener.bind)
        count = 1
        while key in keys:
            if listener.bind.port or listener.bind.path:
                raise BindError(f"two listeners have the address {bind}")
            count += 1
            key = f"{bind}#{count}"
        keys.append(key)
    return keys
