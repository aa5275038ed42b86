"""The reactor: one epoll descriptor, one timing wheel; the selector of a worker's asyncio loop."""

import selectors
from typing import Self

class Handler:
    """Something with a descriptor or a timer; made and called by compiled code only."""

    def __new__(cls) -> Self: ...

class Reactor:
    """What readiness and timers are served by; Engine is the one that is used."""

    def __new__(cls) -> Self: ...
    @property
    def wake(self) -> bool:
        """Whether Python was called in this batch, so that the loop has to look for work."""

    @property
    def batches(self) -> int:
        """How often readiness was waited for."""

    @property
    def turns_given(self) -> int:
        """How often asyncio's loop got its turn."""

    @property
    def watched_count(self) -> int:
        """How many descriptors are watched, asyncio's own not counted."""

    def poll(self, timeout: float | None) -> bool:
        """Serve connections until asyncio has work or `timeout` seconds are over (None: no end).

        True if descriptors of asyncio are ready. Called by the selector.
        """

    def nest(self, fd: int) -> None:
        """Watch asyncio's epoll descriptor; called once, by the selector. OSError if that cannot be done."""

    def selector(self) -> ReactorSelector:
        """The selector to build the worker's asyncio loop with; to be called once."""

class ReactorSelector(selectors.EpollSelector):
    """asyncio's selector, with the reactor's work in place of sleeping."""

    def __init__(self, reactor: Reactor) -> None: ...
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve connections for up to `timeout` seconds, then say which of asyncio's files are ready."""
