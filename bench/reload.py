"""What a reload costs with many routes, and for how long at a time it keeps a worker from its connections.

    PYTHONPATH=src python bench/reload.py [ROUTES]

Prints seconds for loading the YAML, for the supervisor's part, and for a worker's prepare and publish: of a first
revision, of one with nothing changed, with one route changed, one inserted in front, and everything changed; beside
each the longest time between two turns of the worker's loop, in milliseconds.
"""

import asyncio
import itertools
import sys
import time
from typing import Self

from limen.config import Config, loads
from limen.observe import board
from limen.runtime.core import Core
from limen.runtime.estate import listener_keys
from limen.runtime.names import CAPACITY, slot_names
from limen.runtime.revision import ListenerPlace, Revision, encode
from limen.runtime.slots import SlotBook


def text(routes: int, *, first: str = "", stem: str = "") -> str:
    """YAML with so many routes."""
    lines = ["upstreams:", "  web: {endpoints: ['127.0.0.1:9001']}", "listeners:", "  - bind: 127.0.0.1:8080"]
    lines += ["    routes:", *([first] if first else [])]
    for number in range(routes):
        match = f"{{host: h{number % 500}.example.com, path: /p{stem}{number}}}"
        lines.append(f"      - {{name: r{number}, match: {match}, upstream: web}}")
    return "\n".join(lines)


def revision(config: Config, number: int, book: SlotBook) -> tuple[Revision, SlotBook]:
    """As the supervisor makes it, without sockets."""
    planned = book.planned(slot_names(config), capacity=CAPACITY, now=0.0)
    places = tuple(ListenerPlace(key, index, "127.0.0.1:8080") for index, key in enumerate(listener_keys(config)))
    return Revision(number, config, places, planned.active, (), "", "bench"), planned


class Watch:
    """Notes the longest time between two turns of the loop."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        await asyncio.sleep(0.01)
        self.longest = 0.0
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.005)
        self._task.cancel()

    async def _run(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now


async def measure(core: Core, routes: int) -> None:
    """All cases in turn."""
    one = "      - {name: first, match: {host: new.example.com}, upstream: web}"
    plain = text(routes)
    half = f"path: /p{routes // 2}}}"
    cases = {
        "first": plain,
        "same": plain,
        "one changed": plain.replace(half, half.replace("/p", "/q")),
        "one in front": text(routes, first=one),
        "all changed": text(routes, stem="x"),
    }
    book = SlotBook()
    print(f"{routes} routes           load  supervisor  prepare  publish  longest turn")
    for number, (name, source) in enumerate(cases.items(), 1):
        times = [time.perf_counter()]
        config = loads(source)
        times.append(time.perf_counter())
        made, book = revision(config, number, book)
        payload = encode(made)
        del config, made
        times.append(time.perf_counter())
        async with Watch() as watch:
            times.append(time.perf_counter())
            await core.prepare(payload, number)
            times.append(time.perf_counter())
            core.publish(number)
            times.append(time.perf_counter())
        load, supervisor, _, prepare, publish = (after - before for before, after in itertools.pairwise(times))
        print(
            f"{name:18}  {load:7.3f} s  {supervisor:7.3f} s  {prepare:5.3f} s  {publish:5.3f} s"
            f"  {watch.longest * 1000:8.1f} ms  ({len(payload) / 1e6:.1f} MB)"
        )


def main() -> None:
    """Runs on a loop like a worker's."""
    descriptor, _header = board.create(1)
    core = Core(worker=0, board=descriptor, log=print)
    with asyncio.Runner(loop_factory=core.loop_factory) as runner:
        runner.run(measure(core, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))


if __name__ == "__main__":
    main()
