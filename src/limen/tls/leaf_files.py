"""The directory in which leaves and their key are kept, and which several processes share.

Nobody else may use it. A file appears in one step and whole: new ones by a link, which the first process wins, those
that replace a stale one by a rename. File names are digests; a host never becomes one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from limen.errors import ConfigError
from limen.tls.authority import LARGEST_FILE, key_pem

_log = logging.getLogger("limen.tls")

MOST_FILES = 20_000
"""Leaves that are kept at most: an origin with a wildcard certificate could be asked for under names without end."""


class LeafFiles:
    """The leaves of one authority on the disk."""

    def __init__(self, directory: Path, authority: str, lifetime: float, clock: Callable[[], float]) -> None:
        """Those of `authority` (a word that may be a file name) in `directory`, both made if needed.

        Leaves older than `lifetime` seconds are removed. Raises ConfigError where the directory cannot be used or
        others may use it.
        """
        self._lifetime = lifetime
        self._clock = clock
        self._place = _private_directory(directory, authority)
        self._room = 0
        self._make_room()

    def read(self, name: str) -> bytes | None:
        """What is kept for a name; None if nothing is, empty if it cannot be read."""
        try:
            with self._path(name).open("rb") as file:
                return file.read(LARGEST_FILE)
        except FileNotFoundError:
            return None
        except OSError:
            return b""

    def store(self, name: str, content: bytes, *, replace: bool) -> bool:
        """Keeps a leaf; False if another process did so before. A disk that takes nothing costs only the memory of it.

        With `replace` the last writer wins, and each of them wrote a good one.
        """
        try:
            if replace:
                _replace(self._path(name), content)
                return True
            if self._room <= 0:
                self._make_room()
            self._room -= 1
            return _link(self._path(name), content)
        except OSError as error:
            _log.warning("cannot keep a leaf in %s: %s", self._place, error.strerror or error)
            return True

    def key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the leaves: the one that is kept, or a new one. Raises ConfigError."""
        path = self._place / "leaf.key"
        try:
            for _ in range(3):
                key = _kept_key(path)
                if key is not None:
                    return key
        except OSError as error:
            raise ConfigError(f"cannot use {path}: {(error.strerror or str(error)).lower()}") from None
        raise ConfigError(f"cannot keep a key in {path}", hint="remove the file")

    def _path(self, name: str) -> Path:
        return self._place / f"{hashlib.sha256(name.encode()).hexdigest()}.pem"

    def _make_room(self) -> None:
        """Removes what is over, and the oldest half of what is too much."""
        found: list[tuple[float, Path]] = []
        with suppress(OSError):
            for entry in os.scandir(self._place):
                # one that another process removes meanwhile is no trouble
                with suppress(OSError):
                    if entry.name.endswith(".pem") and entry.is_file(follow_symlinks=False):
                        found.append((entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)))
        found.sort()
        oldest = self._clock() - self._lifetime
        over = sum(made < oldest for made, _ in found)
        if len(found) - over >= MOST_FILES:
            over = max(over, len(found) - MOST_FILES // 2)
        for _, path in found[:over]:
            with suppress(OSError):
                path.unlink()
        self._room = max(1, MOST_FILES - (len(found) - over))


def _private_directory(directory: Path, name: str) -> Path:
    """`name` in `directory`, both made if needed, and used by nobody else. Raises ConfigError."""
    place = directory / name
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        for one in (directory, place):
            one.mkdir(mode=0o700, exist_ok=True)
            found = one.stat()
            if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.geteuid():
                raise ConfigError(f"others may use the directory of leaves {one}", hint=f"chmod 700 {one}, and own it")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot use the directory of leaves {directory}: {reason}") from None
    return place


def _kept_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key in a file; None after something had to be done about it, and it is worth another look."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        _link(path, key_pem(ec.generate_private_key(ec.SECP256R1())))
        return None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    # Spoilt: leaves made with it do not fit the new one, and are made anew as they are asked for.
    _replace(path, key_pem(ec.generate_private_key(ec.SECP256R1())))
    return None


def _written(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{os.getpid()}-{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError:
        temporary.unlink()
        raise
    return temporary


def _link(path: Path, content: bytes) -> bool:
    """Puts a whole file there, unless there is one; False then."""
    temporary = _written(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    return True


def _replace(path: Path, content: bytes) -> None:
    temporary = _written(path, content)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink()
        raise
