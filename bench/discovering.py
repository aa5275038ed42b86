"""What one discovered change costs with many endpoints: in the supervisor, and in a worker whose loop it keeps busy.

    PYTHONPATH=src:. python bench/discovering.py [UPSTREAMS] [ENDPOINTS OF EACH]

Prints milliseconds of processor time, the best of several, for one changed endpoint of one upstream: choosing and
merging the lists, numbering, packing; unpacking, building, putting in force; and beside them the same by a whole
revision. Bytes are those that travel to each worker.
"""

import asyncio
import sys
import time

from limen.config import loads
from limen.config.models.upstreams import Endpoint
from limen.observe import board
from limen.runtime.assemble import adapt, assemble
from limen.runtime.changes import apply_change, encode_change
from limen.runtime.discovered import filled, loops
from limen.runtime.estate import changed, establish
from limen.runtime.pacing import at_once
from limen.runtime.revision import Parts, encode, unpack


def text(upstreams, endpoints):
    lines = ["listeners:", "  - bind: 127.0.0.1:0", "    routes:"]
    lines += [f"      - {{match: {{path: /{number}/}}, upstream: u{number}}}" for number in range(upstreams)]
    lines.append("upstreams:")
    for number in range(upstreams):
        listed = ", ".join(
            f"'10.{number // 250}.{number % 250}.{one % 250}:{8000 + one // 250}'" for one in range(endpoints)
        )
        lines.append(f"  u{number}: {{endpoints: [{listed}]}}")
    return "\n".join(lines)


def nothing(*_):
    """What the engine would ask for."""


class Times:
    """The best time of each step."""

    def __init__(self):
        self.best = {}

    def __call__(self, name, work):
        began = time.thread_time()
        result = work()
        took = time.thread_time() - began
        self.best[name] = min(took, self.best.get(name, took))
        return result


def another(upstream, round_):
    moved = Endpoint.model_validate({"address": f"10.9.9.9:{9000 + round_}"})
    return (*upstream.endpoints[1:-1], moved)


def one_round(times, engine, estate, assembly, round_):
    before = estate.revision
    model = before.config.upstreams["u0"]
    bare = model.model_copy(update={"endpoints": ()})

    def merge():
        full = filled(bare, another(model, round_))
        config = before.config.model_copy(update={"upstreams": {**before.config.upstreams, "u0": full}})
        assert not loops(config, "u0")
        return config

    config = times("merge", merge)
    successor = times("number", lambda: changed(estate, config, ["u0"]))
    change = times("pack", lambda: encode_change(before, successor.revision, ["u0"]))
    revision, names = times("unpack", lambda: apply_change(change, assembly.revision))
    adapted = times("build", lambda: at_once(adapt(engine, revision, assembly, names)))
    times("put in force", adapted.settle)
    whole = times("pack all", lambda: encode(successor.revision))
    other = times("unpack all", lambda: at_once(unpack(whole, Parts(), Parts())))
    times("build all", lambda: at_once(assemble(engine, other, assembly)))
    return successor, adapted.assembly, change, whole


async def measured(upstreams, endpoints):
    from limen.engine.board import Board
    from limen.engine.engine import Engine

    written = loads(text(upstreams, endpoints))
    descriptor, header = board.create(1)
    engine = Engine(
        number=0,
        board=Board(descriptor, 0),
        resolve=nothing,
        run_hook=nothing,
        report=nothing,
    )
    times = Times()
    estate = establish(written, number=1, workers=1, base="")
    assembly = at_once(assemble(engine, estate.revision, None))
    change = whole = b""
    for round_ in range(10):
        estate, assembly, change, whole = one_round(times, engine, estate, assembly, round_)
    for name, took in times.best.items():
        print(f"{name:14} {took * 1000:8.3f} ms")
    print(f"{len(change)} bytes of change, {len(whole)} of all")
    estate.close(unlink=True)
    header.close()


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(measured(*(counts or (100, 100))))
