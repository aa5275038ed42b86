"""Bridging: requests on kept bridged connections, beside mitmproxy if it is given, and what a first visit costs.

    PYTHONPATH=src:. python bench/bridging.py [--mitmdump PATH] [--seconds 5]

nginx ends TLS as the origin, two processes with 8 tunnels each ask for 120 bytes over and over. Requests per second say
what came through on the shared cores of this machine, CPU time per request what the proxy itself needs. A first visit
is a CONNECT, a handshake with the origin, a leaf minted and a handshake with the client: CPU of all processes of
Limen.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.smoke import cpu_seconds
from tests.support import LimenProcess, NameServerThread, NginxOrigin, available, free_port, wait_until
from tests.support.certificates import Authority

PROCESSES, TUNNELS = 2, 8
HOSTS = 200
NAME = "h0.bench.example"


def tunnel(port: int, target: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection through the proxy to the target, with TLS inside."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    if b" 200 " not in answer.split(b"\r\n")[0]:
        raise RuntimeError(answer.decode("latin-1"))
    return context.wrap_socket(sock, server_hostname=target.rpartition(":")[0])


def ask(sock: ssl.SSLSocket, request: bytes, size: int) -> None:
    """One request, whose answer has so many bytes."""
    sock.sendall(request)
    got = 0
    while got < size:
        data = sock.recv(65536)
        if not data:
            raise RuntimeError("closed")
        got += len(data)


def client(port: int, target: str, ca: str, seconds: float, counted: "multiprocessing.Queue[int]") -> None:
    """One process: all its tunnels in turns, each with a request under way."""
    context = ssl.create_default_context(cafile=ca)
    socks = [tunnel(port, target, context) for _ in range(TUNNELS)]
    request = f"GET /small HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
    socks[0].sendall(request)
    size = 0
    while b"\r\n\r\n" not in (head := socks[0].recv(65536)):
        size += len(head)
    size += len(head)
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for sock in socks:
            sock.sendall(request)
        for sock in socks:
            got = 0
            while got < size:
                got += len(sock.recv(65536)) or size
        count += TUNNELS
    counted.put(count)


def rate(port: int, target: str, ca: str, seconds: float, pids: list[int]) -> tuple[float, float]:
    """Requests per second and CPU seconds of the proxy for each."""
    before = cpu_seconds(pids)
    # plain processes: a fork of this one would take its threads' locks along
    spawn = multiprocessing.get_context("spawn")
    counted = spawn.Queue()
    runs = [spawn.Process(target=client, args=(port, target, ca, seconds, counted)) for _ in range(PROCESSES)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(seconds + 60)
    count = sum(counted.get(timeout=5) for _ in runs)
    return count / seconds, (cpu_seconds(pids) - before) / count


def configuration(names: NameServerThread, organisation: Authority, internet: Authority) -> str:
    """A proxy that bridges all."""
    bridge = {
        "authority": organisation.files(),
        "tls": {"ca": str(internet.file)},
        "leaves": {"directory": "@DIR@/leaves"},
        "hosts": [".bench.example"],
    }
    forward = {"targets": {"private": "allow"}, "access": [{"allow": {}}], "bridge": bridge}
    return json.dumps(
        {
            "workers": 1,
            "resolver": {"servers": [names.address], "hosts": False},
            "listeners": [{"bind": "127.0.0.1:@PORT@", "forward": forward}],
        }
    )


@contextlib.contextmanager
def mitmproxy(program: str, folder: Path, internet: Authority) -> Iterator[tuple[int, int, str]]:
    """Its port, its process and the file of its authority; every host is this machine to it."""
    script = folder / "dial.py"
    script.write_text(
        "def server_connect(data):\n    data.server.address = ('127.0.0.1', data.server.address[1])\n", encoding="utf-8"
    )
    port = free_port()
    options = [f"confdir={folder}", f"ssl_verify_upstream_trusted_ca={internet.file}", "http2=false", "flow_detail=0"]
    process = subprocess.Popen(
        [program, "-q", "--listen-host", "127.0.0.1", "-p", str(port), "-s", str(script)]
        + [word for option in options for word in ("--set", option)],
        start_new_session=True,
    )
    try:
        certificate = folder / "mitmproxy-ca-cert.pem"
        wait_until(lambda: certificate.exists() and is_open(port), 60, what="mitmproxy")
        yield port, process.pid, str(certificate)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def is_open(port: int) -> bool:
    """Whether it accepts."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def first_visits(proxy: LimenProcess, port: int, ca: str, hosts: list[str]) -> float:
    """CPU seconds of Limen for each host: one tunnel, one request."""
    context = ssl.create_default_context(cafile=ca)
    pids = [proxy.pid, *proxy.worker_pids()]
    before = cpu_seconds(pids)
    for host in hosts:
        target = f"{host}:{port}"
        with tunnel(proxy.port(), target, context) as sock:
            ask(sock, f"GET /small HTTP/1.1\r\nHost: {target}\r\n\r\n".encode(), 1)
    return (cpu_seconds(pids) - before) / len(hosts)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mitmdump", help="mitmproxy's program, to be measured beside")
    parser.add_argument("--seconds", type=float, default=5)
    wanted = parser.parse_args()
    if not available("nginx"):
        print("needs nginx", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, NameServerThread() as names:
        organisation, internet = Authority(Path(folder), "The organisation"), Authority(Path(folder), "The internet")
        hosts = [f"h{number}.bench.example" for number in range(HOSTS)]
        for host in hosts:
            names.server.add(f"{host}", "60 A 127.0.0.1")
        with (
            NginxOrigin({"small": b"x" * 120}, tls=internet.issue("*.bench.example")) as origin,
            LimenProcess(configuration(names, organisation, internet)) as proxy,
        ):
            target = f"{NAME}:{origin.port}"
            pids = proxy.worker_pids()
            per_second, each = rate(proxy.port(), target, str(organisation.file), wanted.seconds, pids)
            print(f"Limen: {per_second:,.0f} requests/s, {each * 1e6:.1f} µs of CPU each")
            if wanted.mitmdump:
                with mitmproxy(wanted.mitmdump, Path(folder), internet) as (port, pid, certificate):
                    other, other_each = rate(port, target, certificate, wanted.seconds, [pid])
                print(f"mitmproxy: {other:,.0f} requests/s, {other_each * 1e6:.1f} µs of CPU each")
                print(f"{per_second / other:.0f} times the requests per second, {other_each / each:.0f} times less CPU")
            first = first_visits(proxy, origin.port, str(organisation.file), hosts[1:])
            again = first_visits(proxy, origin.port, str(organisation.file), hosts[1:])
            print(f"first visit of a host: {first * 1e3:.2f} ms of CPU; a second visit {again * 1e3:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
