"""What is rewritten of Location and Set-Cookie, compiled."""

from typing import Self

class Mask:
    """Of one route: `hosts` are names of its origins, `strip` and `add` what its rewriting does to paths."""

    def __new__(
        cls,
        *,
        hosts: list[str],
        strip: str = "",
        add: str = "",
        location: bool = True,
        cookies: bool = True,
        domain: str = "",
    ) -> Self: ...
