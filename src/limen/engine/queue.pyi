"""Exchanges that wait for a place at an endpoint."""

from typing import Self

from limen.engine.reactor import Handler
from limen.engine.worker import Worker

class Queue(Handler):
    """At most `size` exchanges that wait up to `timeout` seconds; one per upstream and worker."""

    def __new__(cls, worker: Worker, size: int, timeout: float) -> Self: ...
    @property
    def size(self) -> int: ...
    @property
    def count(self) -> int:
        """Those that wait now."""
