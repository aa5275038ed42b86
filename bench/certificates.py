"""Ten thousand certificates: how long they take to load, what they cost a worker, what a reload of one takes.

    PYTHONPATH=src:. python bench/certificates.py [COUNT]

Half of the names are visited while memory is taken, and the time of a first handshake stands beside that of a second.
"""

import json
import os
import ssl
import sys
import tempfile
import time
from pathlib import Path

from bench.smoke import cpu_seconds
from bench.soak_tls import pss
from tests.support import LimenProcess
from tests.support.certificates import Authority, Pair

VISITED = 2000


def site(pairs: list[Pair]) -> str:
    """One listener with all of them."""
    return json.dumps(
        {
            "workers": 1,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "tls": {"certificates": [{"chain": str(pair.chain), "key": str(pair.key)} for pair in pairs]},
                    "routes": [{"respond": {"status": 200, "body": "ok"}}],
                }
            ],
        }
    )


def visit(proxy: LimenProcess, context: ssl.SSLContext, name: str) -> float:
    """Seconds of one handshake."""
    with proxy.connect() as client:
        began = time.perf_counter()
        client.secure(context, name)
        return time.perf_counter() - began


def measure(pairs: list[Pair], authority: Authority) -> tuple[int, float]:
    """PSS of the worker, and CPU seconds of all processes from the start to the announcement; the rest is printed."""
    began = time.perf_counter()
    with LimenProcess(site(pairs), start_timeout=120, fresh=True) as proxy:
        took = time.perf_counter() - began
        workers = proxy.worker_pids()
        used = cpu_seconds([proxy.pid, *workers])
        at_rest = pss(workers)
        print(
            f"{len(pairs):6} certificates: {took:.2f} s to the start ({used:.2f} s of CPU), "
            f"worker {at_rest / 2**20:.1f} MiB"
        )
        if len(pairs) < VISITED:
            return at_rest, used
        context = authority.trusting()
        first = [visit(proxy, context, f"n{number}.bench.example") for number in range(VISITED)]
        again = [visit(proxy, context, f"n{number}.bench.example") for number in range(VISITED)]
        print(
            f"       handshakes: first of a name {sum(first) / VISITED * 1e3:.2f} ms, "
            f"second {sum(again) / VISITED * 1e3:.2f} ms; "
            f"worker after {VISITED} names {pss(workers) / 2**20:.1f} MiB"
        )
        # one certificate is renewed: what a reload reads and parses is that one
        one = pairs[17]
        fresh = authority.issue("n17.bench.example")
        time.sleep(2.5)  # older than what its file could hide
        fresh.chain.rename(one.chain)
        fresh.key.rename(one.key)
        before, began = cpu_seconds([proxy.pid, *workers]), time.perf_counter()
        proxy.reload(proxy.text)
        used_again = cpu_seconds([proxy.pid, *workers]) - before
        print(f"       reload with one of them new: {time.perf_counter() - began:.2f} s, {used_again:.2f} s of CPU")
        return at_rest, used


def main() -> None:
    """Measures and prints."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    os.environ.setdefault("LIMEN_TEST_STOP_TIMEOUT", "60")
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        pairs = [authority.issue(f"n{number}.bench.example", file=f"n{number}") for number in range(count)]
        one, one_used = measure(pairs[:1], authority)
        many, many_used = measure(pairs, authority)
        print(
            f"{count} certificates cost {(many - one) / 2**20:.1f} MiB in a worker "
            f"and {many_used - one_used:.2f} s of CPU to load"
        )


if __name__ == "__main__":
    main()
