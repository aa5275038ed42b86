"""Fields of a message for hooks: a multi-dictionary that keeps order and refuses what would break a message.

Names compare without case. Values are text of Latin-1 (RFC 9110, 5.5): each character is one byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Controls other than tab; CR, LF and NUL among them would begin a new field or message.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

#: Where a message ends and how its connection goes on is decided by the engine alone (RFC 9110, 7.6.1).
FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def check_name(name: str) -> None:
    """Raise ValueError unless `name` is a field name that a hook may edit."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a field name")
    if name.lower() in FRAMING:
        raise ValueError(f"{name} belongs to the framing of the message, which Limen writes itself")
    if name.lower() == "host":
        raise ValueError("Host is changed by exchange.request.host")


def check_value(value: str) -> str:
    """The value without surrounding white space; ValueError if it cannot be one."""
    if _FORBIDDEN.search(value):
        raise ValueError(f"{value!r} holds a control character")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{value!r} holds characters outside Latin-1; encode them first") from None
    return value.strip(" \t")


class Fields:
    """The fields of one message, in their order.

    Reading sees all of them; writing refuses (ValueError) malformed names and values, the fields of the
    framing (Content-Length, Transfer-Encoding, Connection, ...) and Host.
    """

    __slots__ = ("_changed", "_list")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._list = list(fields)
        self._changed = False

    @classmethod
    def checked(cls, fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> Fields:
        """Fields made of what a hook gives, each checked."""
        made = cls()
        for name, value in fields.items() if isinstance(fields, Mapping) else fields:
            made.add(name, value)
        return made

    @property
    def changed(self) -> bool:
        """Whether anything was written since they were made."""
        return self._changed

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`, or `default`."""
        wanted = name.lower()
        return next((value for known, value in self._list if known.lower() == wanted), default)

    def get_all(self, name: str) -> list[str]:
        """All values of `name`, in order."""
        wanted = name.lower()
        return [value for known, value in self._list if known.lower() == wanted]

    def set(self, name: str, value: str) -> None:
        """Give `name` this one value, in the place of its first, or at the end."""
        check_name(name)
        value = check_value(value)
        wanted = name.lower()
        kept: list[tuple[str, str]] = []
        placed = False
        for field in self._list:
            if field[0].lower() != wanted:
                kept.append(field)
            elif not placed:
                kept.append((name, value))
                placed = True
        if not placed:
            kept.append((name, value))
        self._list = kept
        self._changed = True

    def add(self, name: str, value: str) -> None:
        """Add one more line at the end."""
        check_name(name)
        self._list.append((name, check_value(value)))
        self._changed = True

    def remove(self, name: str) -> int:
        """Take away all lines of `name`; returns how many there were."""
        check_name(name)
        wanted = name.lower()
        kept = [field for field in self._list if field[0].lower() != wanted]
        removed = len(self._list) - len(kept)
        if removed:
            self._list = kept
            self._changed = True
        return removed

    def replace(self, fields: Iterable[tuple[str, str]]) -> None:
        """Have these lines instead of all that may be written; the framing's stay."""
        made = Fields.checked(list(fields))
        framing = [field for field in self._list if field[0].lower() in FRAMING]
        self._list = [*framing, *made]
        self._changed = True

    def items(self) -> list[tuple[str, str]]:
        """All lines as (name, value), a copy."""
        return list(self._list)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if not self.remove(name):
            raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self._list)

    def __repr__(self) -> str:
        return f"<Fields: {len(self._list)} lines{', changed' if self._changed else ''}>"
