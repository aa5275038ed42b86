"""Feeds the HTTP/1.1 codec every way a connection might: whole, byte by byte and with the next message behind.

Each helper returns what the whole input gives (a description, 0 or a negative fault) after having checked that
no other way of feeding says anything else.
"""

from collections.abc import Callable, Iterable
from typing import Any

from limen.engine.http1 import _probe

Verdict = dict[str, Any] | int
DEFAULT = _probe.Limits()
TRAILING = (b"G", b"\r\n", b"\x00\xff", b"GET /next HTTP/1.1\r\n")


def fault(name: str) -> int:
    """What the codec returns for `name`, e.g. "HOST"."""
    return -_probe.FAULTS[name]


def named(verdict: Verdict | tuple[int, list[Any]]) -> str:
    """The name of a fault, or "ok" or "more": readable in an assertion."""
    if not isinstance(verdict, int):
        return "ok"
    if verdict == 0:
        return "more"
    return {-number: name for name, number in _probe.FAULTS.items()}[verdict]


def cuts(size: int) -> Iterable[int]:
    """Where to cut an input: everywhere if it is short, else near both ends and at some places between."""
    if size <= 400:
        return range(size)
    return sorted({*range(60), *range(0, size, size // 60), *range(size - 60, size)})


def feed(parse: Callable[[bytes], Any], data: bytes, size_of: Callable[[Any], int]) -> Any:
    """`parse(data)`, having checked prefixes and trailing bytes; `size_of` is the size of a success."""
    whole = parse(data)
    if isinstance(whole, int):
        for cut in cuts(len(data)):
            part = parse(data[:cut])
            assert part in (0, whole), f"cut at {cut}: {part}, whole: {whole}"
        if whole < 0:
            for more in TRAILING:
                assert parse(data + more) == whole
        return whole
    size = size_of(whole)
    assert 0 < size <= len(data)
    for cut in cuts(size):
        assert parse(data[:cut]) == 0, f"cut at {cut}"
    for more in TRAILING:
        assert parse(data[:size] + more) == whole
    ready_at = first_ready(data)
    assert ready_at is not None
    assert ready_at <= size
    return whole


def first_ready(data: bytes) -> int | None:
    """How many bytes, one by one, head_ready wants before it says yes; None if it never does."""
    scanned = 0
    for end in range(len(data) + 1):
        before = scanned
        ready, scanned = _probe.head_ready(data[:end], scanned)
        assert before <= scanned <= end
        if ready:
            return end
    return None


def request(data: bytes, limits: _probe.Limits = DEFAULT) -> Verdict:
    """Verdict on a request head."""
    found: Verdict = feed(lambda part: _probe.parse_request(part, limits), data, lambda head: int(head["size"]))
    return found


def response(data: bytes, method: str = "GET", limits: _probe.Limits = DEFAULT) -> Verdict:
    """Verdict on a response head to a request of that method."""
    number = _probe.METHODS[method]
    found: Verdict = feed(
        lambda part: _probe.parse_response(part, number, limits), data, lambda head: int(head["size"])
    )
    return found


def trailers(data: bytes, limits: _probe.Limits = DEFAULT) -> tuple[int, list[Any]] | int:
    """Verdict on a trailer section."""
    found: tuple[int, list[Any]] | int = feed(
        lambda part: _probe.parse_trailers(part, limits), data, lambda found: int(found[0])
    )
    return found


def decode_chunks(pieces: Iterable[bytes]) -> tuple[bytes, int, str | int]:
    """(content, bytes consumed, last event) of a chunked content that comes in these pieces."""
    decoder = _probe.Chunks()
    content = b""
    taken = 0
    event: str | int = "more"
    for piece in pieces:
        part, consumed, event = decoder.feed(piece)
        content += part
        taken += consumed
        if event != "more":
            break
        assert consumed == len(piece)
    return content, taken, event


def chunks(data: bytes) -> tuple[bytes, int, str | int]:
    """decode_chunks of the whole, having checked that single bytes and pairs give the same."""
    whole = decode_chunks([data])
    for step in (1, 2, 3, 7):
        assert decode_chunks(data[at : at + step] for at in range(0, len(data), step)) == whole
    return whole
