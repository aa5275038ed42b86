"""A CONNECT tunnel whose TLS is looked at before it is decided what becomes of it."""

from typing import final

from limen.engine.tls.certificate import Certificate

@final
class Look:
    """Handed to the gate with the origin's certificate."""

    @property
    def is_over(self) -> bool:
        """Whether the client has gone: what is concluded has no effect any more."""

    def conclude(self, verdict: int, leaf: Certificate | None = None, fault: int = 0) -> None:
        """Go on: 0 pass the connection unopened, 2 bridge it with `leaf`, 3 refuse it with `fault`.

        Bridged with a `fault`, every request in it is answered with that.
        """
