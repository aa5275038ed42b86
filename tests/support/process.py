"""Runs a real limen from the text of a configuration and watches it.

The output of the supervisor and its workers is kept; a traceback, a sanitizer's report, a worker that died or an exit
status that nobody expected fails the test, with the whole log in the message.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, NoReturn, Self

import yaml

import limen
from tests.support.forked import NAME as MOULD
from tests.support.forked import Forked, mould
from tests.support.ports import free_port
from tests.support.wire import DEFAULT_TIMEOUT, RawClient, WireResponse

# Sanitized and debug builds on a busy machine are slow to start; a healthy start takes well under a second.
START_TIMEOUT = float(os.environ.get("LIMEN_TEST_START_TIMEOUT", "60"))
STOP_TIMEOUT = float(os.environ.get("LIMEN_TEST_STOP_TIMEOUT", "60"))
# For what has to happen: only a failure takes that long.
WAIT_TIMEOUT = 60.0
# What an ended process may have printed is awaited for so long.
LAST_WORDS = 10.0
SOURCE = Path(limen.__file__).resolve().parent.parent
TOKEN = re.compile(r"@([A-Z][A-Z0-9_]*)@")
LISTENING = re.compile(r"listening on (\S+)")
# What a healthy process never prints. Tests that provoke one name it in `allow`.
TROUBLE = re.compile(
    r"Traceback \(most recent call last\)|Fatal Python error|AddressSanitizer|LeakSanitizer|runtime error: "
    r"|Segmentation fault|Exception ignored in|Task exception was never retrieved|was never awaited"
    r"|worker \d+ (?:died|was killed|is in a crash loop|cannot be started|ended before|did not )|Unhandled exception"
)


class LimenFailure(AssertionError):
    """The process did what it must not; the message holds its whole output."""


class LimenProcess:
    """`limen run` on a configuration, as a context manager.

    `text` is the YAML. Each `@NAME@` in it is replaced by `values["NAME"]` (an object with an `address`, such as an
    origin, stands for that) or else by a free port, the same one everywhere; `port("NAME")` tells which.
    `@DIR@` is `directory`, where the file lies: a fresh temporary one unless given.

        with ScriptedOrigin() as origin, LimenProcess(REVERSE, values={"ORIGIN": origin}) as proxy:
            with proxy.connect() as client:          # to the first listener
                assert client.request().status == 200

    `allow`: regular expressions for lines of trouble that the test provokes. `status`: the exit status expected on
    SIGTERM. `arguments`: what stands before the path on the command line. Times are in seconds. `fresh`: interpreters of
    its own, which have loaded nothing but what it asks for.
    """

    def __init__(
        self,
        text: str,
        *,
        values: Mapping[str, object] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = ("run",),
        directory: Path | None = None,
        allow: Iterable[str] = (),
        status: int = 0,
        start_timeout: float = START_TIMEOUT,
        stop_timeout: float = STOP_TIMEOUT,
        fresh: bool = False,
    ) -> None:
        self._fresh = fresh
        # (a successor may still be on its way out when it is removed)
        self._temporary = (
            None if directory else tempfile.TemporaryDirectory(prefix="limen-test-", ignore_cleanup_errors=True)
        )
        self.directory = directory or Path(self._temporary.name if self._temporary else "")
        self.path = self.directory / "limen.yaml"
        # What follows `arguments`; a command without a file sets it to nothing.
        self.files = [str(self.path)]
        self.values: dict[str, object] = {"DIR": self.directory, **(values or {})}
        self.text = self._write(text)
        self.env = dict(env or {})
        self.arguments = [*arguments]
        self.allow = [re.compile(pattern) for pattern in allow]
        self.status = status
        self.start_timeout = start_timeout
        self.stop_timeout = stop_timeout
        self.listening: list[str] = []
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._readers: list[threading.Thread] = []
        self._process: subprocess.Popen[bytes] | Forked | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._end()
            raise

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.stop()
        except LimenFailure as failure:
            if value is None:
                raise
            value.add_note(str(failure))
        else:
            if value is not None and self.log:
                value.add_note(f"--- output of limen ---\n{self.log}")
        finally:
            self._end()

    def start(self) -> Self:
        """Starts the process and returns once every listener of the configuration was announced."""
        path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
        env = {
            **os.environ,
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
            "XDG_RUNTIME_DIR": str(self.directory),
            "XDG_STATE_HOME": str(self.directory / "state"),
            **self.env,
        }
        if not self._fresh and mould().fits(env):
            self._process = mould().start([*self.arguments, *self.files], self.directory, env)
        else:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "limen", *self.arguments, *self.files],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.directory,
                env=env,
                start_new_session=True,  # its own group: what is left of it can be killed as one
            )
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
            reader.start()
            self._readers.append(reader)
        expected = _count_listeners(self.text)
        self._wait(lambda: len(self.listening) >= expected, self.start_timeout, f"{expected} x 'listening on'")
        return self

    def stop(self) -> None:
        """SIGTERM, then everything a healthy end must show; LimenFailure otherwise. Does nothing when ended."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            status = process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            # SIGABRT makes faulthandler print where every thread stands
            self._signal_group(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            self._end()
            self._fail(f"still running {self.stop_timeout:g} s after SIGTERM")
        self._end()
        if status != self.status:
            self._fail(f"ended with status {status} instead of {self.status}")
        self.check_log()

    def kill(self) -> None:
        """Ends the whole group at once and checks nothing."""
        self._end()

    def wait_for_exit(self, timeout: float = STOP_TIMEOUT) -> int:
        """The exit status of a process that ends by itself; TimeoutExpired otherwise."""
        return self._running().wait(timeout)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._signal_group(signal.SIGKILL, process.pid)
        process.wait()
        for reader in self._readers:
            reader.join(5)
        self._readers.clear()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _signal_group(self, number: signal.Signals, pid: int | None = None) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid or self.pid, number)

    # -- what it said ----------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """Everything printed so far, stdout and stderr as they came."""
        with self._changed:
            return "\n".join(self._lines)

    def wait_for_log(self, pattern: str, timeout: float = WAIT_TIMEOUT, *, count: int = 1) -> list[str]:
        """The matches of the regular expression once there are `count`; LimenFailure after `timeout`."""
        compiled = re.compile(pattern, re.MULTILINE)
        self._wait(lambda: len(compiled.findall("\n".join(self._lines))) >= count, timeout, f"{count} x {pattern!r}")
        return compiled.findall(self.log)

    def check_log(self) -> None:
        """LimenFailure when the output holds a sign of trouble that `allow` does not name."""
        for line in self.log.splitlines():
            if TROUBLE.search(line) and not any(pattern.search(line) for pattern in self.allow):
                self._fail(f"trouble in the log: {line}")

    def _read(self, stream: IO[bytes] | BinaryIO) -> None:
        for raw in stream:
            line = raw.decode(errors="backslashreplace").rstrip("\n")
            with self._changed:
                self._lines.append(line)
                if found := LISTENING.search(line):
                    self.listening.append(found[1])
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _wait(self, done: Callable[[], bool], timeout: float, what: str) -> None:
        deadline, ended = time.monotonic() + timeout, 0.0
        with self._changed:
            while not done():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                if self._process is not None and self._process.poll() is not None:
                    # its last lines may not have been read yet; a successor may hold the streams open for long
                    ended = ended or time.monotonic() + LAST_WORDS
                    deadline = min(deadline, ended)
                    if not any(reader.is_alive() for reader in self._readers):
                        deadline = 0.0
                        continue
                self._changed.wait(min(left, 0.1))
            else:
                return
        status = self._process.poll() if self._process is not None else None
        self._fail(f"no {what}" + (f": ended with status {status}" if status is not None else f" within {timeout:g} s"))

    def _fail(self, reason: str) -> NoReturn:
        raise LimenFailure(f"limen {reason}\n--- configuration ---\n{self.text}\n--- output ---\n{self.log}")

    # -- what it is ------------------------------------------------------------------------------------------------

    def _running(self) -> subprocess.Popen[bytes] | Forked:
        if self._process is None:
            message = "limen is not running"
            raise RuntimeError(message)
        return self._process

    @property
    def pid(self) -> int:
        """The supervisor."""
        return self._running().pid

    def worker_pids(self) -> list[int]:
        """The supervisor's children, oldest first (Linux)."""
        found = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            found += [int(pid) for pid in _told_by_kernel(task / "children").split()]
        return sorted(pid for pid in found if _told_by_kernel(Path(f"/proc/{pid}/comm")).strip() not in ("", MOULD))

    def memory(self) -> int:
        """Resident bytes of the supervisor and its workers together (Linux)."""
        pages = 0
        for pid in (self.pid, *self.worker_pids()):
            pages += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def open_files(self) -> int:
        """Descriptors open in the workers together (Linux): the same before and after, or something leaks."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.worker_pids())

    # -- talking to it ---------------------------------------------------------------------------------------------

    def port(self, name: str = "PORT") -> int:
        """The port that stands for `@name@`."""
        return int(str(self.values[name]))

    def connect(self, name: str | None = None, *, timeout: float = DEFAULT_TIMEOUT) -> RawClient:
        """A raw client on 127.0.0.1 at `@name@`, or without a name at the first listener announced."""
        if name is not None:
            return RawClient(("127.0.0.1", self.port(name)), timeout=timeout)
        return RawClient(_address(self.listening[0]), timeout=timeout)

    def get(self, target: str = "/", fields: Iterable[tuple[str, str]] = (), **options: Any) -> WireResponse:
        """One GET on a fresh connection to the first listener (`options` as for RawClient.request)."""
        with self.connect() as client:
            return client.request("GET", target, fields, **options)

    def admin(self, target: str, *, name: str = "ADMIN") -> WireResponse:
        """One GET on the admin address, for which the configuration holds `admin: {bind: "127.0.0.1:@ADMIN@"}`."""
        with self.connect(name) as client:
            client.send_request("GET", target, [("Connection", "close")], host=f"127.0.0.1:{self.port(name)}")
            return client.read_response()

    def catch_up(self, *, name: str = "ADMIN") -> None:
        """Returns when every worker is done with what it was at.

        What an exchange counts is written down after its last byte was sent, and may be read here before it is. A worker
        answers this question between two events, so that what it had to write for the last one is there.
        """
        self.admin("/exchanges?limit=1", name=name)

    def metrics(self, *, target: str = "/metrics", name: str = "ADMIN") -> dict[str, float]:
        """Every sample of the exposition: `name{label="value"}` as printed, to its value."""
        self.catch_up(name=name)
        samples = {}
        for line in self.admin(target, name=name).text.splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                samples[key] = float(value)
        return samples

    # -- changing it -----------------------------------------------------------------------------------------------

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the supervisor."""
        self._running().send_signal(number)

    def write(self, text: str) -> None:
        """Replaces the configuration file (in one step), tokens filled in as at the start."""
        self.text = self._write(text)

    def reload(self, text: str, *, expect: str = r"reloaded: |reload refused") -> str:
        """Replaces the file, sends SIGHUP and returns the first new line of the log that matches `expect`."""
        pattern = re.compile(expect)
        with self._changed:
            before = len(self._lines)
        self.write(text)
        self.signal(signal.SIGHUP)
        self._wait(
            lambda: any(pattern.search(line) for line in self._lines[before:]), WAIT_TIMEOUT, f"line like {expect!r}"
        )
        with self._changed:
            return next(line for line in self._lines[before:] if pattern.search(line))

    def command(self, *arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs `limen ARGUMENTS` (for instance "reload", path) against this instance; never raises on a status."""
        return run_limen(*arguments, env={"XDG_RUNTIME_DIR": str(self.directory)}, timeout=timeout)

    def _write(self, text: str) -> str:
        filled = TOKEN.sub(lambda found: self._value(found[1]), text)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(filled, encoding="utf-8")
        fresh.rename(self.path)
        return filled

    def _value(self, name: str) -> str:
        value = self.values.setdefault(name, free_port())
        return str(getattr(value, "address", value))


def run_limen(
    *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120.0, directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `limen ARGUMENTS` to its end, output captured; for check, schema, --version and bad configurations."""
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, **(env or {})}
    if mould().fits(environment):
        started = mould().start(arguments, directory or Path.cwd(), environment)
        out, err = started.communicate(timeout)
        return subprocess.CompletedProcess([*arguments], started.wait(), out.decode(), err.decode())
    return subprocess.run(
        [sys.executable, "-m", "limen", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        cwd=directory,
        env=environment,
    )


def _told_by_kernel(path: Path) -> str:
    """The content of a file of a process or thread; empty where that has ended meanwhile."""
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _count_listeners(text: str) -> int:
    """How many listeners the configuration has; 1 when it cannot be told (a bad file, a command without one)."""
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError:
        return 1
    listeners = loaded.get("listeners") if isinstance(loaded, dict) else None
    return len(listeners) if isinstance(listeners, list) and listeners else 1


def _address(text: str) -> tuple[str, int] | str:
    """`127.0.0.1:80`, `[::1]:80` or `unix:/path` as a socket address; a wildcard becomes loopback."""
    text = text.removeprefix("http://").removeprefix("tcp:").rstrip("/,")
    if text.startswith(("unix:", "/")):
        return text.removeprefix("unix:")
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(host, host), int(port)


def wait_until(done: Callable[[], bool], timeout: float = WAIT_TIMEOUT, *, what: str = "the condition") -> None:
    """Polls until `done()` is true; TimeoutError otherwise. For states that no log line and no socket announces."""
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            message = f"{what} did not come true within {timeout:g} s"
            raise TimeoutError(message)
        time.sleep(0.01)


def port_is_closed(port: int, host: str = "127.0.0.1") -> bool:
    """True when a connection to the port is refused."""
    try:
        with socket.create_connection((host, port), timeout=5):
            return False
    except ConnectionRefusedError:
        return True
