import asyncio
import os
import socket
import struct

import pytest

from limen.runtime import channel as channels
from limen.runtime.channel import CallFailed, Channel, ChannelClosed, Message


class End:
    """One end of a pair, with what it has received."""

    def __init__(self, sock, answer=None):
        self.messages = []
        self.reasons = []
        self.arrived = asyncio.Event()
        self.channel = Channel(sock, on_message=self._received, on_close=self._closed)
        self._answer = answer

    def _received(self, message):
        self.messages.append(message)
        self.arrived.set()
        if self._answer:
            self._answer(self.channel, message)

    def _closed(self, reason):
        self.reasons.append(reason)
        self.arrived.set()

    async def wait(self, count):
        async with asyncio.timeout(30):
            while len(self.messages) < count and not self.reasons:
                self.arrived.clear()
                await self.arrived.wait()


def run(scenario, answer=None):
    async def live():
        ours, theirs = socket.socketpair()
        one, two = End(ours), End(theirs, answer)
        try:
            await scenario(one, two)
        finally:
            one.channel.close()
            two.channel.close()
        assert len(one.reasons) == len(two.reasons) == 1

    asyncio.run(live())


def test_messages_arrive_whole_and_in_order():
    async def scenario(one, two):
        payloads = [b"", b"x", os.urandom(3_000_000), b"end"]
        for number, payload in enumerate(payloads):
            one.channel.send(Message("kind", {"number": number}, payload))
        await two.wait(4)
        assert [message.payload for message in two.messages] == payloads
        assert [message.fields["number"] for message in two.messages] == [0, 1, 2, 3]

    run(scenario)


def test_descriptors_belong_to_their_messages():
    async def scenario(one, two):
        pipes = [os.pipe() for _ in range(6)]
        try:
            one.channel.send(Message("bytes", {}, b"y" * 2_000_000))
            one.channel.send(Message("two", {}, b"z" * 500_000, tuple(read for read, _ in pipes[:2])))
            one.channel.send(Message("none"))
            one.channel.send(Message("four", {}, b"", tuple(read for read, _ in pipes[2:])))
            await two.wait(4)
            assert [len(message.descriptors) for message in two.messages] == [0, 2, 0, 4]
            received = [fd for message in two.messages for fd in message.descriptors]
            for (_, write), fd in zip(pipes, received, strict=True):
                os.write(write, b"here")
                assert os.read(fd, 10) == b"here"
                assert not os.get_inheritable(fd)
                os.close(fd)
        finally:
            for pair in pipes:
                for fd in pair:
                    os.close(fd)

    run(scenario)


def test_bytewise_arrival_makes_the_same_message():
    async def scenario(one, two):
        frame = Channel._encode(Message("kind", {"a": [1, 2]}, b"payload", call=0))
        for byte in frame:
            one.channel._sock.send(bytes([byte]))
            await asyncio.sleep(0)
        await two.wait(1)
        assert two.messages == [Message("kind", {"a": [1, 2]}, b"payload")]

    run(scenario)


def test_calls_get_their_own_answers():
    def answer(channel, message):
        if message.kind == "fail":
            channel.fail(message, kind="config", text="no such thing")
        else:
            channel.reply(message, {"twice": message.fields["number"] * 2})

    async def scenario(one, two):
        answers = await asyncio.gather(*(one.channel.call("double", {"number": n}, timeout=30) for n in range(20)))
        assert [answer.fields["twice"] for answer in answers] == [n * 2 for n in range(20)]
        with pytest.raises(CallFailed, match="no such thing") as failure:
            await one.channel.call("fail", timeout=30)
        assert failure.value.kind == "config"

    run(scenario, answer)


def test_a_call_without_an_answer_times_out():
    async def scenario(one, two):
        with pytest.raises(TimeoutError):
            await one.channel.call("silence", timeout=0.05)
        # Its late answer is nobody's.
        await two.wait(1)
        two.channel.reply(two.messages[0])
        one.channel.send(Message("still here"))
        await two.wait(2)

    run(scenario)


def test_the_end_of_the_other_side_ends_calls():
    async def scenario(one, two):
        call = asyncio.ensure_future(one.channel.call("silence", timeout=30))
        await two.wait(1)
        two.channel.close("bye")
        with pytest.raises(ChannelClosed):
            await call
        assert one.reasons == ["the other side is gone"]
        with pytest.raises(ChannelClosed):
            one.channel.send(Message("late"))

    run(scenario)


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack("!II", channels.HEADER_LIMIT + 1, 0),
        struct.pack("!II", 2, channels.PAYLOAD_LIMIT + 1),
        struct.pack("!II", 3, 0) + b"{a}",
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 2, 0) + b"{}",
        struct.pack("!II", 44, 0) + b'{"kind":"a","call":0,"fds":1,"fields":{}}   ',
    ],
)
def test_what_is_no_frame_closes(frame):
    async def scenario(one, two):
        one.channel._sock.send(frame)
        await two.wait(1)
        assert two.messages == []
        assert two.reasons[0].startswith("not a frame")

    run(scenario)


def test_a_receiver_that_raises_hears_the_next():
    def answer(channel, message):
        if message.kind == "bad":
            raise RuntimeError("own fault")

    async def scenario(one, two):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(str(about["exception"])))
        one.channel.send(Message("bad"))
        one.channel.send(Message("good"))
        await two.wait(2)
        assert told == ["own fault"]
        assert not two.channel.closed

    run(scenario, answer)


def test_too_large_is_refused_by_the_sender(monkeypatch):
    monkeypatch.setattr(channels, "PAYLOAD_LIMIT", 100)

    async def scenario(one, two):
        with pytest.raises(ValueError, match="too large"):
            one.channel.send(Message("kind", {}, b"x" * 101))
        with pytest.raises(ValueError, match="descriptors"):
            one.channel.send(Message("kind", {}, b"", tuple(range(channels.DESCRIPTOR_LIMIT + 1))))

    run(scenario)


def test_a_peer_that_does_not_read_is_given_up(monkeypatch):
    monkeypatch.setattr(channels, "QUEUE_LIMIT", 1_000_000)

    async def scenario(one, two):
        asyncio.get_running_loop().remove_reader(two.channel._sock.fileno())
        message = Message("kind", {}, b"x" * 100_000)
        with pytest.raises(ChannelClosed, match="does not read"):
            any(one.channel.send(message) for _ in range(100))

    run(scenario)
