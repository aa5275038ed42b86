"""Free TCP ports for programs that must be told their port before they start.

Ports are taken below the range from which the kernel hands out ephemeral ones, so that no outgoing connection of a
test running at the same time can take one between the check here and the bind of the program.
"""

import contextlib
import itertools
import os
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

LOWEST = 10240
PARTS = 8
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _highest() -> int:
    try:
        return int(_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 32768


def _candidates() -> Iterator[int]:
    # Each process of pytest-xdist has a part of its own, and each run begins elsewhere; within one process no port is
    # given twice before all were.
    size = max(_highest() - LOWEST, 1024)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    start = zlib.crc32(run.encode()) + worker * (size // PARTS)
    return (LOWEST + (start + step) % size for step in itertools.count())


_next = _candidates()


def _is_free(port: int) -> bool:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((address, port))
        except OSError as error:
            if family == socket.AF_INET6 and not isinstance(error, PermissionError) and not has_ipv6():
                continue
            return False
    return True


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port on which nothing listens now, neither on 127.0.0.1 nor on ::1."""
    for port in itertools.islice(_next, 4096):
        if _is_free(port):
            return port
    message = "no free port found"
    raise RuntimeError(message)


@contextlib.contextmanager
def blackhole(family: int = socket.AF_INET) -> Iterator[int]:
    """A port of loopback on which nobody ever answers a SYN: its queue is full."""
    with contextlib.ExitStack() as kept:
        listening = kept.enter_context(socket.socket(family, socket.SOCK_STREAM))
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        # of those that are dealt out: who wants an origin on the same port of another address shall find it free
        port = free_port()
        listening.bind((host, port))
        listening.listen(0)
        for _ in range(4):
            client = kept.enter_context(socket.socket(family, socket.SOCK_STREAM))
            client.setblocking(False)
            client.connect_ex((host, port))
        yield port
