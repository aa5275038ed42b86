"""A small benchmark of this machine: nginx as origin, limen as gateway before it, wrk (or a loop) as the client.

It tells whether something became grossly slower, not how fast limen is: origin, client and gateway share the cores.
Figures to compare with other proxies, and how they were measured, are in docs/performance.md.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.support import REVERSE, LimenProcess, NginxOrigin, ScriptedOrigin, available

CLIENTS = 64


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def requests_in(output: str) -> int:
    """The number of requests in what wrk prints; complaints go to standard error."""
    if bad := re.search(r"(?:Socket errors|Non-2xx).*", output):
        print(f"  {bad[0].strip()}", file=sys.stderr)
    found = re.search(r"(\d+) requests in", output)
    return int(found[1]) if found else 0


def load(proxy: LimenProcess, seconds: int) -> int:
    """Requests answered in `seconds`."""
    if shutil.which("wrk") is None:
        count, end = 0, time.monotonic() + seconds
        with proxy.connect() as client:
            while time.monotonic() < end:
                client.request("GET", "/hello")
                count += 1
        return count
    url = f"http://127.0.0.1:{proxy.port()}/hello"
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return requests_in(output)


def main() -> int:
    """Runs and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=5)
    seconds = parser.parse_args().seconds
    origin = NginxOrigin() if available("nginx") else ScriptedOrigin()
    with origin, LimenProcess(REVERSE, values={"ORIGIN": origin}) as proxy:
        load(proxy, 1)
        workers = proxy.worker_pids()
        before = cpu_seconds(workers)
        count = load(proxy, seconds)
        used = cpu_seconds(workers) - before
    if not count:
        print("no request was answered", file=sys.stderr)
        return 1
    client = f"wrk, {CLIENTS} connections" if shutil.which("wrk") else "one connection"
    print(f"{count / seconds:,.0f} requests/s, {used / count * 1e6:.1f} µs CPU of the worker each ({client})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
