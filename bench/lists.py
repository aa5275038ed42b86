"""Address lists of 1,000,000 entries: time of a look-up, memory, and time until all is in force.

    PYTHONPATH=src:. python bench/lists.py [--entries 1000000]

`mix` asks for addresses of the list and for others in equal parts, in random order; `hot` for the same ten again and
again.
"""

import argparse
import os
import random
import tempfile
import time
from ipaddress import IPv4Address, IPv6Address

from limen.engine import _shield_probe as probe
from limen.engine.lists import AddressList
from limen.runtime.lists import Request, read_list

ASKED = 200_000
ROUNDS = 5


def four(count, source):
    """Single addresses all over IPv4, and as many others."""
    numbers = [source.getrandbits(32) for _ in range(count)]
    return [str(IPv4Address(number)) for number in numbers], [
        b"\0" * 10 + b"\xff\xff" + number.to_bytes(4, "big") for number in numbers[:ASKED]
    ]


def prefixes(count, source):
    """Prefixes of /16 to /32, most of them long, as block lists have them."""
    entries, ips = [], []
    for _ in range(count):
        bits = source.choice((16, 20, 22, 23, 24, 24, 24, 28, 29, 32, 32, 32))
        number = source.getrandbits(32) >> (32 - bits) << (32 - bits)
        entries.append(f"{IPv4Address(number)}/{bits}")
        ips.append(b"\0" * 10 + b"\xff\xff" + number.to_bytes(4, "big"))
    return entries, ips[:ASKED]


def networks(count, source):
    """/48 and /64 networks of IPv6 in use."""
    entries, ips = [], []
    for _ in range(count):
        bits = source.choice((48, 56, 64))
        number = (source.choice((0x2001, 0x2400, 0x2600, 0x2A00)) << 112) | (
            source.getrandbits(bits - 16) << (128 - bits)
        )
        entries.append(f"{IPv6Address(number)}/{bits}")
        ips.append(number.to_bytes(16, "big"))
    return entries, ips[:ASKED]


def six(count, source):
    """Single addresses of IPv6."""
    numbers = [(0x2A00 << 112) | source.getrandbits(112) for _ in range(count)]
    return [str(IPv6Address(number)) for number in numbers], [number.to_bytes(16, "big") for number in numbers[:ASKED]]


def main():
    """The table of figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    count = parser.parse_args().entries
    source = random.Random(1)
    print(f"{'list':12}{'ranges':>10}{'MB':>8}{'load s':>8}{'mix ns':>8}{'hot ns':>8}{'found':>9}")
    for kind in (four, prefixes, networks, six):
        entries, ips = kind(count, source)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(entries))
            file.flush()
            began = time.perf_counter()
            table = read_list(file.name, Request(most=2_000_000))
            made = AddressList()
            made.replace(table.descriptor)
            took = time.perf_counter() - began
        others = [ip[:8] + source.randbytes(8) if kind is six else ip[:12] + source.randbytes(4) for ip in ips]
        if kind is networks:
            others = [ip[:2] + source.randbytes(14) for ip in ips]
        asked = [*ips, *others]
        source.shuffle(asked)
        mixed = min(probe.bench_listed(made, asked, 1) for _ in range(ROUNDS))
        hot = min(probe.bench_listed(made, asked[:10], 100_000)[0] for _ in range(ROUNDS))
        print(f"{kind.__name__:12}{len(made):10,}{table.size / 1e6:8.2f}{took:8.2f}", end="")
        print(f"{mixed[0]:8.1f}{hot:8.1f}{mixed[1]:9,}", flush=True)
        os.close(table.descriptor)


if __name__ == "__main__":
    main()
