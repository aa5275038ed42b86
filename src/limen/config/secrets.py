"""Secrets that a configuration names instead of holding: `${ENV}` inside strings, `{file: path}` in place of one.

Environment variables are put in while the YAML is read (values only, never keys); files when a string is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from limen.config.refusal import Expanded, Refused, shown

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
LARGEST_FILE = 1024 * 1024
"""Bytes of a `{file: path}` at most; a larger one is a mistake, such as a device or a log."""


def expand(text: str, environment: Mapping[str, str] | None = None) -> str:
    """`text` with every `${NAME}` replaced by the variable, and `$${` by a literal `${`.

    The result is an Expanded (it remembers its source) if a variable was used. Raises Refused for a missing variable.
    """
    if "${" not in text:
        return text
    variables = os.environ if environment is None else environment
    used = False

    def value(match: re.Match[str]) -> str:
        nonlocal used
        if match[1] is None:
            return "${"
        if not match[2] or not _NAME.fullmatch(match[1]):
            raise Refused(f"{shown(match[0])} names no environment variable", "write ${NAME}, or $${ for a literal ${")
        used = True
        if match[1] not in variables:
            raise Refused(
                f"the environment variable {match[1]} is not set", f"set it, or write $${{{match[1]}}} literally"
            )
        return variables[match[1]]

    replaced = _REFERENCE.sub(value, text)
    return Expanded(replaced, text) if used else replaced


def is_file_reference(value: object) -> bool:
    """Whether a value is written as `{file: path}`."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("file"), str)


def read_file(value: Mapping[str, str], base: Path) -> Expanded:
    """The content of the file that `{file: path}` names, without its last line break; relative paths start at `base`.

    Raises Refused where the file is missing, unreadable, not UTF-8 or larger than LARGEST_FILE.
    """
    name = value["file"]
    if "\0" in name or not name:
        raise Refused(f"{shown(name)} is not a path", at="file")
    path = base / name
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise Refused(f"the file {shown(str(path))} is larger than 1 MiB", at="file")
        text = content.decode()
    except UnicodeDecodeError:
        raise Refused(f"the file {shown(str(path))} is not UTF-8 text", at="file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refused(f"cannot read the file {shown(str(path))}: {reason}", at="file") from None
    if text.endswith("\n"):
        text = text[:-2] if text.endswith("\r\n") else text[:-1]
    return Expanded(text, f"{{file: {name}}}")
