"""One of four endpoints is ten times slower: what clients see of it, by balancer, beside other proxies.

    PYTHONPATH=src python bench/slow_endpoint.py [--seconds 20] [--rounds 3] [--load 0.6] [--envoy PATH]

Four origins answer one request after the other, each after sleeping its service time (10 ms, of one 100 ms, each by
chance half as long to half as long again), so that the processors are mostly idle. Requests are due at random times
(Poisson) at `--load` of what the four can do together, whether or not the earlier ones were answered; latency counts
from when a request was due. All get the same arrivals and service times, in turns, `--rounds` times over; HAProxy and
Envoy (from PATH, or `--envoy`) are left out with a word where they are missing. Prints medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

SERVICE = 0.010
SLOWER = 10
ORIGINS = 4
PATIENCE = 30.0
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: bench.example\r\n\r\n"
LIMEN = ("least_requests", "peak_ewma", "two_choices")

HAPROXY = """
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  balance leastconn
{servers}
"""
ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: f
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: b, timeout: 0s}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: b
    type: STATIC
    connect_timeout: 5s
    lb_policy: LEAST_REQUEST
    circuit_breakers: {{thresholds: [{{max_connections: 20000, max_pending_requests: 20000, max_requests: 20000}}]}}
    load_assignment: {{cluster_name: b, endpoints: [{{lb_endpoints: [{servers}]}}]}}
"""


class Origin:
    """Serves one request at a time; the others wait."""

    def __init__(self, service: float, seed: int) -> None:
        self.served = 0
        self._service = service
        self._random = random.Random(seed)
        self._free_at = 0.0

    def serve(self, transport: asyncio.Transport) -> None:
        """Answers when all who came before have had their time."""
        loop = asyncio.get_running_loop()
        self.served += 1
        self._free_at = max(self._free_at, loop.time()) + self._service * self._random.uniform(0.5, 1.5)
        loop.call_at(self._free_at, transport.write, REPLY)


class OriginConnection(asyncio.Protocol):
    """One connection to an origin."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept for the answers."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Heads only: nobody sends content."""
        *heads, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for _ in heads:
            self._origin.serve(self._transport)


@dataclass
class Outcome:
    """What one run saw."""

    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    slow_share: float = 0.0

    def at(self, part: float) -> float:
        """A percentile, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class Clients:
    """Kept connections to the proxy, one more whenever all are busy."""

    def __init__(self, port: int, outcome: Outcome) -> None:
        self._port = port
        self._outcome = outcome
        self._idle: collections.deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = collections.deque()

    async def ask(self, due: float) -> None:
        """One request, its time from when it was due."""
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(3)
            if not head.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(head)
            self._idle.append((reader, writer))
            self._outcome.latencies.append(asyncio.get_running_loop().time() - due)
        except (OSError, asyncio.IncompleteReadError):
            self._outcome.failures += 1

    def close(self) -> None:
        """All of them."""
        for _, writer in self._idle:
            writer.close()


async def offer(port: int, rate: float, seconds: float, seed: int) -> Outcome:
    """Requests at random times, for so long."""
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    clients = Clients(port, outcome)
    chance = random.Random(seed)
    tasks = set()
    due = loop.time() + 0.05
    end = due + seconds
    while due < end:
        await asyncio.sleep(due - loop.time())
        task = asyncio.create_task(clients.ask(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += chance.expovariate(rate)
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)
    outcome.failures += len(tasks)
    clients.close()
    return outcome


@contextlib.asynccontextmanager
async def origins(seed: int) -> AsyncIterator[tuple[list[Origin], list[int]]]:
    """Four of them on free ports, the last one slow."""
    made, ports, servers = [], [], []
    for number in range(ORIGINS):
        origin = Origin(SERVICE * (SLOWER if number == ORIGINS - 1 else 1), seed + number)
        server = await asyncio.get_running_loop().create_server(partial(OriginConnection, origin), "127.0.0.1", 0)
        made.append(origin)
        servers.append(server)
        ports.append(server.sockets[0].getsockname()[1])
    try:
        yield made, ports
    finally:
        for server in servers:
            server.close()


def free_port() -> int:
    """One that nobody has at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(peer: str, directory: Path, port: int, ports: list[int], options: argparse.Namespace) -> list[str]:
    """How the peer is started."""
    name, _, policy = peer.partition(" ")
    if name == "limen":
        config = directory / "limen.yaml"
        endpoints = ", ".join(f"'127.0.0.1:{number}'" for number in ports)
        config.write_text(
            f"workers: {options.workers}\nlisteners:\n  - bind: 127.0.0.1:{port}\n    routes: [{{upstream: web}}]\n"
            f"upstreams:\n  web: {{endpoints: [{endpoints}], balance: {policy}}}\n",
            encoding="utf-8",
        )
        return [sys.executable, "-m", "limen", "run", str(config)]
    if name == "haproxy":
        config = directory / "haproxy.cfg"
        servers = "\n".join(f"  server s{number} 127.0.0.1:{number}" for number in ports)
        config.write_text(HAPROXY.format(port=port, servers=servers), encoding="utf-8")
        return [options.haproxy, "-db", "-f", str(config)]
    config = directory / "envoy.yaml"
    servers = ", ".join(
        f"{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {number}}}}}}}}}"
        for number in ports
    )
    config.write_text(ENVOY.format(port=port, servers=servers), encoding="utf-8")
    return [options.envoy, "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]


@contextlib.contextmanager
def running(arguments: list[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The peer, in a group of its own that ends with it."""
    env = {**os.environ, "XDG_RUNTIME_DIR": str(directory), "XDG_STATE_HOME": str(directory)}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, env=env, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def said(log: Path) -> str:
    """What the peer printed."""
    return log.read_text(encoding="utf-8", errors="replace")


async def answering(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when the peer accepts."""
    for _ in range(1500):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise SystemExit(f"it did not start:\n{said(log)}")


async def measure(peer: str, number: int, options: argparse.Namespace) -> Outcome:
    """One run of one peer."""
    rate = options.load * ((ORIGINS - 1) / SERVICE + 1 / (SERVICE * SLOWER))
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as name:
        directory = Path(name)
        async with origins(1000 * number) as (made, ports):
            port = free_port()
            with running(command(peer, directory, port, ports, options), directory) as process:
                await answering(port, process, directory / "log")
                outcome = await offer(port, rate, options.seconds, number)
        outcome.slow_share = made[-1].served / max(1, sum(origin.served for origin in made))
        return outcome


def peers(options: argparse.Namespace) -> list[str]:
    """Those that are here."""
    found = [f"limen {policy}" for policy in LIMEN]
    for name, path, policy in (("haproxy", options.haproxy, "leastconn"), ("envoy", options.envoy, "LEAST_REQUEST")):
        if path:
            found.append(f"{name} {policy}")
        else:
            print(f"{name} is not installed: left out")
    return found


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of load per run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--load", type=float, default=0.6, help="part of what the origins can do together")
    parser.add_argument("--workers", type=int, default=1, help="of Limen")
    parser.add_argument("--envoy", default=shutil.which("envoy"))
    parser.add_argument("--haproxy", default=shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin"))
    options = parser.parse_args()
    outcomes = collections.defaultdict(list)
    names = peers(options)
    for number in range(1, options.rounds + 1):
        for peer in names:
            outcomes[peer].append(asyncio.run(measure(peer, number, options)))
    print(f"{'ms':24}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}{'p99 from':>10}{'to':>8}{'slow %':>8}{'failed':>8}")
    for peer in names:
        runs = outcomes[peer]
        medians = [statistics.median(run.at(part) for run in runs) for part in (0.5, 0.9, 0.99, 1.0)]
        spread = [run.at(0.99) for run in runs]
        share = 100 * statistics.median(run.slow_share for run in runs)
        print(
            f"{peer:24}{''.join(f'{value:8.1f}' for value in medians)}{min(spread):10.1f}{max(spread):8.1f}{share:8.2f}"
            f"{sum(run.failures for run in runs):8}"
        )


if __name__ == "__main__":
    main()
