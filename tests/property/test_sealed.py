"""DNS messages behind their length, however the stream is cut; and what is no such stream."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from limen.egress.sealed_line import LineEnded, Reply
from limen.egress.sealed_tls import MOST, Frames, TlsLine

messages = st.lists(
    st.binary(max_size=300) | st.binary(min_size=1, max_size=1).map(lambda byte: byte * 65535), max_size=8
)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2) + message


@given(messages, st.lists(st.integers(0, 1000), max_size=20), st.binary(max_size=40))
def test_messages_come_out_as_they_went_in(sent: list[bytes], cuts: list[int], rest: bytes) -> None:
    rest = framed(bytes(41))[: len(rest)]  # of a message that is never complete
    stream = b"".join(map(framed, sent)) + rest
    places = sorted({0, len(stream), *(cut * len(stream) // 1000 for cut in cuts)})
    frames = Frames()
    found = []
    for start, stop in pairwise(places):
        found += frames.feed(stream[start:stop])
    assert found == sent
    assert bytes(frames._rest) == rest


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_every_question_gets_its_own_answer(order: list[int], given_up: set[int]) -> None:
    """In whatever order answers come, and although some nobody waits for any more, and some nobody asked for."""

    async def main() -> None:
        wire, line = Wire(), TlsLine(60, lambda: None)
        line.connection_made(wire)
        asked = [asyncio.create_task(line.ask(number.to_bytes(2) + bytes(10) + b"%d" % number)) for number in range(12)]
        await asyncio.sleep(0)
        questions = Frames().feed(wire.sent)
        assert len({question[:2] for question in questions}) == 12
        line.data_received(framed(b"\xff\xff" + bytes(10)))  # heard, so that giving up is no sign of a dead line
        for number in given_up:
            asked[number].cancel()
        await asyncio.sleep(0)
        for number in order:
            line.data_received(framed(questions[number] + b"!"))
        for number, task in enumerate(asked):
            if number not in given_up:
                assert await task == Reply(number.to_bytes(2) + bytes(10) + b"%d!" % number)
        assert line.room == MOST
        assert not line.ended
        line.end("over")

    asyncio.run(main())


@given(st.binary(max_size=11))
def test_what_is_no_message_ends_the_line(short: bytes) -> None:
    async def main() -> None:
        wire, line = Wire(), TlsLine(60, lambda: None)
        line.connection_made(wire)
        asked = asyncio.create_task(line.ask(bytes(12)))
        await asyncio.sleep(0)
        line.data_received(framed(short))
        line.data_received(framed(bytes(12)))  # of a line that has ended
        (failure,) = await asyncio.gather(asked, return_exceptions=True)
        assert isinstance(failure, LineEnded)
        assert wire.closed
        assert line.room == 0

    asyncio.run(main())
