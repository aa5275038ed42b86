"""Files that Limen reads while a test writes them, and the other way round."""

import json
from pathlib import Path
from typing import Any


def put(path: Path, text: str | bytes) -> None:
    """Replaces the content in one step: whoever looks meanwhile never finds an empty file, or half of one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(text.encode() if isinstance(text, str) else text)
    if path.exists():
        fresh.chmod(path.stat().st_mode & 0o7777)
    fresh.replace(path)


def whole_lines(path: Path) -> list[str]:
    """The lines of a log so far: not the last one while it is being written. None as long as there is no file."""
    text = path.read_bytes() if path.exists() else b""
    # (not splitlines: values may hold what else ends lines)
    return text.decode(errors="surrogateescape").split("\n")[:-1]


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The records of such a log."""
    return [json.loads(line) for line in whole_lines(path)]
