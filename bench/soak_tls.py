"""A soak of TLS: does the memory and do the descriptors of the workers stay flat under what clients do, good and bad?

    PYTHONPATH=src:. python bench/soak_tls.py [MINUTES] [--rate 60] [--workers 2] [--only DEED ...]

A gateway that ends TLS and a proxy that bridges get whole requests (new, resumed and kept connections, both versions),
handshakes that stop halfway, resets at any point, garbage, plain HTTP, bridged requests to many hosts, and clients that
refuse the leaf: `--rate` of them a second in all. Every ten seconds a line; at the end a verdict, and status 1 if it
is not flat: memory of the last third against the middle one, descriptors against those at the start.
"""

import argparse
import contextlib
import json
import os
import random
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean

from tests.support import LimenProcess, NameServerThread, RawClient, Reply, ScriptedOrigin, wait_until
from tests.support.certificates import Authority
from tests.support.sealed import SealedClient

HOSTS = 60
THREADS = 6
SAMPLE_EVERY = 10.0
# What may be more at the end than in the middle: a fiftieth, and what an allocator keeps for itself.
SLACK = 1.02, 1.5 * 2**20
GAUGES = ("limen_connections", "limen_exchanges_in_flight", "limen_tunnels", "limen_endpoint_active")


def pss(pids: list[int]) -> int:
    """Proportional resident bytes of the processes together."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


class Clients:
    """Threads that do one thing after the other, chosen by chance, at a bounded rate."""

    def __init__(self, proxy: LimenProcess, origin: ScriptedOrigin, site: Authority, organisation: Authority) -> None:
        self.proxy = proxy
        self.target_port = origin.port
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.contexts = []
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = site.trusting()
            context.maximum_version = version
            self.contexts.append(context)
        self.bridged = organisation.trusting()
        self.stranger = site.trusting()
        self.sessions: dict[ssl.SSLContext, ssl.SSLSession | None] = {}
        self.stopped = threading.Event()
        self.only: list[str] = []

    def run(self, rate: float, seed: int) -> None:
        """One thread's life."""
        chance = random.Random(seed)
        deeds: list[Callable[[random.Random], None]] = [
            self.request, self.request, self.resumed, self.kept, self.bridge, self.bridge, self.half, self.half,
            self.cut, self.garbage, self.plain, self.refuse_leaf, self.half_bridge,
        ]  # fmt: skip
        deeds = [deed for deed in deeds if not self.only or deed.__name__ in self.only]
        while not self.stopped.is_set():
            began = time.monotonic()
            deed = chance.choice(deeds)
            try:
                deed(chance)
            except Exception as error:  # noqa: BLE001 - counted and told at the end
                self.failures.append(f"{deed.__name__}: {error!r}")
            self.counts[deed.__name__] += 1
            self.stopped.wait(max(0.0, 1 / rate - (time.monotonic() - began)))

    def _sealed(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> RawClient:
        client = self.proxy.connect("PORT")
        try:
            client.socket = context.wrap_socket(client.socket, server_hostname="site.soak.example", session=session)
        except BaseException:
            client.close()
            raise
        return client

    @staticmethod
    def _ask(client: RawClient, host: str, size: int) -> None:
        response = client.request("POST", "/", host=host, content=b"x" * size)
        if response.status != 200 or len(response.content) != size:
            raise RuntimeError(f"status {response.status}, {len(response.content)} of {size} bytes")

    def request(self, chance: random.Random) -> None:
        """A request on a new connection."""
        context = chance.choice(self.contexts)
        with self._sealed(context) as client:
            self._ask(client, "site.soak.example", chance.choice([0, 10, 20_000, 200_000]))
            self.sessions[context] = client.socket.session  # type: ignore[attr-defined]

    def resumed(self, chance: random.Random) -> None:
        """A request on a resumed connection."""
        context = chance.choice(self.contexts)
        with self._sealed(context, self.sessions.get(context)) as client:
            self._ask(client, "site.soak.example", 100)
            self.sessions[context] = client.socket.session  # type: ignore[attr-defined]

    def kept(self, chance: random.Random) -> None:
        """Ten requests on one connection, and an end in good order."""
        with self._sealed(chance.choice(self.contexts)) as client:
            for _ in range(10):
                self._ask(client, "site.soak.example", chance.randrange(3000))
            client.socket.unwrap()  # type: ignore[attr-defined]

    def _hello(self, context: ssl.SSLContext, name: str) -> bytes:
        with self.proxy.connect("PORT") as client:
            return SealedClient(client, context, name).hello()

    def half(self, chance: random.Random) -> None:
        """A client hello, whole or in part, then nothing more."""
        hello = self._hello(chance.choice(self.contexts), "site.soak.example")
        with self.proxy.connect("PORT") as client:
            client.send(hello[: chance.randint(0, len(hello))])
            if chance.random() < 0.5:
                client.fill() if chance.random() < 0.1 else client.half_close()

    def cut(self, chance: random.Random) -> None:
        """A reset in the middle of a request or its answer."""
        client = self._sealed(chance.choice(self.contexts))
        client.send_request("POST", "/", content=b"x" * 100_000, host="site.soak.example")
        if chance.random() < 0.5:
            client.read_exactly(1000)
        client.reset()

    def garbage(self, chance: random.Random) -> None:
        """Bytes of no meaning, or a hello with some of them changed."""
        data = bytearray(self._hello(self.contexts[1], "site.soak.example"))
        for _ in range(chance.randint(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with self.proxy.connect("PORT") as client:
            client.send(bytes(data) if chance.random() < 0.7 else chance.randbytes(500))
            client.half_close()
            client.read_to_end()

    def plain(self, _chance: random.Random) -> None:
        """HTTP where TLS is spoken."""
        with self.proxy.connect("PORT") as client:
            client.request("GET", "/")

    def _tunnel(self, target: str) -> RawClient:
        client = self.proxy.connect("PROXY")
        client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
        if client.read_response("CONNECT").status != 200:
            client.close()
            raise RuntimeError("no tunnel")
        return client

    def bridge(self, chance: random.Random) -> None:
        """Requests through a bridge, to one of many hosts."""
        host = f"h{chance.randrange(HOSTS)}.soak.example"
        target = f"{host}:{self.target_port}"
        with self._tunnel(target) as client:
            client.secure(self.bridged, host)
            for _ in range(chance.randint(1, 4)):
                self._ask(client, target, chance.randrange(20_000))

    def half_bridge(self, chance: random.Random) -> None:
        """A tunnel with a part of a hello, or a whole one and then nobody."""
        host = f"h{chance.randrange(HOSTS)}.soak.example"
        hello = self._hello(self.bridged, host)
        client = self._tunnel(f"{host}:{self.target_port}")
        client.send(hello[: chance.randint(0, len(hello)) if chance.random() < 0.5 else len(hello)])
        client.reset() if chance.random() < 0.5 else client.close()

    def refuse_leaf(self, chance: random.Random) -> None:
        """A client that does not believe the leaf."""
        host = f"h{chance.randrange(HOSTS)}.soak.example"
        with self._tunnel(f"{host}:{self.target_port}") as client, contextlib.suppress(ssl.SSLCertVerificationError):
            context = ssl.create_default_context(cafile=None)
            client.secure(context, host)


def configuration(site: Authority, organisation: Authority, names: NameServerThread, origin: str, workers: int) -> str:
    """A gateway that ends TLS at @PORT@, a proxy that bridges at @PROXY@."""
    pairs = [site.issue("site.soak.example", kind=kind) for kind in ("ec", "rsa")]
    bridge = {
        "authority": organisation.files(),
        "tls": {"ca": str(site.file)},
        # fewer than there are hosts: leaves come and go
        "leaves": {"directory": "@DIR@/leaves", "memory": HOSTS // 2},
        "hosts": [".soak.example"],
        "pinned": {"learn": "none"},
    }
    return json.dumps(
        {
            "workers": workers,
            "resolver": {"servers": [names.address], "hosts": False},
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "log": {"access": {"path": "@DIR@/access.jsonl"}},
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "timeouts": {"handshake": "5s"},
                    "tls": {"certificates": [{"chain": str(pair.chain), "key": str(pair.key)} for pair in pairs]},
                    "routes": [{"upstream": "web"}],
                },
                {
                    "bind": "127.0.0.1:@PROXY@",
                    "forward": {"targets": {"private": "allow"}, "access": [{"allow": {}}], "bridge": bridge},
                },
            ],
            "upstreams": {
                "web": {"endpoints": [origin], "tls": {"ca": str(site.file), "server_name": "h0.soak.example"}}
            },
        }
    )


class Watch:
    """What was seen, every so often."""

    def __init__(self, proxy: LimenProcess) -> None:
        self.proxy = proxy
        self.workers = proxy.worker_pids()
        self.began = time.monotonic()
        self.memory: list[int] = []

    def look(self, clients: Clients) -> None:
        """Takes a sample and prints it."""
        self.memory.append(pss(self.workers))
        print(
            f"{time.monotonic() - self.began:6.0f} s  {self.memory[-1] / 2**20:7.2f} MiB  "
            f"{self.proxy.open_files():4d} descriptors  "
            f"{sum(clients.counts.values()):7d} done  {len(clients.failures)} failed",
            flush=True,
        )

    def verdict(self, first_files: int) -> bool:
        """Whether it stayed flat, printed."""
        third = max(1, len(self.memory) // 3)
        middle, last = mean(self.memory[third : 2 * third] or self.memory), mean(self.memory[-third:])
        files = self.proxy.open_files()
        flat = last <= middle * SLACK[0] + SLACK[1] and files <= first_files
        print(
            f"memory {middle / 2**20:.2f} MiB in the middle third, {last / 2**20:.2f} MiB in the last; "
            f"descriptors {first_files} before, {files} after: {'flat' if flat else 'NOT FLAT'}"
        )
        return flat


def idle(proxy: LimenProcess) -> bool:
    """Whether nothing is under way any more; connections to origins are kept for a while."""
    return not any(value for key, value in proxy.metrics().items() if key.partition("{")[0] in GAUGES)


def main() -> int:
    """Soaks, and says whether all stayed flat."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("minutes", type=float, nargs="?", default=1.0)
    parser.add_argument("--rate", type=float, default=60, help="deeds a second, all clients together")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="only these deeds, to find out who is to blame")
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        NameServerThread() as names,
    ):
        site, organisation = Authority(Path(folder)), Authority(Path(folder), "The organisation")
        for number in range(HOSTS):
            names.server.add(f"h{number}.soak.example", "60 A 127.0.0.1")
        tls = site.serving(site.issue("*.soak.example"))
        with ScriptedOrigin(lambda request, _: Reply(content=request.content), tls=tls) as origin:
            text = configuration(site, organisation, names, origin.address, wanted.workers)
            with LimenProcess(text) as proxy:
                clients = Clients(proxy, origin, site, organisation)
                clients.only = wanted.only
                return soak(proxy, clients, wanted.minutes * 60, wanted.rate)


def soak(proxy: LimenProcess, clients: Clients, seconds: float, rate: float) -> int:
    """Lets the clients loose for so long."""
    os.nice(10)
    watch = Watch(proxy)
    first_files = proxy.open_files()
    threads = [
        threading.Thread(target=clients.run, args=(rate / THREADS, seed), daemon=True) for seed in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        clients.stopped.wait(min(SAMPLE_EVERY, max(0.1, end - time.monotonic())))
        watch.look(clients)
    clients.stopped.set()
    for thread in threads:
        thread.join(30)
    wait_until(lambda: idle(proxy), 120, what="nothing under way")
    # connections to origins that are kept in pools are ours to keep: 55 s at most
    wait_until(lambda: proxy.open_files() <= first_files, 90, what="descriptors as at the start")
    print(", ".join(f"{count} {name}" for name, count in sorted(clients.counts.items())))
    for failure, count in Counter(clients.failures).most_common(10):
        print(f"failed {count} times: {failure}")
    return 0 if watch.verdict(first_files) and proxy.worker_pids() == watch.workers else 1


if __name__ == "__main__":
    sys.exit(main())
