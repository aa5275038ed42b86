"""DNS over TLS (RFC 7858): messages behind their length, as over TCP (RFC 7766), told apart by their number."""

from __future__ import annotations

from collections.abc import Callable

from limen.egress.sealed_line import SMALLEST, Line, Malformed, Reply

#: Questions under way on one connection; servers read no more than some dozens before they have answered.
MOST = 128


class Frames:
    """Messages behind their length in two bytes (RFC 1035, section 4.2.2), cut out of what comes, however it is cut."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete by now. What is kept is less than one message with its length."""
        rest = self._rest
        rest += data
        messages = []
        at = 0
        while len(rest) - at >= 2:
            after = at + 2 + int.from_bytes(rest[at : at + 2])
            if len(rest) < after:
                break
            messages.append(bytes(rest[at + 2 : after]))
            at = after
        del rest[:at]
        return messages


class TlsLine(Line):
    """A connection as RFC 7858 has it."""

    def __init__(self, idle: float, changed: Callable[[], None]) -> None:
        super().__init__(idle, changed)
        self._frames = Frames()
        self._last = 0

    def _room(self) -> int:
        return MOST - len(self._waiting)

    def _send(self, query: bytes) -> int:
        assert self._transport is not None  # noqa: S101 nobody knows of the line before
        # Numbers of questions that were given up come round last.
        number = (self._last + 1) & 0xFFFF
        while number in self._waiting:
            number = (number + 1) & 0xFFFF
        self._last = number
        # In one write, so that length and message share a record and a packet (RFC 7766, section 8).
        self._transport.write(len(query).to_bytes(2) + number.to_bytes(2) + query[2:])
        return number

    def _received(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            if len(message) < SMALLEST:
                raise Malformed("it sends what is no DNS message")
            self._answer(int.from_bytes(message[:2]), Reply(message))
