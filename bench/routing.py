"""What routing costs in a whole request: limen with 10 and with 10,000 routes, its CPU time per request compared.

The routes differ by host and by path prefix; the request takes the last of them, which a list would try last. All
answer by themselves (`respond`), so that nothing but limen's own work is measured. Needs wrk.
"""

import argparse
import shutil
import subprocess
import sys

from bench.smoke import CLIENTS, cpu_seconds, requests_in
from tests.support import LimenProcess

FEW, MANY = 10, 10_000


def configuration(count: int) -> str:
    """Half of the routes by host, half by path on one host."""
    lines = ["workers: 1", "listeners:", "  - bind: 127.0.0.1:@PORT@", "    routes:"]
    for i in range(count // 2):
        lines.append(f"      - {{match: {{host: site{i}.example}}, respond: {{status: 200, body: ok}}}}")
        lines.append(f"      - {{match: {{host: one.example, path: /area{i}/}}, respond: {{status: 200, body: ok}}}}")
    return "\n".join(lines) + "\n"


def load(port: int, host: str, path: str, seconds: float) -> int:
    """Requests answered."""
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds:g}s", "-H", f"Host: {host}", url]
    return requests_in(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def microseconds(proxy: LimenProcess, host: str, path: str, seconds: float) -> float:
    """CPU time of the worker per request."""
    load(proxy.port(), host, path, 1)
    before = cpu_seconds(proxy.worker_pids())
    count = load(proxy.port(), host, path, seconds)
    return (cpu_seconds(proxy.worker_pids()) - before) / max(count, 1) * 1e6


def main() -> int:
    """Runs and prints a line per kind of route."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many counts")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is needed", file=sys.stderr)
        return 1
    least: dict[tuple[str, int], float] = {}
    with LimenProcess(configuration(FEW)) as few, LimenProcess(configuration(MANY)) as many:
        for _ in range(options.rounds):
            for count, proxy in ((FEW, few), (MANY, many)):
                last = count // 2 - 1
                for kind, host, path in (
                    ("host", f"site{last}.example", "/"),
                    ("path", "one.example", f"/area{last}/x"),
                ):
                    used = microseconds(proxy, host, path, options.seconds)
                    least[kind, count] = min(used, least.get((kind, count), used))
    for kind in ("host", "path"):
        a, b = least[kind, FEW], least[kind, MANY]
        print(f"by {kind}: {a:.2f} us with {FEW} routes, {b:.2f} us with {MANY}: ratio {b / a:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
