from typing import Self

from limen.engine.upstream import Upstream

class Resilience:
    """Retries, deadline, mirror, hedge and urgency of a route. All times in seconds; 0 turns off."""

    def __new__(
        cls,
        *,
        on: int = 3,
        statuses: tuple[int, ...] = (),
        per_try: float = 0.0,
        total: float = 0.0,
        budget_share: float = 0.2,
        budget_least: int = 10,
        budget_wait: float = 1.0,
        backoff_base: float = 0.025,
        backoff_most: float = 0.25,
        deadline_field: str = "",
        deadline_grpc: bool = False,
        mirror: Upstream | None = None,
        mirror_share: float = 1.0,
        mirror_most: int = 100,
        mirror_field: str = "X-Mirrored",
        hedge_after: float = 0.0,
        hedge_most: int = 0,
        hedge_share: float = 0.0,
        urgent: bool = False,
    ) -> Self:
        """`on`: bits of resilience.Cause, `statuses` adds its own; shares are parts of 1.

        `hedge_most` and `hedge_share` bound the hedges of the upstream, all workers together; 0: no such bound.
        `urgent`: before others in the queue.
        """

    @property
    def on(self) -> int: ...
    @property
    def urgent(self) -> bool: ...
    @property
    def mirror(self) -> Upstream | None: ...
    @property
    def mirrors(self) -> int:
        """Copies under way, in this worker."""
