"""Which clients and targets have most of what passes; counting is for compiled code."""

from typing import final

from limen.engine.summary import Summary

@final
class Talkers:
    """Counts of clients and targets; `concealment` as for a Journal, `capacity` as for a Summary."""

    def __init__(self, concealment: tuple[int, int, int, bytes, float] | None = None, capacity: int = 1024) -> None: ...
    @property
    def clients(self) -> Summary:
        """Identities (`u` and a name) and addresses (`a` and one; of IPv6 the /64)."""

    @property
    def targets(self) -> Summary:
        """Hosts; of what names none the route."""
