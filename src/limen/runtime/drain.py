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
# Connections without an exchange may be about to send a request that was under way when draining began.
_GRACE = 0.3


class Draining(Protocol):
    """The part of a worker core that draining needs."""

    def drain(self) -> None:
        """As WorkerCore.drain."""

    def live(self) -> Mapping[str, int]:
        """As WorkerCore.live."""


async def drained(core: Draining, *, timeout: float) -> Mapping[str, int]:
    """Drains the core; returns what still lives when it is over: all zero, or the rest at the deadline (seconds)."""
    loop = asyncio.get_running_loop()
    core.drain()
    began = loop.time()
    while True:
        live = core.live()
        elapsed = loop.time() - began
        busy = live.get("exchanges", 0) + live.get("tunnels", 0)
        if not busy and (not live.get("connections", 0) or elapsed >= _GRACE):
            return {**live, "connections": 0}
        if elapsed >= timeout:
            return live
        await asyncio.sleep(_INTERVAL)
