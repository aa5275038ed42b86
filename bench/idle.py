"""Memory of idle client connections: what a worker's resident size grows by for each.

    PYTHONPATH=src:. python bench/idle.py [CONNECTIONS] [--tls]

Opens that many kept connections (10,000, or what the open files limit permits) to a gateway with one worker, each of
which has had one answer, and prints resident bytes per connection. Kernel memory is not in it. `--tls`: over TLS.
"""

import argparse
import os
import resource
import socket
import ssl
from pathlib import Path

from tests.support import LimenProcess

SITE = """
workers: 1
limits: {connections: 1000000, per_client: none}
listeners:
  - bind: 127.0.0.1:@PORT@
    @TLS@
    timeouts: {idle: 10m}
    routes: [{respond: {status: 200, body: ok}}]
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"


def resident(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser()
    options.add_argument("connections", type=int, nargs="?", default=10_000)
    options.add_argument("--tls", action="store_true")
    asked = options.parse_args()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(asked.connections, most - 200) if most != resource.RLIM_INFINITY else asked.connections
    kept: list[socket.socket] = []

    def more(number: int, port: int) -> None:
        for _ in range(number):
            sock = socket.create_connection(("127.0.0.1", port), timeout=30)
            if asked.tls:
                sock = context.wrap_socket(sock)
            sock.sendall(REQUEST)
            sock.recv(4096)
            kept.append(sock)

    with LimenProcess(SITE.replace("@TLS@", "tls: {self_signed: true}" if asked.tls else ""), fresh=True) as site:
        (worker,) = site.worker_pids()
        # a first few, so that what is made once is not counted
        more(min(500, count // 10), site.port())
        before, first = resident(worker), len(kept)
        more(count - first, site.port())
        grown = resident(worker) - before
        print(f"{len(kept)} idle connections: {grown / (len(kept) - first):.0f} bytes each, {resident(worker)} in all")
        for sock in kept:
            sock.close()


if __name__ == "__main__":
    main()
