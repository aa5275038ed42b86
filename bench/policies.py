"""What a balancer's policy costs per request: one gateway per policy, all before the same 8 endpoints, loaded in turns.

    PYTHONPATH=src:. python bench/policies.py [--seconds 2] [--rounds 15] [--workers 2] [POLICY ...]

CPU time of the workers (from the scheduler, in nanoseconds) per request; each round loads every gateway once, and
ratios are taken within a round, so that what else the machine does falls out. Needs nginx and wrk.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.smoke import load
from tests.support import LimenProcess, NginxOrigin, available

ENDPOINTS = 8
SITE = """
workers: @WORKERS@
listeners: [{bind: "127.0.0.1:@PORT@", routes: [{upstream: web}]}]
upstreams: {web: {endpoints: [@LIST@], balance: @POLICY@}}
"""


def used(pids: list[int]) -> int:
    """Nanoseconds on a processor so far."""
    return sum(
        int(path.read_text(encoding="ascii").split()[0])
        for pid in pids
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def per_request(gateway: LimenProcess, pids: list[int], seconds: int) -> float:
    """Microseconds."""
    before = used(pids)
    count = load(gateway, seconds)
    if not count:
        raise SystemExit("no request was answered")
    return (used(pids) - before) / count / 1000


def main() -> int:
    """Prints a row per policy: the median, and the ratio to the first one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("policies", nargs="*", default=["round_robin", "least_requests", "two_choices", "peak_ewma"])
    options = parser.parse_args()
    if not available("nginx", "wrk"):
        print("nginx and wrk are needed", file=sys.stderr)
        return 1
    origin = NginxOrigin()
    origin.extra = "".join(f"listen 127.0.0.{number}:{origin.port};\n" for number in range(2, ENDPOINTS + 1))
    listed = ", ".join(f'"127.0.0.{number}:{origin.port}"' for number in range(1, ENDPOINTS + 1))
    found: dict[str, list[float]] = {policy: [] for policy in options.policies}
    with ExitStack() as stack:
        stack.enter_context(origin)
        gateways = {}
        for policy in options.policies:
            values = {"LIST": listed, "POLICY": policy, "WORKERS": options.workers}
            gateway = stack.enter_context(LimenProcess(SITE, values=values))
            gateways[policy] = (gateway, gateway.worker_pids())
            load(gateway, 1)
        for number in range(options.rounds):
            # the first in the row is another one each time
            for place in range(len(gateways)):
                policy = options.policies[(place + number) % len(gateways)]
                found[policy].append(per_request(*gateways[policy], options.seconds))
    first = found[options.policies[0]]
    print(f"{'policy':18}{'µs/request':>12}{'ratio':>8}{'from':>8}{'to':>8}")
    for policy, times in found.items():
        ratios = sorted(time / other for time, other in zip(times, first, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        print(f"{policy:18}{statistics.median(times):12.2f}{statistics.median(ratios):8.3f}{low:8.3f}{high:8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
