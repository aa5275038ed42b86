"""Lists of names: time of a look-up, memory, time until all is in force, and what a table of access rules adds.

    PYTHONPATH=src:. python bench/host_lists.py [--names 5000000] [--rules 1000]

Asked are names of the list, names below them and others in equal parts, in random order, all different; `hot` asks for
the same ten again and again. `rules` decides the same hosts by rules of which each names a host of its own, the last
ones also the list.
"""

import argparse
import os
import random
import tempfile
import time

from limen.engine import _tables_probe as probe
from limen.engine.access import AccessTable
from limen.engine.host_lists import HostList
from limen.policy.specs import AccessSpec
from limen.runtime.lists import Request, read_list

ASKED = 100_000
ROUNDS = 5
ENDINGS = ("com", "net", "org", "de", "co.uk", "com.br", "info", "ru")


def names(count, source):
    """As block lists have them: two to four labels, about 20 bytes."""
    for _ in range(count):
        word = f"{source.getrandbits(40):x}"
        yield f"{source.choice(('', '', 'ads.', 'track-7.'))}{word[:6]}-{word[6:]}.{source.choice(ENDINGS)}"


def main():
    """The table of figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", type=int, default=5_000_000)
    parser.add_argument("--rules", type=int, default=1000)
    options = parser.parse_args()
    source = random.Random(1)
    asked = []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for number, name in enumerate(names(options.names, source)):
            file.write(f"{name}\n")
            if number % max(1, options.names * 3 // ASKED) == 0:
                asked += [name.encode(), f"www.{name}".encode(), f"www.x{name}".encode()]
        file.flush()
        began = time.perf_counter()
        table = read_list(file.name, Request(format="domains", most=10_000_000, below=True), os.urandom(16))
        listed = HostList()
        listed.replace(table.descriptor)
        took = time.perf_counter() - began
    os.close(table.descriptor)
    source.shuffle(asked)
    print(f"{len(listed):,} names, {table.size / 1e6:.1f} MB, in force after {took:.2f} s")
    mixed = min(probe.bench_held(listed, asked, 1) for _ in range(ROUNDS))
    hot = min(probe.bench_held(listed, asked[:10], 10_000) for _ in range(ROUNDS))
    print(f"look-up: mix {mixed[0]:.0f} ns ({mixed[1]:,} of {len(asked):,} found), hot {hot[0]:.0f} ns")
    rules = [AccessSpec(number % 2 == 0, hosts=(f".site{number}.example",)) for number in range(options.rules - 2)]
    last = [AccessSpec(False, host_lists=("listed",)), AccessSpec(True)]
    for title, specs in (
        ("one rule", [AccessSpec(True)]),
        (f"{options.rules} rules", [*rules, AccessSpec(False, hosts=("x.example",)), AccessSpec(True)]),
        (f"{options.rules} rules with the list", [*rules, *last]),
    ):
        made = AccessTable(specs, {"listed": listed})
        mixed = min(probe.bench_decide(made, asked, 1) for _ in range(ROUNDS))
        hot = min(probe.bench_decide(made, asked[:10], 10_000) for _ in range(ROUNDS))
        print(f"{title}: mix {mixed:.0f} ns, hot {hot:.0f} ns")


if __name__ == "__main__":
    main()
