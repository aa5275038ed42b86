"""What a route or listener demands of its clients' identity."""

from collections.abc import Sequence

class Demand:
    """What a route or listener demands. `proxy`: by Proxy-Authorization and 407, else by Authorization and 401.

    `challenges` are values of Proxy-Authenticate or WWW-Authenticate in their order, `refusals` the same for a
    token that was refused; `binders` those of the chain who vouch for a whole connection. ValueError over 8.
    """

    def __init__(
        self,
        chain: object,
        *,
        proxy: bool,
        challenges: Sequence[str],
        refusals: Sequence[str] | None = None,
        required: bool = True,
        certificate: bool = False,
        field: bool = True,
        binders: Sequence[object] = (),
    ) -> None: ...
    @property
    def chain(self) -> object:
        """Who verifies."""

    @property
    def required(self) -> bool:
        """Whether nobody passes without."""
