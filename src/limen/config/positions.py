"""Where things stand in the text: containers that remember the place of each key and value, and paths to find them by.

The tree is what the YAML reader makes and the models are validated from; it is kept with the configuration as long as
checks may still have something to say about it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Keys and indices from the root, as in ("listeners", 0, "bind")."""


class Place(NamedTuple):
    """A place in the text; both count from 1, and 0 means unknown."""

    line: int
    column: int


NOWHERE = Place(0, 0)


class MarkedDict(dict[str, object]):
    """A mapping of the text; `keys_at` and `values_at` hold the places of keys and values."""

    __slots__ = ("keys_at", "values_at")

    def __init__(self) -> None:
        super().__init__()
        self.keys_at: dict[str, Place] = {}
        self.values_at: dict[str, Place] = {}


class MarkedList(list[object]):
    """A list of the text; `at` holds the places of its values."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        super().__init__()
        self.at: list[Place] = []


# A listener with `socks` is a forward proxy to everybody who looks at it (models/listeners.py).
_WRITTEN_AS: dict[str | int, str] = {"forward": "socks"}


class Positions:
    """Finds places by path, in the tree that one text made."""

    def __init__(self, tree: object, start: Place = NOWHERE) -> None:
        self.tree = tree
        self.start = start

    def find(self, path: Path, *, key: bool = False) -> tuple[Place, Path]:
        """The place of the value at `path` (or of its key), and the part of the path that stands in the text.

        What the text does not have (a missing key, the inside of a shorthand) is looked for in what encloses it.
        """
        node, place, depth = self.tree, self.start, 0
        for part in path:
            written = _WRITTEN_AS.get(part) if isinstance(node, MarkedDict) and part not in node else None
            if written is not None and _has(node, written):
                return self.find((*path[:depth], written, *path[depth + 1 :]), key=key)
            if isinstance(node, MarkedDict) and isinstance(part, str) and part in node:
                places = node.keys_at if key and depth == len(path) - 1 else node.values_at
                place = places[part]
                node = node[part]
            elif isinstance(node, MarkedList) and isinstance(part, int) and part < len(node):
                place = node.at[part]
                node = node[part]
            else:
                break
            depth += 1
        return place, path[:depth]

    def value(self, path: Path) -> object:
        """The value at `path` as it was read; the nearest enclosing one where the text has none."""
        node = self.tree
        for part in path:
            if not _has(node, part):
                break
            node = node[part]  # type: ignore[index]
        return node


def _has(node: object, part: str | int) -> bool:
    if isinstance(node, MarkedDict):
        return part in node
    return isinstance(node, MarkedList) and isinstance(part, int) and part < len(node)


_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def path_text(path: Path) -> str:
    """A path as errors name it: `listeners[0].routes[1].upstream`, `upstreams['a.b']`."""
    parts = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif _PLAIN.fullmatch(part):
            parts.append(f".{part}" if parts else part)
        else:
            parts.append(f"[{part[:60]!r}]")
    return "".join(parts)
