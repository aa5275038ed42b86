"""Framed messages between supervisor and worker over one socketpair, descriptors included (SCM_RIGHTS).

A frame is two big-endian lengths (header, payload), a JSON header, and opaque bytes. Both ends are this code; all
sizes are bounded, and whatever breaks the format closes the channel: there is no resynchronisation.
Descriptors travel with the first bytes of their frame, so they never arrive later than it does.
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from limen.errors import LimenError

_LENGTHS = struct.Struct("!II")
HEADER_LIMIT = 1024 * 1024
PAYLOAD_LIMIT = 256 * 1024 * 1024
# The kernel's own bound is 253 per message (SCM_MAX_FD).
DESCRIPTOR_LIMIT = 200
# A peer that stops reading for so long that this piles up is as good as dead.
QUEUE_LIMIT = 2 * PAYLOAD_LIMIT
_READ_SIZE = 256 * 1024
# Room for the kernel's 253 descriptors: fewer would be cut off and lost.
_EXTRA_SIZE = socket.CMSG_SPACE(253 * array.array("i").itemsize)
# A turn of the loop reads at most so many times, to leave room for others.
_READS_PER_TURN = 16


class ChannelClosed(LimenError):
    """The other side is gone, or did not keep to the format."""


class CallFailed(LimenError):
    """The other side answered a call with an error; `kind` is its class: config, import or internal."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Message:
    """One frame: what it is, its JSON fields, its bytes, its descriptors (owned by the receiver)."""

    kind: str
    fields: Mapping[str, object] = field(default_factory=dict)
    payload: bytes = b""
    descriptors: tuple[int, ...] = ()
    call: int = 0
    """Number of the call this begins or answers; 0 for one-way messages."""


@dataclass(slots=True)
class _Outgoing:
    rest: memoryview
    descriptors: list[int]


class Channel:
    """One end of the pair. Callbacks run on the loop; `on_close` exactly once, after the last `on_message`.

    A `reply` message is never given to `on_message`: it ends the `call` that it answers.
    """

    def __init__(
        self, sock: socket.socket, *, on_message: Callable[[Message], None], on_close: Callable[[str], None]
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_close = on_close
        self._input = bytearray()
        self._received: deque[int] = deque()
        self._output: deque[_Outgoing] = deque()
        self._queued = 0
        self._writing = False
        self._calls: dict[int, asyncio.Future[Message]] = {}
        self._last_call = 0
        self.closed = False
        self._loop.add_reader(sock.fileno(), self._read)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"open, {self._queued} B queued, {len(self._calls)} calls waiting"
        return f"<Channel {state}>"

    # -- sending

    def send(self, message: Message) -> None:
        """Queues a message. Its descriptors are duplicated at once: the caller keeps its own.

        Raises ChannelClosed when the channel is closed, ValueError when the message exceeds the bounds.
        """
        if self.closed:
            raise ChannelClosed("the channel is closed")
        frame = self._encode(message)
        self._output.append(_Outgoing(memoryview(frame), [os.dup(fd) for fd in message.descriptors]))
        self._queued += len(frame)
        if self._queued > QUEUE_LIMIT:
            self.close("the other side does not read")
            raise ChannelClosed("the other side does not read")
        if not self._writing:
            self._write()

    async def call(
        self,
        kind: str,
        fields: Mapping[str, object] | None = None,
        *,
        payload: bytes = b"",
        descriptors: Sequence[int] = (),
        timeout: float,
    ) -> Message:
        """Sends a message and waits for its reply.

        Raises ChannelClosed, CallFailed (the other side says no) or TimeoutError.
        """
        self._last_call += 1
        number = self._last_call
        future: asyncio.Future[Message] = self._loop.create_future()
        self._calls[number] = future
        try:
            self.send(Message(kind, fields or {}, payload, tuple(descriptors), number))
            async with asyncio.timeout(timeout):
                answer = await future
        finally:
            self._calls.pop(number, None)
            if future.done() and not future.cancelled():
                future.exception()  # seen: the channel may have closed inside send()
        fault = answer.fields.get("fault")
        if fault is not None:
            raise CallFailed(str(fault), str(answer.fields.get("text", "")))
        return answer

    def reply(self, message: Message, fields: Mapping[str, object] | None = None) -> None:
        """Answers a call; does nothing for a one-way message or when the caller is gone."""
        if message.call and not self.closed:
            self.send(Message("reply", fields or {}, call=message.call))

    def fail(self, message: Message, *, kind: str, text: str) -> None:
        """Answers a call with an error."""
        self.reply(message, {"fault": kind, "text": text})

    def close(self, reason: str = "closed") -> None:
        """Closes this end and ends all waiting calls; what is queued and unsent is lost."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock.fileno())
        if self._writing:
            self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for outgoing in self._output:
            _close_all(outgoing.descriptors)
        self._output.clear()
        _close_all(self._received)
        self._received.clear()
        for future in self._calls.values():
            if not future.done():
                future.set_exception(ChannelClosed(reason))
        self._calls.clear()
        self._on_close(reason)

    async def flushed(self, *, timeout: float) -> None:
        """Waits until all queued messages are with the kernel, the channel is closed, or the time is over."""
        deadline = self._loop.time() + timeout
        # Used once, at the end of a process: not worth an event on every send.
        while self._output and not self.closed and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    # -- inside

    @staticmethod
    def _encode(message: Message) -> bytes:
        if len(message.descriptors) > DESCRIPTOR_LIMIT:
            raise ValueError(f"{len(message.descriptors)} descriptors in one message, at most {DESCRIPTOR_LIMIT}")
        header = json.dumps(
            {
                "kind": message.kind,
                "call": message.call,
                "fds": len(message.descriptors),
                "fields": dict(message.fields),
            },
            separators=(",", ":"),
        ).encode()
        if len(header) > HEADER_LIMIT or len(message.payload) > PAYLOAD_LIMIT:
            raise ValueError(f"message {message.kind!r} of {len(header)} + {len(message.payload)} B is too large")
        return _LENGTHS.pack(len(header), len(message.payload)) + header + message.payload

    def _write(self) -> None:
        try:
            while self._output:
                self._write_some(self._output[0])
        except (BlockingIOError, InterruptedError):
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._sock.fileno(), self._write)
        except OSError as error:
            self.close(f"sending failed: {error}")
        else:
            if self._writing:
                self._writing = False
                self._loop.remove_writer(self._sock.fileno())

    def _write_some(self, outgoing: _Outgoing) -> None:
        if outgoing.descriptors:
            sent = socket.send_fds(self._sock, [outgoing.rest], outgoing.descriptors)
            _close_all(outgoing.descriptors)
            outgoing.descriptors = []
        else:
            sent = self._sock.send(outgoing.rest)
        self._queued -= sent
        outgoing.rest = outgoing.rest[sent:]
        if not outgoing.rest:
            self._output.popleft()

    def _read(self) -> None:
        for _ in range(_READS_PER_TURN):
            try:
                # Not socket.recv_fds: it drops the flags in some versions, and a leaked descriptor is inherited.
                data, extra, flags, _ = self._sock.recvmsg(_READ_SIZE, _EXTRA_SIZE, socket.MSG_CMSG_CLOEXEC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.close(f"receiving failed: {error}")
                return
            self._received.extend(_descriptors(extra))
            if flags & socket.MSG_CTRUNC:
                self.close("descriptors were lost (open files limit?)")
                return
            if not data:
                self.close("the other side is gone")
                return
            self._input += data
            self._deliver()
            if self.closed:
                return

    def _deliver(self) -> None:
        while not self.closed:
            try:
                message = self._next()
            except (ValueError, KeyError, TypeError, IndexError) as error:
                self.close(f"not a frame: {error}")
                return
            if message is None:
                return
            if message.kind == "reply":
                self._answered(message)
                continue
            try:
                self._on_message(message)
            except Exception as error:  # noqa: BLE001 the receiver's fault must not end later messages
                self._loop.call_exception_handler(
                    {"message": f"handling of channel message {message.kind!r} failed", "exception": error}
                )

    def _next(self) -> Message | None:
        if len(self._input) < _LENGTHS.size:
            return None
        header_size, payload_size = _LENGTHS.unpack_from(self._input)
        if header_size > HEADER_LIMIT or payload_size > PAYLOAD_LIMIT:
            raise ValueError("lengths out of bounds")
        start = _LENGTHS.size + header_size
        end = start + payload_size
        if len(self._input) < end:
            return None
        header = json.loads(self._input[_LENGTHS.size : start])
        payload = bytes(self._input[start:end])
        del self._input[:end]
        descriptors = tuple(self._received.popleft() for _ in range(header["fds"]))
        return Message(header["kind"], header["fields"], payload, descriptors, header["call"])

    def _answered(self, message: Message) -> None:
        future = self._calls.get(message.call)
        if future is not None and not future.done():
            future.set_result(message)


def _descriptors(extra: list[tuple[int, int, bytes]]) -> list[int]:
    received = array.array("i")
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(content[: len(content) - len(content) % received.itemsize])
    return list(received)


def _close_all(descriptors: Sequence[int] | deque[int]) -> None:
    for fd in descriptors:
        os.close(fd)
