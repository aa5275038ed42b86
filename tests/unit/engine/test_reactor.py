"""The reactor as asyncio's selector: everything that a loop offers works on one built with engine.selector()."""

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time

import pytest

from limen.engine.engine import Engine


@pytest.fixture
def engine():
    return Engine()


def run(engine, work):
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(engine.selector())) as runner:
        return runner.run(asyncio.wait_for(work, 30))


def test_timers_in_order_and_not_early(engine):
    async def main():
        loop = asyncio.get_running_loop()
        fired = []
        # all from one instant: their order is known however long it takes to set them
        begun = loop.time()
        done = loop.create_future()
        for delay in (0.03, 0.01, 0.02, 0.0):
            loop.call_at(begun + delay, lambda delay=delay: fired.append((delay, loop.time() - begun)))
        loop.call_at(begun + 0.05, done.set_result, None)
        await done
        return fired

    fired = run(engine, main())
    assert [delay for delay, _ in fired] == [0.0, 0.01, 0.02, 0.03]
    assert all(after >= delay - 0.001 for delay, after in fired)


def test_call_soon_runs_while_nothing_is_ready(engine):
    async def main():
        for _ in range(1000):
            await asyncio.sleep(0)
        return "done"

    assert run(engine, main()) == "done"


def test_a_call_from_another_thread_wakes_the_loop(engine):
    async def main():
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        thread = threading.Thread(target=lambda: (time.sleep(0.05), loop.call_soon_threadsafe(called.set_result, 7)))
        thread.start()
        found = await called
        await asyncio.to_thread(thread.join)
        return found

    assert run(engine, main()) == 7


def test_streams(engine):
    data = os.urandom(1 << 20)

    async def serve(reader, writer):
        writer.write(await reader.read())
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(data)
            writer.write_eof()
            found = await reader.read()
            writer.close()
            await writer.wait_closed()
            return found

    assert run(engine, main()) == data


def test_socket_calls_of_the_loop(engine):
    async def main():
        loop = asyncio.get_running_loop()
        a, b = socket.socketpair()
        with a, b:
            a.setblocking(False)
            b.setblocking(False)
            receiving = asyncio.create_task(loop.sock_recv(b, 100))
            await asyncio.sleep(0)
            await loop.sock_sendall(a, b"hello")
            return await receiving

    assert run(engine, main()) == b"hello"


def test_readers_can_be_added_and_removed(engine):
    async def main():
        loop = asyncio.get_running_loop()
        reader, writer = os.pipe()
        seen = asyncio.Event()
        loop.add_reader(reader, seen.set)
        os.write(writer, b"x")
        await seen.wait()
        assert loop.remove_reader(reader)
        seen.clear()
        await asyncio.sleep(0.02)
        os.close(reader)
        os.close(writer)
        return seen.is_set()

    assert run(engine, main()) is False


def test_subprocesses(engine):
    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; print(sys.stdin.read() * 2)", stdin=-1, stdout=-1
        )
        out, _ = await process.communicate(b"ab")
        return out, process.returncode

    assert run(engine, main()) == (b"abab\n", 0)


def test_names_are_looked_up_in_a_thread(engine):
    async def main():
        return await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)

    assert {entry[4][0] for entry in run(engine, main())} & {"127.0.0.1", "::1"}


def test_signals(engine):
    async def main():
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, came.set)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        await came.wait()
        return loop.remove_signal_handler(signal.SIGUSR1)

    assert run(engine, main()) is True


def test_timeouts_and_cancellation(engine):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await asyncio.Event().wait()
        task = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(engine, main())


def test_the_loop_sleeps_when_there_is_nothing_to_do(engine):
    async def main():
        before = engine.batches
        await asyncio.sleep(0.3)
        return engine.batches - before

    assert run(engine, main()) < 20


def test_poll_returns_for_a_deadline(engine):
    assert engine.poll(0) is False
    assert engine.poll(0.01) is False


def test_two_loops_one_after_the_other(engine):
    async def main():
        await asyncio.sleep(0)
        return 1

    assert run(engine, main()) + run(engine, main()) == 2


def test_descriptors_are_closed_with_the_engine():
    def once():
        engine = Engine()

        async def main():
            await asyncio.sleep(0)

        run(engine, main())

    once()
    gc.collect()  # what other tests have left closes nothing meanwhile
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        once()
    assert len(os.listdir("/proc/self/fd")) == before
