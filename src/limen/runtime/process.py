"""One worker process as the supervisor holds it: started, spoken to over its channel, watched by its pidfd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import limen
from limen.runtime.channel import Channel, ChannelClosed, Message


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How workers are started; the same for all of them."""

    core: str
    """`module:attribute` of the core's factory."""
    board: int | None
    base: str
    log_level: str

    def arguments(self, number: int, channel: int) -> list[str]:
        """The command line of worker `number` whose end of the channel is descriptor `channel`."""
        # -P: the working directory must not shadow modules.
        line = [sys.executable, "-P", "-m", "limen.runtime.worker", "--channel", str(channel), "--number", str(number)]
        line += ["--core", self.core, "--base", self.base, "--log-level", self.log_level]
        return line if self.board is None else [*line, "--board", str(self.board)]


class Launched(Protocol):
    """What is asked of a process that was started."""

    @property
    def pid(self) -> int:
        """Its number."""

    def wait(self) -> int:
        """The exit status, negative for a signal."""


class WorkerProcess:
    """A started worker. `exited` ends with its exit status (negative: the signal that killed it)."""

    launch: ClassVar[Callable[..., Launched]] = subprocess.Popen
    """How the process is made; takes what Popen takes."""

    def __init__(
        self, command: WorkerCommand, number: int, *, rejected: Callable[[Mapping[str, object]], None] | None = None
    ) -> None:
        """`rejected` hears of leaves that clients rejected."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        passed = [theirs.fileno()] if command.board is None else [theirs.fileno(), command.board]
        try:
            self._process = self.launch(
                command.arguments(number, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                env=child_environment(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.number = number
        self._rejected = rejected
        self.pid = self._process.pid
        self.hello: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.channel = Channel(ours, on_message=self._received, on_close=self._closed)
        self._loop = loop
        # Opened while the child cannot be reaped by anybody else: the pid is surely still its own.
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._reap)

    def __repr__(self) -> str:
        state = f"exited {self.exited.result()}" if self.exited.done() else "running"
        return f"<WorkerProcess {self.number} pid {self.pid} {state}>"

    def kill(self) -> None:
        """Ends it at once; does nothing when it has ended."""
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def call(
        self,
        kind: str,
        fields: Mapping[str, object] | None = None,
        *,
        payload: bytes = b"",
        descriptors: Sequence[int] = (),
        timeout: float,
    ) -> Message:
        """As Channel.call."""
        return await self.channel.call(kind, fields, payload=payload, descriptors=descriptors, timeout=timeout)

    def _received(self, message: Message) -> None:
        for fd in message.descriptors:  # workers send none
            os.close(fd)
        if message.kind == "hello" and not self.hello.done():
            self.hello.set_result(None)
        elif message.kind == "rejected" and self._rejected is not None:
            self._rejected(message.fields)

    def _closed(self, reason: str) -> None:
        if not self.hello.done():
            self.hello.set_exception(ChannelClosed(reason))
            self.hello.exception()  # seen: whoever awaits it gets it, nobody need

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        status = self._process.wait()
        self.channel.close(f"worker {self.number} ended")
        self.exited.set_result(status)


def child_environment() -> dict[str, str]:
    """Our environment, with the place limen was imported from: the child may not search there by itself."""
    environment = dict(os.environ)
    root = str(Path(limen.__file__).resolve().parent.parent)
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        if root not in paths:
            environment["PYTHONPATH"] = os.pathsep.join([*paths, root])
    return environment


def describe_exit(status: int) -> str:
    """`status 1` or `killed by SIGKILL`."""
    if status >= 0:
        return f"status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"
