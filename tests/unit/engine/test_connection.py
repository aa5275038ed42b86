"""Connections over socket pairs: what the kernel does not take is kept, in order, and drained; the relay moves it."""

import contextlib
import random
import select
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine._engine_probe import Relay, wire
from limen.engine.engine import Engine

DONE, SOURCE, SINK, EOF, SOURCE_BROKEN, SINK_BROKEN, TURN = range(7)
NOTHING_NOW, END, FAILED = -1, 0, -2


@pytest.fixture
def engine():
    return Engine()


OPEN = []


@pytest.fixture(autouse=True)
def close_sockets():
    yield
    while OPEN:
        OPEN.pop().close()


def pair(engine, size=4096):
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    connection = wire(engine, near.fileno())
    near.close()
    far.settimeout(10)
    OPEN.append(far)
    return connection, far


def blob(size, seed=1):
    return random.Random(seed).randbytes(size)


def read_all(far, connection, size):
    found = b""
    while len(found) < size:
        connection.drain()
        found += far.recv(65536)
    return found


def test_pieces_go_out_in_one_call_and_in_order(engine):
    connection, far = pair(engine, 100_000)
    connection.put_all([b"a", b"", b"bc", b"d" * 10])
    assert far.recv(100) == b"abcdddddddddd"
    assert not connection.clogged
    assert connection.state["sent"] == 13
    connection.shut()
    assert far.recv(1) == b""


def test_more_pieces_than_one_call_takes(engine):
    connection, far = pair(engine, 100_000)
    pieces = [b"%04d" % i for i in range(500)]
    connection.put_all(pieces)
    assert read_all(far, connection, 2000) == b"".join(pieces)


def test_a_slow_reader_gets_everything_once(engine):
    connection, far = pair(engine)
    data = blob(300_000)
    pieces = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    for at in range(0, 300, 50):
        connection.put_all(pieces[at : at + 50])
    assert connection.clogged
    assert connection.stuck == 1
    assert not connection.state["writable"]
    assert connection.state["sent"] + connection.waiting == len(data)
    assert read_all(far, connection, len(data)) == data
    assert not connection.clogged
    assert (connection.waiting, connection.room) == (0, 0), "an empty backlog holds no memory"
    connection.put_all([b"more"])
    assert far.recv(10) == b"more"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.lists(st.integers(0, 9000), max_size=5), st.integers(1, 20000)), max_size=25),
    st.integers(0, 99),
)
def test_any_order_of_writing_and_reading(todo, seed):
    engine = Engine()
    connection, far = pair(engine)
    sent, found = b"", b""
    far.setblocking(False)
    with far:
        for what in todo:
            if isinstance(what, list):
                pieces = [blob(size, seed + size) for size in what]
                connection.put_all(pieces)
                sent += b"".join(pieces)
            else:
                with contextlib.suppress(BlockingIOError):
                    found += far.recv(what)
                connection.drain()
        far.setblocking(True)
        far.settimeout(10)
        found += read_all(far, connection, len(sent) - len(found))
        assert found == sent
        connection.shut()
        assert far.recv(1) == b""


def test_a_peer_that_has_gone_breaks_the_connection_and_nothing_else(engine):
    connection, far = pair(engine)
    far.close()
    connection.put_all([b"x" * 10])
    assert connection.state["broken"]
    connection.put_all([b"x" * 10])  # ignored
    assert connection.waiting == 0
    connection.shut()


def test_a_peer_that_goes_while_bytes_wait(engine):
    connection, far = pair(engine)
    connection.put_all([blob(200_000)])
    assert connection.clogged
    far.close()
    assert not connection.drain()
    assert connection.state["broken"]
    connection.shut()


def test_receiving(engine):
    connection, far = pair(engine)
    assert connection.read(10) == NOTHING_NOW
    far.send(b"abcdef")
    assert connection.read(4) == b"abcd"
    assert connection.state["readable"], "a full read may have left something"
    assert connection.read(4) == b"ef"
    assert not connection.state["readable"]
    far.close()
    assert connection.read(4) == END
    assert connection.state["eof"]
    assert connection.state["received"] == 6
    connection.shut()


def reset_connection(engine):
    """A connection over TCP whose peer has reset it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    with near:
        connection = wire(engine, near.fileno())
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        # a busy kernel takes its time, even to itself
        assert select.select([near], [], [], 30)[0]
    return connection


def test_a_reset_is_no_end(engine):
    connection = reset_connection(engine)
    assert connection.read(4) == FAILED
    connection.shut()


def test_shutting_twice(engine):
    connection, far = pair(engine)
    connection.shut()
    connection.shut()
    connection.put_all([b"x"])
    assert far.recv(1) == b""


# The relay.


def relayed(engine, remaining, size=4096):
    source, writer = pair(engine, size)
    sink, reader = pair(engine, size)
    return Relay(engine, source, sink, remaining), writer, reader


def test_relay_of_a_known_length(engine):
    relay, writer, reader = relayed(engine, 10)
    assert relay.go() == SOURCE
    writer.sendall(b"12345")
    assert relay.go() == SOURCE
    assert reader.recv(100) == b"12345"
    writer.sendall(b"67890not this")
    assert relay.go() == DONE
    assert (relay.remaining, relay.moved, relay.held) == (0, 10, 0)
    assert reader.recv(100) == b"67890"


def test_relay_to_a_slow_sink_loses_nothing(engine):
    data = blob(2_000_000)
    relay, writer, reader = relayed(engine, len(data))
    thread = threading.Thread(target=writer.sendall, args=(data,))
    thread.start()
    found = b""
    seen = set()
    while len(found) < len(data):
        seen.add(relay.go())
        assert relay.moved + relay.held + relay.remaining == len(data)
        if relay.moved > len(found):
            found += reader.recv(30_000)
    thread.join()
    assert found == data
    assert relay.go() == DONE
    assert SINK in seen
    assert seen <= {DONE, SOURCE, SINK, TURN}


def test_relay_until_the_end(engine):
    relay, writer, reader = relayed(engine, 2**63)
    writer.sendall(b"abc")
    writer.close()
    assert relay.go() == EOF
    assert reader.recv(100) == b"abc"
    assert relay.held == 0


def test_relay_takes_turns(engine):
    source, writer = pair(engine, 1 << 20)
    sink, reader = pair(engine, 1 << 20)
    relay = Relay(engine, source, sink, 2**63)

    def write():
        for _ in range(12):
            writer.sendall(bytes(1 << 20))
        writer.close()

    def read():
        while reader.recv(1 << 20):
            pass

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    before = 0
    while relay.go() != EOF:
        assert relay.moved - before <= (4 << 20) + (1 << 20), "a turn has its bound"
        before = relay.moved
    assert relay.moved == 12 << 20
    sink.shut()
    for thread in threads:
        thread.join()
    reader.close()


def test_relay_to_a_sink_that_has_gone(engine):
    relay, writer, reader = relayed(engine, 100)
    reader.close()
    writer.sendall(b"x" * 100)
    assert relay.go() == SINK_BROKEN


def test_relay_from_a_source_that_is_reset(engine):
    sink, reader = pair(engine)
    relay = Relay(engine, reset_connection(engine), sink, 100)
    assert relay.go() == SOURCE_BROKEN
    reader.close()


def test_pipes_come_back(engine):
    for _ in range(3):
        relay, writer, reader = relayed(engine, 10)
        writer.sendall(b"x" * 10)
        assert relay.go() == DONE
        del relay
        assert engine.counters()["pipes"] == 1
        writer.close()
        reader.close()


def test_a_pipe_that_still_holds_bytes_is_not_used_again(engine):
    relay, writer, _reader = relayed(engine, 1 << 20)
    writer.setblocking(False)
    sent = 0
    for _ in range(200):
        with contextlib.suppress(BlockingIOError):
            sent += writer.send(bytes(4096))
        if relay.go() == SINK and relay.held:
            break
    assert relay.held
    del relay
    assert engine.counters()["pipes"] == 0
