"""Patterns of the name in a client hello, and which of them cover which."""

from __future__ import annotations

from collections.abc import Iterator


def names_above(name: str) -> Iterator[str]:
    """The patterns that take every host which `name` takes: exact, `*.` and a name, or `.` and a name."""
    yield name
    bare = name.removeprefix("*").removeprefix(".")
    labels = bare.split(".")
    if name[0] not in "*.":
        if len(labels) > 1:
            yield "*." + ".".join(labels[1:])
        yield "." + bare
    if name[0] == "*":
        # what lies one label below it lies below it
        yield "." + bare
    yield from ("." + ".".join(labels[at:]) for at in range(1, len(labels)))


def covers_names(wide: tuple[str, ...] | None, narrow: tuple[str, ...] | None) -> bool:
    """Whether each host that `narrow` takes is taken by `wide`; None takes all."""
    if wide is None:
        return True
    known = set(wide)
    return narrow is not None and all(any(above in known for above in names_above(name)) for name in narrow)
