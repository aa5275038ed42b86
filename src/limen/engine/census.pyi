"""Who is there at one moment: exchanges and tunnels of an engine, to be listed, judged again or ended."""

from collections.abc import Callable
from typing import Self

from limen.engine.demand import Demand
from limen.engine.engine import Engine
from limen.engine.identity import Identity
from limen.engine.talkers import Talkers

PHASES: tuple[str, ...]

class Census:
    """The exchanges and tunnels that `engine` has at this moment, in no order."""

    def __new__(cls, engine: Engine) -> Self: ...
    def __len__(self) -> int: ...
    def rows(self, start: int, stop: int) -> list[tuple[object, ...]]:
        """Of that portion: (started ns, age ns, client, user, target, listener, rule, upstream, egress, endpoint,
        address, protocol, method, phase, bytes from the client, bytes to it).
        """

    def count(self, start: int, stop: int, talkers: Talkers) -> None:
        """Have what those of that portion have carried until now counted."""

    def kill(self, start: int, stop: int, started: set[int]) -> int:
        """End those of that portion that began at these times; how many did."""

    def recheck(self, start: int, stop: int, again: Callable[[Demand, Identity], Identity | None]) -> int:
        """Judge those of that portion again, and end what may not go on; how many did not.

        `again(demand, identity)` says who somebody is now that was identified before, or None; it never raises.
        """
