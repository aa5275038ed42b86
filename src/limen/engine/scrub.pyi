"""What is taken off the fields that tell one client from another."""

from typing import Self, final

@final
class Scrub:
    """Of one listener. `user_agent` and `language` stand in the place of the client's, empty: none at all.

    `referer` and `cookies` are scrub.ScrubOf: 0 as they are, 1 none to third parties, 2 (Referer) cut to the origin,
    3 none.
    """

    def __new__(
        cls,
        *,
        user_agent: str | None = None,
        language: str | None = None,
        referer: int = 0,
        cookies: int = 0,
        validators: bool = False,
        hints: bool = False,
        signal: bool = False,
    ) -> Self: ...
