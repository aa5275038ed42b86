"""Endpoints in the order of their nearness to a client."""

from collections.abc import Callable
from typing import Self, final

from limen.engine.balance import Balancer
from limen.engine.places import Facts

@final
class Nearest:
    """The balancers of one upstream by the place of a client."""

    def __new__(
        cls,
        rank: Callable[[Facts | None], tuple[int, ...]],
        make: Callable[[tuple[int, ...]], Balancer],
        count: int,
    ) -> Self:
        """`rank(facts)`: the priority of each of `count` endpoints for a client there; `make(...)`: its balancer."""

    @property
    def orders(self) -> int:
        """How many orders are known now."""
