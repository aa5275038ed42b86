"""Bodies far larger than memory should be: they pass, and the worker does not grow."""

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from tests.support import RawOrigin

MIB = 1024 * 1024
# Sockets and pipes are the kernel's; what the engine holds beside them has to be far below the size of a body.
GROWTH = 16 * MIB
PIECE = bytes(range(256)) * 1024
SITE = """
workers: 1
listeners:
  - bind: 127.0.0.1:@PORT@
    routes: [{upstream: web, body: {max: 1GiB}}]
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""
FRAMINGS = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
SIZES = pytest.mark.parametrize(
    "size", [pytest.param(32 * MIB, id="32MiB"), pytest.param(512 * MIB, id="512MiB", marks=pytest.mark.slow)]
)


def resident(pid):
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def watched(site):
    """Gives a list that the worker's resident size is added to, the first being the one before."""
    (pid,) = site.worker_pids()
    sizes = [resident(pid)]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.02):
            sizes.append(resident(pid))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield sizes
    finally:
        stop.set()
        thread.join()


def framing(size, chunked):
    return "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"


def send_content(peer, size, chunked):
    for _ in range(size // len(PIECE)):
        peer.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
    if chunked:
        peer.send(b"0\r\n\r\n")


def take_slowly(peer, size, chunked):
    """Reads the content, pausing often enough that all before us fills up; how many bytes there were."""
    buffer = bytearray(MIB)
    got, tail, turns = len(peer.buffer), bytes(peer.buffer[-5:]), 0
    while got < size or (chunked and tail != b"0\r\n\r\n"):
        more = peer.socket.recv_into(buffer)
        assert more, f"ended after {got} bytes"
        got += more
        tail = (tail + bytes(buffer[max(more - 5, 0) : more]))[-5:]
        turns += 1
        if turns % 100 == 1 and turns < 1500:
            time.sleep(0.05)
    return got


@FRAMINGS
@SIZES
def test_a_large_response_to_a_slow_reader(start_limen, size, chunked):
    def answer(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(f"HTTP/1.1 200 OK\r\n{framing(size, chunked)}\r\n\r\n")
        send_content(connection, size, chunked)

    with RawOrigin(answer, timeout=60) as origin:
        site = start_limen(SITE, values={"ORIGIN": origin})
        with site.connect(timeout=60) as client, watched(site) as sizes:
            client.send_request("GET", "/")
            client.read_until(b"\r\n\r\n")
            assert take_slowly(client, size, chunked) >= size
    assert max(sizes) - sizes[0] < GROWTH


@FRAMINGS
@SIZES
def test_a_large_upload_to_a_slow_origin(start_limen, size, chunked):
    received = []

    def answer(connection):
        connection.read_until(b"\r\n\r\n")
        received.append(take_slowly(connection, size, chunked))
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawOrigin(answer, timeout=60) as origin:
        site = start_limen(SITE, values={"ORIGIN": origin})
        with site.connect(timeout=60) as client, watched(site) as sizes:
            client.send(f"POST / HTTP/1.1\r\nHost: test\r\n{framing(size, chunked)}\r\n\r\n")
            send_content(client, size, chunked)
            assert client.read_response().status == 200
    assert received[0] >= size
    assert max(sizes) - sizes[0] < GROWTH
