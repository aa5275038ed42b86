"""What one choice costs, by policy and number of endpoints: `python -m bench.balancing`. Needs the probes of a build.

`choice` is the choice alone; `claimed` with entering the endpoint and leaving it again. Nanoseconds, best of five.
"""

from __future__ import annotations

from limen.engine import _engine_probe as probe
from limen.engine.balance import Balancer
from limen.engine.engine import Engine
from limen.engine.upstream import Endpoint, Upstream

POLICIES = ("round_robin", "least_requests", "two_choices", "random", "peak_ewma", "hash", "first")
TIMES = 200_000
NOW = 1_000_000_000_000


def upstream(engine: Engine, policy: int, count: int, *, even: bool, bound: float = 0.0) -> Upstream:
    """`count` endpoints, all measured once."""
    members = [
        Endpoint(engine, key=str(i), host=f"10.0.{i // 250}.{i % 250 + 1}", port=80, slot=i) for i in range(count)
    ]
    for number, member in enumerate(members):
        probe.measured(member, NOW, 1_000_000 + number % 7 * 100_000, 10.0)
    weights = None if even else [1 + i % 3 for i in range(count)]
    balancer = Balancer([member.label for member in members], policy=policy, weights=weights, bound=bound)
    return Upstream("bench", members, balancer=balancer)


def best(made: Upstream, *, entering: bool) -> float:
    """Nanoseconds per choice."""
    return min(probe.choose_often(made, NOW, TIMES, entering) for _ in range(5)) / TIMES


def main() -> None:
    """Prints the table."""
    engine = Engine()
    print(f"{'policy':24}{'endpoints':>10}{'choice':>9}{'claimed':>9}")
    cases = [(name, number, 0.0) for number, name in enumerate(POLICIES)] + [("hash, bound 1.25", 5, 1.25)]
    for name, policy, bound in cases:
        for even in (True, False):
            for count in (8, 32, 1000, 10_000):
                made = upstream(engine, policy, count, even=even, bound=bound)
                label = name if even else f"{name}, weights"
                print(
                    f"{label:24}{count:>10}{best(made, entering=False):9.0f}{best(made, entering=True):9.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
