"""What clients show to say who they are, as Python verifies it."""

from typing import Self, final

from limen.engine.demand import Demand
from limen.engine.identity import Identity

@final
class Claim:
    """What a client has shown, until `settle`."""

    state: object  # of Python; its ended() is called if nobody waits any more
    def __new__(cls) -> Self: ...
    @property
    def demand(self) -> Demand:
        """What it is shown for."""

    @property
    def field(self) -> bytes | None:
        """Value of the credentials' field; None: there was none."""

    @property
    def name(self) -> bytes | None:
        """Of a pair that came otherwise; None: it is none."""

    @property
    def password(self) -> bytes | None:
        """Of a pair."""

    @property
    def identity(self) -> Identity | None:
        """Once settled."""

    @property
    def fault(self) -> int:
        """Once settled."""

    @property
    def is_open(self) -> bool:
        """Whether somebody waits."""

    @property
    def key(self) -> bytes:
        """Equal for all that show the same for the same demand; secret, and new with every process."""

    def client(self) -> str:
        """The client's address, for slowing down those that guess; never what an identity depends on."""

    def certificate(self) -> tuple[str, str, list[str], bytes] | None:
        """Subject, fingerprint, alternative names and DER of the client's certificate; None without."""

    def settle(
        self,
        identity: Identity | None = None,
        *,
        fault: int = 0,
        lifetime: float = 0.0,
        token_refused: bool = False,
        binder: object = None,
        told_back: bytes | None = None,
    ) -> None:
        """Tell the waiter, once: the identity, known for `lifetime` seconds, or the fault. Later calls do nothing.

        With a `binder` it holds for the connection, and not for others that show the same.
        Called from Python's turn of the loop, never while `identify` is called. ValueError for neither.
        """
