"""What follows from the verdict of an access rule, beside allow and deny."""

from limen.engine.capture import Capture
from limen.engine.guard import Guard

class RuleEffect:
    """What follows from the verdict of the rule `name`.

    `location`: the template of a redirect (302) instead of 403; `host`: dialled instead of the target, at the target's
    port; `guard`: limits of what is allowed; `capture`: records it. ValueError if `host` is no host.
    """

    def __init__(
        self,
        name: str,
        *,
        slot: int = 0xFFFFFFFF,
        location: str | None = None,
        host: str = "",
        guard: Guard | None = None,
        capture: Capture | None = None,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def guard(self) -> Guard | None: ...
    @property
    def capture(self) -> Capture | None: ...
