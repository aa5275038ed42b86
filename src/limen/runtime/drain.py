"""The end of a worker's work: it accepts nothing more, finishes what lives, and leaves by the deadline.

    draining --(nothing lives)--> done
             --(deadline)-------> cut: what still lives is closed

All waiting for that is here; the core only counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

# How often the counts are asked for; bounds the end of an idle worker, too.
_INTERVAL = 0.02


class Draining(Protocol):
    """The part of a worker core that draining needs."""

    def drain(self) -> None:
        """As WorkerCore.drain."""

    def live(self) -> Mapping[str, int]:
        """As WorkerCore.live."""


async def drained(core: Draining, *, timeout: float) -> Mapping[str, int]:
    """Drains the core; returns what still lives when it is over: all zero, or the rest at the deadline (seconds).

    Connections count, too: one without an exchange may still have the end of an answer to send. Idle ones the core
    closes by itself.
    """
    loop = asyncio.get_running_loop()
    core.drain()
    began = loop.time()
    while True:
        live = core.live()
        if not any(live.values()) or loop.time() - began >= timeout:
            return live
        await asyncio.sleep(_INTERVAL)
