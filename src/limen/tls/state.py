"""Where Limen keeps what it makes itself and must find again after a restart."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def state_directory() -> Path:
    """$STATE_DIRECTORY, $XDG_STATE_HOME/limen, /var/lib/limen (root) or ~/.local/state/limen; it may not exist yet."""
    # systemd separates several directories by colons
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME", "")
    if home:
        return Path(home, "limen")
    return Path("/var/lib/limen") if os.geteuid() == 0 else Path.home() / ".local/state/limen"


def write(path: Path, content: bytes) -> None:
    """Writes a file that only we may read, in one step, and its directory if need be. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mode 0600 from the beginning
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
