"""Connections opened ahead, so that exchanges after a start, a reload or an endpoint's return need not dial."""

from typing import Self

from limen.engine.reactor import Handler
from limen.engine.upstream import Upstream
from limen.engine.worker import Worker

class Opening:
    """One connection on its way to the pool; compiled code only."""

    def __new__(cls) -> Self: ...

class Warmer(Handler):
    """Opens connections ahead for `upstream`, which says how many (`warm`), and closes idle ones that other workers
    need (`links`), until it is stopped.
    """

    def __new__(cls, worker: Worker, upstream: Upstream) -> Self: ...
    def start(self) -> None:
        """Look at once, and from now on."""

    def stop(self) -> None:
        """Open no more. What is open stays."""

    @property
    def upstream(self) -> Upstream: ...
    @property
    def over(self) -> bool: ...
