"""Handover: a new supervisor, perhaps of a new version, takes over the listening sockets without a refused connection.

    old: starts the same command, passing its sockets, lock and one end of a socketpair ----+
    new: loads its configuration, starts its workers on those sockets --- "ready" --------> |
    old: closes its admin and control doors, drains --------------------- "released" -----> new: opens its own
    new ends or stays silent ---------> old goes on as if nothing had happened, and logs why

Both serve the same sockets in between; none is ever closed by both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from limen.errors import LimenError
from limen.runtime.estate import Estate, Inheritance
from limen.runtime.instance import Instance

VARIABLE = "LIMEN_HANDOVER"
# Seconds that a new supervisor may take from exec until all its workers accept.
TIMEOUT = 120.0


class HandoverFailed(LimenError):
    """The new supervisor did not get ready; the old one goes on."""


class Successor:
    """The old side: the process that is to take over."""

    def __init__(
        self,
        estate: Estate,
        instance: Instance,
        *,
        tickets: bytes = b"",
        discovered: bytes = b"",
        settings: Mapping[str, Mapping[str, object]] | None = None,
        secret: bytes = b"",
    ) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._sock = ours
        passed: list[int] = []

        def give(fd: int) -> int:
            passed.append(fd)
            return fd

        described = {
            "notify": give(theirs.fileno()),
            "lock": give(instance.lock),
            "control": {"path": str(instance.path), "fd": give(instance.socket.fileno())},
            "listeners": [
                {"key": key, "fd": give(sock.fileno())}
                for key, listener in estate.listeners.items()
                for sock in listener.sockets
            ],
            "admin": {"key": estate.admin.key, "fd": give(estate.admin.socket.fileno())} if estate.admin else None,
        }
        memory, lists = _memory(tickets), _memory(discovered)
        described["tickets"] = give(memory)
        described["discovered"] = give(lists)
        set_at_run_time = _memory(json.dumps(settings or {}).encode())
        described["settings"] = give(set_at_run_time)
        signing = _memory(secret)
        described["secret"] = give(signing)
        with theirs, os.fdopen(memory), os.fdopen(lists), os.fdopen(set_at_run_time), os.fdopen(signing):
            # The same command line: what is installed under its name now is what takes over.
            self._process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                pass_fds=passed,
                env={**os.environ, VARIABLE: json.dumps(described)},
            )
        self.pid = self._process.pid

    async def ready(self) -> None:
        """Waits until its workers accept. Raises HandoverFailed, with the process ended."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT):
                word = await loop.sock_recv(self._sock, 64)
        except (OSError, TimeoutError) as error:
            await self.abandon()
            raise HandoverFailed(f"the new process {self.pid} did not get ready: {type(error).__name__}") from error
        except asyncio.CancelledError:
            await self.abandon()
            raise
        if word != b"ready":
            # It is ending by itself, and its own status says more than our signal would.
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, 10.0)
            status = await self.abandon()
            raise HandoverFailed(f"the new process {self.pid} ended with status {status}; its log says why")

    def release(self) -> None:
        """Tells it that the admin and control sockets are its own now."""
        with contextlib.suppress(OSError):
            self._sock.send(b"released")
        self._sock.close()

    async def abandon(self) -> int:
        """Ends it, politely first so that it ends its workers; returns its exit status."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(self._process.wait, 10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)
        finally:
            self._sock.close()


def _memory(content: bytes) -> int:
    """A descriptor of something that never lies on a disk: it holds keys."""
    memory = os.memfd_create("limen-handover", os.MFD_CLOEXEC)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(memory, rest) :]
    return memory


@dataclass(slots=True)
class Predecessor:
    """The new side: what the old supervisor passed on."""

    inheritance: Inheritance
    lock: int
    control_path: str
    control: socket.socket
    notify: socket.socket
    tickets: bytes = field(default=b"", repr=False)
    """Its ticket keys, as limen.tls.tickets.Rings.load takes them; empty if it had none."""
    discovered: bytes = b""
    """Its lists of endpoints, as limen.runtime.discovering.Discovery.load takes them; empty if it had none."""
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What was set at run time, as limen.runtime.health.Health.adopt takes it."""
    secret: bytes = field(default=b"", repr=False)
    """What it signs cookies with."""
    taken: bool = field(default=False)

    async def take_over(self, *, timeout: float = 30.0) -> None:
        """Reports that all workers accept, and waits until the old one has let go of control and admin.

        An old one that dies instead has let go, too.
        """
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, TimeoutError):
            await loop.sock_sendall(self.notify, b"ready")
            async with asyncio.timeout(timeout):
                await loop.sock_recv(self.notify, 64)
        self.taken = True
        self.notify.close()


def predecessor() -> Predecessor | None:
    """What this process inherits, read once: workers must not see it. None for an ordinary start."""
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    described = json.loads(text)
    inheritance = Inheritance()
    for entry in described["listeners"]:
        inheritance.listeners.setdefault(entry["key"], []).append(_adopt(entry["fd"]))
    if described["admin"] is not None:
        inheritance.admin[described["admin"]["key"]] = _adopt(described["admin"]["fd"])
    os.set_inheritable(described["lock"], False)
    return Predecessor(
        inheritance,
        described["lock"],
        described["control"]["path"],
        _adopt(described["control"]["fd"]),
        _adopt(described["notify"]),
        # a predecessor of an older version passes none
        _remembered(described["tickets"]) if "tickets" in described else b"",
        _remembered(described["discovered"]) if "discovered" in described else b"",
        json.loads(_remembered(described["settings"])) if "settings" in described else {},
        _remembered(described["secret"]) if "secret" in described else b"",
    )


def _remembered(memory: int) -> bytes:
    with open(memory, "rb") as file:
        file.seek(0)
        return file.read()


def _adopt(fd: int) -> socket.socket:
    os.set_inheritable(fd, False)
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock
