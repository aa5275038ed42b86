"""What every provider of identities is, and what it may answer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from limen.errors import LimenError
from limen.exchange.identity import Credentials


@dataclass(frozen=True, slots=True)
class Found:
    """Whose the credentials are."""

    name: str
    groups: tuple[str, ...] = ()
    lifetime: float | None = None
    """Seconds for which that holds at most; None: as long as the configuration says."""
    evidence: Hashable = None
    """What it rests on, for `again`; nothing that would let anybody in."""
    for_connection: bool = False
    """The credentials were good for once: it is the connection that is known from now on."""
    told_back: str = ""
    """What proves to the client who we are, for the challenges' field of the answer."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What an identity rests on, kept with it as long as anything goes on for it."""

    name: str
    """As the provider told it."""
    groups: tuple[str, ...]
    evidence: Hashable
    until: float | None
    """Monotonic seconds after which it proves nothing; None: as long as the provider says."""


class CredentialsRefused(LimenError):
    """They are nobody's, for a reason that the operator wants to read; the client is told nothing of it."""


class ProviderFailed(LimenError):
    """It cannot say: it is not there, or answers nonsense. Never a reason to take credentials, nor to refuse them."""


class Overloaded(LimenError):
    """There is too much to verify already."""


class Provider(Protocol):
    """Somebody who says who a client is. Made for one revision; kept for the next if nothing of it has changed."""

    def takes(self, credentials: Credentials) -> bool:
        """Whether these are of the kind that it knows."""

    async def identify(self, credentials: Credentials) -> Found | None:
        """Whose they are; None for nobody's. Raises CredentialsRefused, ProviderFailed and Overloaded."""

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """The groups of somebody it has identified before, as they are now; None if that no longer holds.

        Asked of what goes on for long, without the credentials and at once: who only knows by asking elsewhere says
        what was said then. The proof may be of another provider that had the same name.
        """


@dataclass(frozen=True, slots=True)
class Member:
    """A provider in a chain."""

    name: str
    provider: Provider
    cache: float
    """Seconds for which its answers are known."""
    groups: Mapping[str, tuple[str, ...]]
    """Further groups by name of somebody."""
    holds: float | None = None
    """Seconds for which anything may go on by what it has said once; None: any time."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Whom a demand asks, in order."""

    members: tuple[Member, ...]
    timeout: float
    place: str
    """Label of the listener or route, for the log."""
    parameters: frozenset[str] = frozenset()
    """What a user name may hold beside the name: limen.policy.identity.parameters."""
    verified: dict[bytes, tuple[float, Member, Found]] = field(default_factory=dict, compare=False)
    """Of names with parameters, those of late without them, with the time when that ends: a new session is no reason to
    hash a password again. By a keyed digest of name and password.
    """
