"""The worker process: makes the core's loop, runs the channel on it, and does what the supervisor says.

Started as `python -m limen.runtime.worker`, never by hand: a fresh interpreter, so that nothing of the supervisor
leaks in, and so that a handover really runs new code. Without its supervisor a worker drains and ends.

Messages: tickets, pins, databases, limits, quotas, lists, prepare, publish, discard, listen, unlisten, drain, ping,
status, explain, exchanges, talkers, kill, reopen, stop (each answered), hello and rejected (sent).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import cast

from limen.errors import LimenError
from limen.runtime.channel import Channel, ChannelClosed, Message
from limen.runtime.drain import drained
from limen.runtime.event_log import configure
from limen.runtime.protocols import CoreFactory, Log, WorkerCore

DEFAULT_CORE = "limen.runtime.core:Core"
# How long a worker whose supervisor died goes on with what lives, in seconds.
ORPHAN_TIMEOUT = 30.0

_log = logging.getLogger("limen.worker")


class Worker:
    """One worker's life on its loop; `run` returns when the process may end."""

    def __init__(self, core: WorkerCore, sock: socket.socket, *, number: int) -> None:
        self._core = core
        self._sock = sock
        self._number = number
        self._ended: asyncio.Future[None]
        self._channel: Channel
        self._drain: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._published = 0
        self._handlers: Mapping[str, Callable[[Message], Mapping[str, object] | None]] = {
            "tickets": self._take_tickets,
            "pins": self._take_pins,
            "databases": self._take_databases,
            "publish": self._publish,
            "discard": self._discard,
            "limits": self._take_limits,
            "quotas": self._take_quotas,
            "lists": self._take_lists,
            "shed_idle": self._shed_idle,
            "listen": self._listen,
            "unlisten": self._unlisten,
            "drain": self._begin_drain,
            "ping": self._ping,
            "status": self._status,
            "reopen": self._reopen,
            "stop": self._stop,
        }

        self._slow: Mapping[str, Callable[[Message], Coroutine[object, object, None]]] = {
            "prepare": self._prepare,
            "explain": self._explain,
            "exchanges": self._list_exchanges,
            "talkers": self._tell_talkers,
            "kill": self._kill_exchanges,
        }

    async def run(self) -> None:
        """Says hello and serves the channel until told to stop, drained, or left alone."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        self._channel = Channel(self._sock, on_message=self._received, on_close=self._abandoned)
        loop.add_signal_handler(signal.SIGTERM, self._start_drain, ORPHAN_TIMEOUT)
        self._core.rejected = self._tell_rejected
        self._channel.send(Message("hello", {"pid": os.getpid(), "number": self._number}))
        await self._ended
        # The answer to `stop` or `drain` should leave before the process does.
        await self._channel.flushed(timeout=0.5)
        self._core.stop()
        self._channel.close()

    def _received(self, message: Message) -> None:
        """The outer function: whatever goes wrong is the answer to this one message."""
        slow = self._slow.get(message.kind)
        if slow is not None:
            task = asyncio.get_running_loop().create_task(slow(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        handler = self._handlers.get(message.kind)
        if handler is None:
            self._channel.fail(message, kind="internal", text=f"unknown message {message.kind!r}")
            return
        try:
            self._channel.reply(message, handler(message))
        except Exception as error:  # noqa: BLE001 see above
            _log.exception("worker %d: %s failed", self._number, message.kind)
            self._channel.fail(message, kind="internal", text=f"{type(error).__name__}: {error}")

    async def _prepare(self, message: Message) -> None:
        try:
            building = self._core.prepare(message.payload, _integer(message, "number"))
            if building is not None:
                await building
        except LimenError as error:
            self._channel.fail(message, kind="config", text=str(error))
        except ImportError as error:
            self._channel.fail(message, kind="import", text=f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 whatever it is, the reload is refused
            _log.exception("worker %d: prepare failed", self._number)
            self._channel.fail(message, kind="internal", text=f"{type(error).__name__}: {error}")
        else:
            self._channel.reply(message)

    async def _explain(self, message: Message) -> None:
        try:
            answer = await self._core.explain(message.fields)
            self._channel.reply(message, {"explanation": dict(answer), "worker": self._number})
        except LimenError as error:
            self._channel.fail(message, kind="config", text=str(error))
        except Exception as error:  # noqa: BLE001 whatever it is, it is the answer
            _log.exception("worker %d: explain failed", self._number)
            self._channel.fail(message, kind="internal", text=f"{type(error).__name__}: {error}")

    async def _list_exchanges(self, message: Message) -> None:
        await self._answer(message, "listing exchanges", self._core.exchanges(message.fields))

    async def _tell_talkers(self, message: Message) -> None:
        await self._answer(message, "telling talkers", self._core.talkers(message.fields))

    async def _kill_exchanges(self, message: Message) -> None:
        async def killed() -> Mapping[str, object]:
            return {"killed": await self._core.kill(message.fields)}

        await self._answer(message, "ending exchanges", killed())

    async def _answer(self, message: Message, what: str, work: Awaitable[Mapping[str, object]]) -> None:
        try:
            self._channel.reply(message, await work)
        except Exception as error:  # noqa: BLE001 whatever it is, it is the answer
            _log.exception("worker %d: %s failed", self._number, what)
            self._channel.fail(message, kind="internal", text=f"{type(error).__name__}: {error}")

    def _take_tickets(self, message: Message) -> None:
        self._core.take_tickets(message.payload)

    def _take_pins(self, message: Message) -> None:
        self._core.take_pins(message.payload)

    def _take_databases(self, message: Message) -> None:
        digests = message.fields["digests"]
        if not isinstance(digests, list):
            raise TypeError("digests is not a list")
        self._core.take_databases([str(digest) for digest in digests], list(message.descriptors))

    def _take_limits(self, message: Message) -> None:
        (descriptor,) = message.descriptors
        self._core.take_limits(descriptor)

    def _take_quotas(self, message: Message) -> None:
        (descriptor,) = message.descriptors
        self._core.take_quotas(descriptor)

    def _take_lists(self, message: Message) -> None:
        sources = message.fields["sources"]
        if not isinstance(sources, list) or len(sources) != len(message.descriptors):
            raise ValueError("as many sources as descriptors are needed")
        self._core.take_lists([(str(source), fd) for source, fd in zip(sources, message.descriptors, strict=True)])

    def _shed_idle(self, _message: Message) -> None:
        self._core.shed_idle()

    def _tell_rejected(self, fields: Mapping[str, object]) -> None:
        with contextlib.suppress(ChannelClosed):  # without its supervisor the worker is about to end
            self._channel.send(Message("rejected", fields))

    def _publish(self, message: Message) -> None:
        number = _integer(message, "number")
        self._core.publish(number)
        self._published = number
        _log.debug("worker %d: revision %d is in force", self._number, number)

    def _discard(self, message: Message) -> None:
        self._core.discard(_integer(message, "number"))

    def _listen(self, message: Message) -> None:
        keys = message.fields["keys"]
        if not isinstance(keys, list) or len(keys) != len(message.descriptors):
            raise ValueError("as many keys as descriptors are needed")
        for key, fd in zip(keys, message.descriptors, strict=True):
            self._core.listen(str(key), fd)

    def _unlisten(self, message: Message) -> None:
        keys = message.fields["keys"]
        if not isinstance(keys, list):
            raise TypeError("keys is not a list")
        for key in keys:
            self._core.unlisten(str(key))

    def _ping(self, message: Message) -> Mapping[str, object]:
        return {"live": dict(self._core.live()), "revision": self._published}

    def _status(self, message: Message) -> Mapping[str, object]:
        return {"status": dict(self._core.status())}

    def _reopen(self, message: Message) -> None:
        self._core.reopen_logs()

    def _stop(self, message: Message) -> None:
        self._end()

    def _begin_drain(self, message: Message) -> None:
        timeout = message.fields["timeout"]
        if not isinstance(timeout, int | float):
            raise TypeError("timeout is not a number")
        self._start_drain(timeout)

    def _start_drain(self, timeout: float) -> None:
        if self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._drained(timeout))

    async def _drained(self, timeout: float) -> None:
        try:
            rest = await drained(self._core, timeout=timeout)
            if any(rest.values()):
                counts = ", ".join(f"{count} {name}" for name, count in rest.items() if count)
                _log.warning("worker %d: drain timed out, cutting off %s", self._number, counts)
        finally:
            self._end()

    def _abandoned(self, reason: str) -> None:
        if not self._ended.done():
            _log.error("worker %d: supervisor lost (%s), draining", self._number, reason)
            self._start_drain(ORPHAN_TIMEOUT)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _integer(message: Message, name: str) -> int:
    value = message.fields[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} is not an integer")
    return value


def load_core(path: str) -> CoreFactory:
    """The core's factory named as `module:attribute`; raises ImportError when there is none."""
    module_name, _, attribute = path.partition(":")
    try:
        return cast("CoreFactory", getattr(importlib.import_module(module_name), attribute))
    except AttributeError as error:
        raise ImportError(f"{module_name} has no {attribute!r}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The process's entry; returns its exit status."""
    parser = argparse.ArgumentParser(prog="limen.runtime.worker")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the channel to the supervisor")
    parser.add_argument("--number", type=int, required=True, help="number of the worker, from 0")
    parser.add_argument("--board", type=int, default=None, help="descriptor of the board")
    parser.add_argument("--core", default=DEFAULT_CORE, help="module:attribute that makes the core")
    parser.add_argument("--base", default="", help="directory to import hooks from")
    parser.add_argument("--log-level", default="info")
    options = parser.parse_args(arguments)

    # The terminal and process groups signal everybody; only the supervisor decides what that means for a worker.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    configure(options.log_level)
    for fd in (options.channel, options.board):
        if fd is not None:
            os.set_inheritable(fd, False)
    if options.base and options.base not in sys.path:
        sys.path.append(options.base)
    sock = socket.socket(fileno=options.channel)
    core = load_core(options.core)(worker=options.number, board=options.board, log=_log_function())
    worker = Worker(core, sock, number=options.number)
    with asyncio.Runner(loop_factory=core.loop_factory) as runner:
        runner.run(worker.run())
    return 0


def _log_function() -> Log:
    logger = logging.getLogger("limen.core")

    def log(level: str, text: str) -> None:
        logger.log(logging.getLevelNamesMapping().get(level.upper(), logging.INFO), "%s", text)

    return log


if __name__ == "__main__":
    sys.exit(main())
