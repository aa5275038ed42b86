"""What stands before a route, compiled. Built by limen.runtime.guards, immutable once published."""

from typing import Self

from limen.engine.addresses import AddressSet

class Limit:
    """One limit of a route. `interval` and `burst` in nanoseconds make it a rate, `speed` and `burst` in bytes (per
    second) a bandwidth, `quota` one of a `period` (hour, day, month), `life` (ns) one of how long tunnels last,
    and `most` one of how many are in flight.

    `identity` (64 bits) is what its cells are known by; `shown` the name that RateLimit fields give it.
    """

    def __new__(
        cls,
        name: str,
        *,
        identity: int,
        slot: int = 0xFFFFFFFF,
        by: int = 0,
        key_name: str = "",
        prefix: int = 64,
        interval: int = 0,
        burst: int = 0,
        most: int = 0,
        dry_run: bool = False,
        tells: bool = False,
        shown: str = "default",
        speed: int = 0,
        quota: int = 0,
        of_requests: bool = False,
        period: int = 0,
        warns: tuple[int, ...] = (),
        life: int = 0,
    ) -> Self: ...
    @property
    def name(self) -> str: ...

class Guard:
    """What stands before a route. ValueError over 8 limits."""

    def __new__(
        cls,
        *,
        allow: AddressSet | None = None,
        deny: AddressSet | None = None,
        closed: bool = False,
        spared: AddressSet | None = None,
        retry_after: int = 0,
        limits: list[Limit] | None = None,
    ) -> Self: ...
    @property
    def allow(self) -> AddressSet | None: ...
    @property
    def deny(self) -> AddressSet | None: ...
    @property
    def spared(self) -> AddressSet | None: ...
    @property
    def limits(self) -> list[Limit]: ...
    @property
    def asks_identity(self) -> bool:
        """Whether a limit counts by identity: all are asked once that is known."""
