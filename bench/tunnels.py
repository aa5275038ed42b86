"""Idle CONNECT tunnels: what they cost in memory, and whether all is given back when either side ends them.

    PYTHONPATH=src:. python bench/tunnels.py [TUNNELS]

Opens that many tunnels (20,000, or what the open files limit permits) through a proxy with one worker, sends a few
bytes each way through each, and prints how much the worker's resident memory has grown. Then half of them are ended by
the client and half by the target, every second one by a reset, and it prints what is left: tunnels, descriptors, bytes.
Kernel memory is not in it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct
import sys
import time
from pathlib import Path

from tests.support import LimenProcess

SITE = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
limits: {connections: 100000, per_client: none}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {targets: {private: allow}, access: [{allow: {}}]}
"""
SPARE = 200


def files_allowed(wanted: int) -> int:
    """How many descriptors this process and those it starts may have: as many as wanted where we may raise that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(hard, wanted), hard):
        with contextlib.suppress(ValueError, PermissionError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            return most
    return hard


def tunnels(proxy: LimenProcess) -> float:
    """Those that are open."""
    return sum(value for key, value in proxy.metrics().items() if key.startswith("limen_tunnels"))


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def opened(port: int, listening: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a tunnel that has carried bytes."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    target = f"127.0.0.1:{listening.getsockname()[1]}"
    client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    origin, _ = listening.accept()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1024)
    if b" 200 " not in head:
        sys.exit(f"no tunnel: {head!r}")
    for one, other in ((client, origin), (origin, client)):
        one.sendall(b"ping")
        if other.recv(4) != b"ping":
            sys.exit("a tunnel lost its bytes")
    return client, origin


def main() -> None:
    """Opens, measures, ends, looks."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    count = min(wanted, (files_allowed(2 * wanted + SPARE) - SPARE) // 2)
    with LimenProcess(SITE) as proxy, socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        (worker,) = proxy.worker_pids()
        port = proxy.port()
        for _ in range(50):
            for one in opened(port, listening):
                one.close()
        time.sleep(1)
        files, before = proxy.open_files(), resident(worker)
        pairs = [opened(port, listening) for _ in range(count)]
        grown = resident(worker) - before
        print(f"{count:,} tunnels: {grown / 1e6:.1f} MB, {grown / count:.0f} bytes each")
        began = time.monotonic()
        for number, (client, origin) in enumerate(pairs):
            end = client if number % 2 else origin
            if number % 4 < 2:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
        # the other side hears of each
        for number, (client, origin) in enumerate(pairs):
            other = origin if number % 2 else client
            other.settimeout(30)
            try:
                if other.recv(1) != b"":
                    sys.exit("bytes from nowhere")
            except ConnectionResetError:
                pass
            other.close()
        while tunnels(proxy) and time.monotonic() - began < 60:
            time.sleep(0.05)
        print(f"ended after {time.monotonic() - began:.1f} s")
        while proxy.open_files() > files and time.monotonic() - began < 60:
            time.sleep(0.05)
        print(
            f"left: {tunnels(proxy):.0f} tunnels, {proxy.open_files() - files} descriptors, "
            f"{(resident(worker) - before) / 1e6:.1f} MB resident"
        )


if __name__ == "__main__":
    main()
