"""Names of endpoints to addresses, for probes. The library that asks is loaded with the first name."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config.models.resolver import Resolver as ResolverSettings
    from limen.egress.resolver import Resolver


class Names:
    """Resolves as exchanges do."""

    def __init__(self, settings: ResolverSettings) -> None:
        self.settings = settings
        self._resolver: Resolver | None = None

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses of a name or a literal; none if there are none."""
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        if self._resolver is None:
            from limen.egress.resolver import resolver_of

            self._resolver = resolver_of(self.settings)
        return (await self._resolver.resolve(host)).addresses

    async def close(self) -> None:
        """End what is under way."""
        if self._resolver is not None:
            await self._resolver.close()
