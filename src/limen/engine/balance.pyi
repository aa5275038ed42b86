"""Choosing one of many endpoints: groups by priority, each with one policy."""

from collections.abc import Sequence
from typing import Self

class Balancer:
    """Chooses among endpoints; given to an Upstream."""

    def __new__(
        cls,
        names: Sequence[bytes],
        *,
        weights: Sequence[int] | None = None,
        priorities: Sequence[int] | None = None,
        backups: Sequence[bool] | None = None,
        most: Sequence[int] | None = None,
        policy: int = 0,
        bound: float = 0.0,
        decay: float = 10.0,
        spill: float = 0.7,
        slow_start: float = 0.0,
    ) -> Self:
        """`names` tell endpoints apart in the table of hash. `most`: exchanges at a time, 0 any number. `policy`:
        0 round robin, 1 least requests, 2 two choices, 3 random, 4 peak EWMA, 5 hash, 6 first. `bound`: of hash, times
        the mean load, 0 none. `decay` and `slow_start` in seconds. `spill`: part of a priority's weight under which
        the next takes over. ValueError for a policy that is none, or a weight below 1.
        """

    @property
    def policy(self) -> int: ...
    @property
    def count(self) -> int: ...
