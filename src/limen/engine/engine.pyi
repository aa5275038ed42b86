"""The engine: the one object that Python holds of a worker's native work."""

from collections.abc import Callable
from typing import Self

from limen.engine.board import Board
from limen.engine.exchange import Exchange
from limen.engine.identifying import Claim
from limen.engine.journal import Journal
from limen.engine.service import Service
from limen.engine.worker import Worker

class Engine(Worker):
    """All native work of one worker: `asyncio.SelectorEventLoop(engine.selector())` runs it."""

    def __new__(
        cls,
        *,
        number: int = 0,
        board: Board | None = None,
        journal: Journal | None = None,
        resolve: Callable[[str], object] | None = None,
        run_hook: Callable[[Exchange, bool], object] | None = None,
        identify: Callable[[Claim], object] | None = None,
        report: Callable[[int, str], object] | None = None,
        max_connections: int = 10000,
    ) -> Self:
        """`resolve(host)` is to bring about a call of resolved(); `run_hook(exchange, response)` runs the hooks of
        a parked exchange; `identify(claim)` is to bring about its settle(); `report(level, message)` is the event log,
        with the levels of logging.
        """

    def listen(self, key: str, fd: int, service: Service) -> None:
        """Accept on a listening socket, which is duplicated. Several sockets may share a key. OSError."""

    def unlisten(self, key: str) -> None:
        """Stop accepting; connections that stand go on and end after their exchange. An unknown key is ignored."""

    def publish(self, services: dict[str, Service]) -> None:
        """Put services in force, by listener key: for every exchange that begins from now on."""

    def renew(self, key: str) -> None:
        """A listener's connections that stand end with their exchange, idle ones soon; it goes on accepting. An unknown
        key is ignored.
        """

    def drain(self) -> None:
        """Stop accepting, close what is idle; the rest ends with its exchange. Tunnels go on."""

    def stop(self) -> None:
        """Close everything at once."""

    def live(self) -> dict[str, int]:
        """What is going on: connections of clients, exchanges, tunnels."""

    def counters(self) -> dict[str, int]:
        """Figures of the reactor, for the curious and for tests; a debug build adds its live objects."""
