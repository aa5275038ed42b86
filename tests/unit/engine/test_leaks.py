"""Nothing stays behind: many connections and exchanges through an engine in this process, then counts, descriptors,
references and memory are as before. Debug builds count live connections and exchanges as well.
"""

import asyncio
import gc
import os
import socket
import sys

import pytest

from limen.engine.engine import Engine
from limen.engine.service import Action, Service
from limen.engine.tables import RouteTable
from limen.engine.upstream import Endpoint, Upstream
from limen.policy.specs import RouteSpec

ROUND = 250  # connections
AT_ONCE = 25


async def origin(reader, writer):
    """Answers until its peer has gone; /close without keep-alive, /cut in the middle."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"/cut" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
                break
            if b"/close" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                break
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def client(port, number):
    """One connection of one of several kinds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = number % 5
    try:
        if kind == 0:  # says nothing
            return
        if kind == 1:  # malformed
            writer.write(b"GET / HTTP/9.9\r\n\r\n")
        elif kind == 2:  # leaves in the middle
            writer.write(b"GET /keep HTTP/1.1\r\nHost: a\r\n\r\nGET /ke")
            await reader.readuntil(b"0\r\n\r\n")
            return
        elif kind == 3:  # a body, and an origin that breaks off
            writer.write(b"POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        else:
            writer.write(
                b"GET /keep HTTP/1.1\r\nHost: a\r\n\r\nGET /close HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
        await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def many(port, count):
    for first in range(0, count, AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for number in range(first, first + AT_ONCE):
                group.create_task(client(port, number))


async def quiet(engine, endpoint):
    for _ in range(6000):
        if not any(engine.live().values()) and not endpoint.active:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"still at work: {engine.live()} {endpoint!r}")


def memory():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def scenario(engine):
    server = await asyncio.start_server(origin, "127.0.0.1", 0)
    endpoint = Endpoint(engine, key="o", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    upstream = Upstream("o", [endpoint], idle=8)
    action = Action("all", upstream=upstream)
    service = Service("front", target_source=0, routes=RouteTable([RouteSpec(action)]))
    listening = socket.create_server(("127.0.0.1", 0), backlog=200)
    listening.setblocking(False)
    engine.listen("front", listening.fileno(), service)
    port = listening.getsockname()[1]

    def state():
        gc.collect()
        counters = engine.counters()
        return {
            "watched": counters["watched"] - endpoint.idle_count,
            "handlers": counters.get("handlers", 0) - endpoint.idle_count,
            "parties": counters.get("parties", 0),
            "connections": endpoint.connections - endpoint.idle_count,
            "references": [sys.getrefcount(thing) for thing in (service, action, upstream)],
        }

    try:
        await many(port, ROUND)
        await quiet(engine, endpoint)
        before, held = state(), memory()
        for _ in range(4):
            await many(port, ROUND)
        await quiet(engine, endpoint)
        after = state()
        assert after == before
        assert memory() - held < 8 << 20
        endpoint.retire()
        assert endpoint.idle_count == endpoint.connections == 0
        engine.stop()
        assert engine.counters()["watched"] == 0
    finally:
        engine.stop()
        endpoint.retire()
        listening.close()
        server.close()
        await server.wait_closed()


def test_a_thousand_connections_leave_nothing():
    engine = Engine()
    gc.collect()
    # the counts are the process's: other tests' objects may still be held somewhere
    base = engine.counters()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(engine.selector())) as runner:
        runner.run(asyncio.wait_for(scenario(engine), 100))
    gc.collect()
    counters = engine.counters()
    assert counters.get("handlers", 0) <= base.get("handlers", 0)
    assert counters.get("parties", 0) <= base.get("parties", 0)
