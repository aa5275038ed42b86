"""Long work in a worker, in steps with turns of the loop between them: connections are served meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Generator, Iterator
from typing import TypeVar

Result = TypeVar("Result")

Steps = Generator[None, None, Result]
"""Work that yields after each step of a few milliseconds and returns its result."""


async def paced(steps: Steps[Result]) -> Result:
    """Does the work on the running loop; raises what it raises."""
    with uncollected():
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            await asyncio.sleep(0)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """For building what lives on: looking for garbage in it again and again takes longer than building it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def at_once(steps: Steps[Result]) -> Result:
    """The same without a loop."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
