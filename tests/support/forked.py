"""Starts `limen` from a process that has imported it already: what a start costs is mostly the imports.

A mould, one for each process of pytest, imports limen once and forks a child for each start; the child becomes what
`python -m limen ...` would be: its own session, directory, environment, streams and command line. Before it does, it
forks a mould of its own, from which its workers come. Real starts, with an interpreter for each process, stay where
environments ask for one, in handovers, and in the tests of the README and the demo.
"""

import ctypes
import faulthandler
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, cast

from limen.runtime.process import WorkerProcess

PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
NAME = "limen-mould"
# What the interpreter reads at its own start: with other values than ours the child must have one of its own.
_PYTHON = ("PYTHON", "LD_", "ASAN_", "UBSAN_")
_SETTABLE = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONFAULTHANDLER")
_IMPORTED = (
    "limen.control.cli",
    "limen.control.serve",
    "limen.control.client",
    "limen.runtime.supervisor",
    "limen.control.admin.server",
    "limen.runtime.worker",
    "limen.runtime.core",
)
_LONGEST_REQUEST = 1 << 17


class Forked:
    """A child of the mould; what of subprocess.Popen the tests use."""

    def __init__(self, pid: int, stdout: BinaryIO | None = None, stderr: BinaryIO | None = None) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._pidfd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                os.close(self._pidfd)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As of Popen; TimeoutExpired after `timeout` seconds."""
        if self.poll() is None:
            select.select([self._pidfd], [], [], timeout)
            if self.poll() is None:
                raise subprocess.TimeoutExpired("limen", timeout or 0)
        return cast("int", self.returncode)

    def send_signal(self, number: int) -> None:
        """Does nothing when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        """All that it prints until its end; as of Popen, after `timeout` seconds killed with its group."""
        assert self.stdout is not None and self.stderr is not None
        with ThreadPoolExecutor(2) as readers, self.stdout, self.stderr:
            out, err = readers.submit(self.stdout.read), readers.submit(self.stderr.read)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.wait()
                raise
            return out.result(), err.result()


class Forks:
    """The asking end of a mould."""

    def __init__(self, end: socket.socket) -> None:
        self._lock = threading.Lock()
        self._end = end

    def fork(self, request: object, descriptors: Sequence[int]) -> int:
        """A child of ours that becomes what the request says; its pid."""
        with self._lock:
            # for as long as the child is handed over only: nobody else's orphans are wanted
            _control(PR_SET_CHILD_SUBREAPER, 1)
            try:
                socket.send_fds(self._end, [json.dumps(request).encode()], descriptors)
                answer = self._end.recv(64)
            finally:
                _control(PR_SET_CHILD_SUBREAPER, 0)
        if not answer:
            message = "the mould of limen has ended"
            raise RuntimeError(message)
        return int(answer)


class Mould:
    """The process that forks what tests start; made at the first need, and gone with this one."""

    def __init__(self) -> None:
        ours, theirs = _pair()
        self._forks = Forks(ours)
        self._environment = dict(os.environ)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from tests.support.forked import serve; serve()", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=Path(__file__).resolve().parent.parent.parent,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a forked child can have this environment."""
        ours = self._environment
        names = [name for name in {*ours, *env} if name.startswith(_PYTHON) and name not in _SETTABLE]
        return all(ours.get(name) == env.get(name) for name in names)

    def start(self, arguments: Sequence[str], directory: Path, env: Mapping[str, str]) -> Forked:
        """`limen ARGUMENTS` in `directory`."""
        out, theirs_out = os.pipe2(os.O_CLOEXEC)
        err, theirs_err = os.pipe2(os.O_CLOEXEC)
        try:
            pid = self._forks.fork([[*arguments], str(directory), dict(env)], [theirs_out, theirs_err])
        finally:
            os.close(theirs_out)
            os.close(theirs_err)
        return Forked(pid, os.fdopen(out, "rb"), os.fdopen(err, "rb"))


def _pair() -> tuple[socket.socket, socket.socket]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST_REQUEST)
    return ends


def _control(option: int, value: int | bytes) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")


_moulds: list[Mould] = []
_making = threading.Lock()


def mould() -> Mould:
    """The one of this process."""
    with _making:
        if not _moulds:
            _moulds.append(Mould())
        return _moulds[0]


# In a mould ------------------------------------------------------------------------------------------------------------


def serve() -> None:
    """The mould of supervisors; the socket is named on the command line."""
    for name in _IMPORTED:
        importlib.import_module(name)
    serve_forks(socket.socket(fileno=int(sys.argv[1])), become_limen)


def serve_forks(end: socket.socket, become: Callable[[Any, list[int]], int]) -> None:
    """Forks for each request, until the other end of the socket is closed."""
    _control(PR_SET_NAME, NAME.encode())
    gc.collect()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(end, _LONGEST_REQUEST, 2)
        if not request:
            return
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            # its child falls to whoever adopts orphans, who is the one that asks
            pid = os.fork()
            if pid:
                os.write(tell, str(pid).encode())
                os._exit(0)
            os.close(tell)
            os.close(told)
            end.close()
            _control(PR_SET_NAME, b"limen")
            os._exit(_run(become, json.loads(request), descriptors))
        os.close(tell)
        pid_text = os.read(told, 64)
        os.close(told)
        os.waitpid(between, 0)
        for descriptor in descriptors:
            os.close(descriptor)
        end.send(pid_text)


def _run(become: Callable[[Any, list[int]], int], request: object, descriptors: list[int]) -> int:
    random.seed()
    try:
        return become(request, descriptors)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(ended.code + "\n")
            return 1
        return ended.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


def become_limen(request: Any, descriptors: list[int]) -> int:
    """What `python -m limen` would be."""
    arguments, directory, env = request
    os.setsid()
    os.chdir(directory)
    _take_environment(env)
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", 0), encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(
        os.fdopen(2, "wb", 0), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    faulthandler.enable(file=2)
    sys.argv = ["limen", *arguments]
    sys.orig_argv = [sys.executable, "-m", "limen", *arguments]
    given = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [directory, *given, *(path for path in sys.path if path not in given)]
    ours, theirs = _pair()
    if os.fork() == 0:
        ours.close()
        # workers do not look for modules in the directory
        sys.path.remove(directory)
        serve_forks(theirs, become_worker)
        os._exit(0)
    theirs.close()
    WorkerProcess.launch = functools.partial(_launch_worker, Forks(ours))
    runpy.run_module("limen", run_name="__main__", alter_sys=True)
    return 0


def _launch_worker(
    forks: Forks, command: list[str], *, stdin: int, pass_fds: Sequence[int], env: Mapping[str, str]
) -> Forked:
    assert stdin == subprocess.DEVNULL
    return Forked(forks.fork([command, dict(env), [*pass_fds]], pass_fds))


def become_worker(request: Any, descriptors: list[int]) -> int:
    """What the command of a worker would be."""
    command, env, numbers = request
    _take_environment(env)
    # out of the way of the numbers that they shall have
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 500) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(moved, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    module = command.index("-m") + 1
    sys.argv = command[module:]
    sys.modules.pop(command[module], None)
    sys.orig_argv = command
    runpy.run_module(command[module], run_name="__main__", alter_sys=True)
    return 0


def _take_environment(env: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
