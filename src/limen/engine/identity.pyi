"""Identities, conditions on them, and the cache of those known; matching and finding are for compiled code."""

from collections.abc import Hashable, Iterable
from typing import Self, final

NUMBERS_KEPT: int

@final
class Identity:
    """Who a client is. Equal ones are one object: ask for it with `identity_of`."""

    def __init__(
        self,
        name: str,
        groups: Iterable[str] = (),
        provider: str = "",
        wishes: Iterable[tuple[str, str]] = (),
        session: str = "",
        proof: Hashable = None,
    ) -> None: ...
    @property
    def name(self) -> str:
        """As the provider spells it."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Sorted."""

    @property
    def provider(self) -> str:
        """Name of the one that said so."""

    @property
    def number(self) -> int:
        """Of the name, in this process; small, and the same as long as the name is in use."""

    @property
    def wishes(self) -> tuple[tuple[str, str], ...]:
        """Labels that its way out must have."""

    @property
    def session(self) -> bytes:
        """Requests of one session go out by one way; empty: none was named."""

    @property
    def proof(self) -> Hashable:
        """What it rests on, for asking again whether it still holds; None: unknown."""

def identity_of(
    name: str,
    groups: Iterable[str] = (),
    provider: str = "",
    *,
    wishes: Iterable[tuple[str, str]] = (),
    session: str = "",
    proof: Hashable = None,
) -> Identity:
    """The one of this name, these groups, this provider, what is asked of the way out, and what it rests on.

    `wishes` are labels and their values, `session` ASCII. ValueError for an empty name.
    """

@final
class IdentityMatch:
    """A condition on who a client is: of each kind that is given one name must fit. `*` is everybody who is known."""

    def __init__(self, names: Iterable[str] | None = None, groups: Iterable[str] | None = None) -> None: ...
    @property
    def names(self) -> frozenset[str] | None:
        """None: no condition."""

    @property
    def groups(self) -> frozenset[str] | None:
        """None: no condition."""

    def fits(self, identity: Identity | None) -> bool:
        """Whether this identity (None: nobody) meets the condition."""

@final
class Bond:
    """An identity that holds for a connection."""

    def __new__(cls) -> Self: ...

@final
class IdentityCache:
    """Identities by the seal of what was shown for them; at most `size` (a power of two, 4 or more)."""

    def __new__(cls, size: int = 4096) -> Self: ...
    def clear(self) -> None:
        """Forget everybody: what was known is asked anew."""

    def __len__(self) -> int:
        """How many it holds, expired ones included."""

def seal_of(key: bytes, message: bytes) -> bytes:
    """SipHash-2-4-128 of a message under a key of 16 bytes."""
