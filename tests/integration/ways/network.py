"""Two network namespaces on a wire: a client, and a router with Limen and the targets on it. Needs root and iproute2.

What a process does with sockets it does in the namespace of its thread: `with network.client:` moves this thread there
and back. A limen that is to run in one needs `fresh=True`.
"""

import ctypes
import os
import shutil
import subprocess
from contextlib import ExitStack
from types import TracebackType
from typing import Self

CLONE_NEWNET = 0x40000000
CLIENT, ROUTER = "192.0.2.2", "192.0.2.1"
CLIENT6, ROUTER6 = "2001:db8::2", "2001:db8::1"
TARGET, TARGET6 = "203.0.113.10", "2001:db8:10::10"
# For the lock of older iptables, which all namespaces share: other tests may run at the same time.
WAITING = "--wait"
# Nobody goes there but by a rule.
OTHER = "203.0.113.20"


def run(*command: str) -> None:
    """A command of the system; RuntimeError with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        message = f"{' '.join(command)}: {done.stderr.strip()}"
        raise RuntimeError(message)


class Namespace:
    """One, by name; as a context manager, this thread is in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._before: list[int] = []

    def run(self, *command: str) -> None:
        """A command in it."""
        run("ip", "netns", "exec", self.name, *command)

    def __enter__(self) -> Self:
        self._before.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _move(there)
        finally:
            os.close(there)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        before = self._before.pop()
        _move(before)
        os.close(before)


def _move(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Network:
    """A context manager; `why_not()` says why a machine cannot have one."""

    def __init__(self) -> None:
        self.client = Namespace(f"limen-c{os.getpid()}")
        self.router = Namespace(f"limen-r{os.getpid()}")
        self._stack = ExitStack()
        self._marked = False

    @staticmethod
    def why_not() -> str:
        if os.geteuid() != 0:
            return "network namespaces need root"
        missing = [program for program in ("ip", "iptables", "ip6tables") if shutil.which(program) is None]
        if missing:
            return f"{', '.join(missing)} is not installed"
        probe = f"limen-p{os.getpid()}"
        try:
            run("ip", "netns", "add", probe)
            try:
                for program in ("iptables", "ip6tables"):
                    run("ip", "netns", "exec", probe, program, WAITING, "-t", "nat", "-L", "-n")
                run("ip", "netns", "exec", probe, "ip", "link", "set", "lo", "up")
            finally:
                run("ip", "netns", "del", probe)
        except RuntimeError as error:
            return str(error)
        return ""

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _make(self) -> None:
        for namespace in (self.client, self.router):
            run("ip", "netns", "add", namespace.name)
            self._stack.callback(run, "ip", "netns", "del", namespace.name)
            namespace.run("ip", "link", "set", "lo", "up")
        self.client.run(
            "ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", self.router.name
        )  # fmt: skip
        for namespace, four, six in ((self.client, CLIENT, CLIENT6), (self.router, ROUTER, ROUTER6)):
            namespace.run("ip", "address", "add", f"{four}/24", "dev", "wire")
            namespace.run("ip", "-6", "address", "add", f"{six}/64", "dev", "wire", "nodad")
            namespace.run("ip", "link", "set", "wire", "up")
        self.client.run("ip", "route", "add", "default", "via", ROUTER)
        self.client.run("ip", "-6", "route", "add", "default", "via", ROUTER6)
        self.router.run("ip", "address", "add", f"{TARGET}/32", "dev", "lo")
        self.router.run("ip", "address", "add", f"{OTHER}/32", "dev", "lo")
        self.router.run("ip", "-6", "address", "add", f"{TARGET6}/128", "dev", "lo", "nodad")

    def redirect(self, port: int, to: int) -> None:
        """What comes from the client for `port` of anybody is led to `to` of the router, changed."""
        for program in ("iptables", "ip6tables"):
            self.router.run(
                program, WAITING, "-t", "nat", "-A", "PREROUTING", "-i", "wire", "-p", "tcp", "--dport", str(port),
                "-j", "REDIRECT", "--to-ports", str(to),
            )  # fmt: skip

    def tproxy(self, port: int, to: int) -> None:
        """The same, unchanged: the socket must take what is meant for others."""
        for program, family in (("iptables", "-4"), ("ip6tables", "-6")):
            self.router.run(
                program, WAITING, "-t", "mangle", "-A", "PREROUTING", "-i", "wire", "-p", "tcp", "--dport", str(port),
                "-j", "TPROXY", "--on-port", str(to), "--tproxy-mark", "1",
            )  # fmt: skip
            if not self._marked:
                self.router.run("ip", family, "rule", "add", "fwmark", "1", "lookup", "100")
                self.router.run("ip", family, "route", "add", "local", "default", "dev", "lo", "table", "100")
        self._marked = True
