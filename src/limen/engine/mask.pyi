"""What is rewritten of Location and Set-Cookie, compiled."""

from typing import Self

from limen.engine.upstream import Upstream

class Mask:
    """Of one route: `hosts` are names of its origins besides those of endpoints of `upstreams`, `strip` and `add` what
    its rewriting does to paths.
    """

    def __new__(
        cls,
        *,
        hosts: list[str],
        strip: str = "",
        add: str = "",
        location: bool = True,
        cookies: bool = True,
        domain: str = "",
        upstreams: list[Upstream] | None = None,
    ) -> Self: ...
