"""One running instance per configuration: where its control socket is, and the lock that proves it alone.

Beside `NAME.sock` lies `NAME.lock`, locked as long as the supervisor lives and holding its pid. A lock ends with its
holder however that ends, so a left-over socket can be replaced without asking. A handover passes the lock on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import stat
from pathlib import Path

from limen.errors import LimenError
from limen.runtime.sockets import BindError, listen_unix


class AlreadyRunning(LimenError):
    """Another instance holds the control socket; the text names its pid."""


def runtime_directory() -> Path:
    """Where control sockets lie: $XDG_RUNTIME_DIR/limen, or /tmp/limen-UID."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base, "limen") if base else Path(f"/tmp/limen-{os.getuid()}")  # noqa: S108 checked by _own_directory


def control_path(name: str) -> Path:
    """The default control socket of the instance `name`: the absolute path of its configuration, or any other text."""
    return runtime_directory() / (hashlib.sha256(name.encode()).hexdigest()[:16] + ".sock")


class Instance:
    """The control socket, listening, mode 0600, and its lock."""

    def __init__(self, path: Path, lock: int, sock: socket.socket) -> None:
        self.path = path
        self.lock = lock
        self.socket = sock

    @classmethod
    def claim(cls, path: Path) -> Instance:
        """Takes the place. Raises AlreadyRunning, or BindError when the path cannot be used."""
        if path.parent == runtime_directory():
            _own_directory(path.parent)
        lock_path = path.with_suffix(".lock")
        try:
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise BindError(f"cannot use the control socket {path}: {error.strerror}: {lock_path}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise AlreadyRunning(f"already running (pid {pid}, control socket {path})") from None
        try:
            instance = cls(path, lock, listen_unix(str(path), mode=0o600))
        except BaseException:
            os.close(lock)
            raise
        instance.write_pid()
        return instance

    @classmethod
    def inherit(cls, path: Path, *, lock: int, sock: socket.socket) -> Instance:
        """Takes over what the predecessor of a handover passed on; the pid is written when it lets go."""
        return cls(path, lock, sock)

    def write_pid(self) -> None:
        """Notes this process as the holder."""
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, f"{os.getpid()}\n".encode(), 0)

    def release(self, *, unlink: bool) -> None:
        """Gives the place up; `unlink` False after a handover, when it is another's."""
        if unlink:
            # The lock file stays: removing it would let two claims lock two files of one name.
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.socket.close()
        os.close(self.lock)


def running_instances() -> list[Path]:
    """Control sockets of this user's running instances in the default place."""
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(runtime_directory().glob("*.sock")):
            probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with probe, contextlib.suppress(OSError):
                probe.settimeout(1.0)
                probe.connect(str(path))
                found.append(path)
    return found


def _own_directory(path: Path) -> None:
    """Makes the directory, for us alone; in /tmp somebody else may have been faster: that is refused."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise BindError(f"cannot make the directory of control sockets {path}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise BindError(f"{path} is not a directory of ours alone; set XDG_RUNTIME_DIR or control.socket")
