"""Memory of idle client connections: what a worker's resident size grows by for each.

    PYTHONPATH=src:. python bench/idle.py [CONNECTIONS]

Opens that many kept connections (10,000, or what the open files limit permits) to a gateway with one worker, each of
which has had one answer, and prints resident bytes per connection. Kernel memory is not in it.
"""

import os
import resource
import socket
import sys
from pathlib import Path

from tests.support import LimenProcess

SITE = """
workers: 1
limits: {connections: 1000000, per_client: none}
listeners:
  - bind: 127.0.0.1:@PORT@
    timeouts: {idle: 10m}
    routes: [{respond: {status: 200, body: ok}}]
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"


def resident(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Measures and prints."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    count = min(wanted, most - 200) if most != resource.RLIM_INFINITY else wanted
    kept: list[socket.socket] = []

    def more(number: int, port: int) -> None:
        for _ in range(number):
            sock = socket.create_connection(("127.0.0.1", port), timeout=30)
            sock.sendall(REQUEST)
            sock.recv(4096)
            kept.append(sock)

    with LimenProcess(SITE, fresh=True) as site:
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
