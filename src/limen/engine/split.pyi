"""One route, several upstreams: which share of its exchanges goes where."""

from typing import Self, final

from limen.engine.cookies import Cookie
from limen.engine.service import Action

@final
class Split:
    """The shares of a route by weight. A weight of 0 takes nobody new; who has it by the cookie keeps it."""

    def __new__(
        cls, shares: list[Action], weights: list[int], *, by: int = -1, name: str = "", cookie: Cookie | None = None
    ) -> Self:
        """`by`, `name`: what keeps exchanges together (affinity.pxd); -1: nothing. ValueError."""

    @property
    def shares(self) -> list[Action]: ...
    @property
    def count(self) -> int: ...
    @property
    def by(self) -> int: ...
    @property
    def cookie(self) -> Cookie | None: ...
    def turn(self) -> int:
        """The number of the share whose turn is next, which it takes."""

    def share_of(self, key: int) -> int:
        """The number of the share that a key (64 evenly spread bits) belongs to."""
