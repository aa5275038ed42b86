r"""The desk of a worker, where the claims of clients are verified that the engine does not know.

    claim --(the same is asked already)--> waits with that question
      \--> question: malformed? penalty? then each provider in order --> settled for all that wait

A question whose claims have all gone is cancelled. At most QUESTIONS are open, and CLIENT of one address; further ones
are shed. Nothing here is ever asked for credentials that are known: see limen.engine.identifying.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from limen.engine.identity import Identity, identity_of
from limen.exchange.identity import Credentials, ShownCertificate
from limen.faults import FaultNumber
from limen.observe.board import WorkerCell
from limen.observe.discretion import Discretion
from limen.policy.identity.credentials import is_good_once, parse_field, parse_pair
from limen.policy.identity.parameters import Wishes, split_name
from limen.policy.identity.penalties import Penalties
from limen.runtime.identity.provider import (
    Chain,
    CredentialsRefused,
    Found,
    Member,
    Overloaded,
    Proof,
    ProviderFailed,
)

if TYPE_CHECKING:
    from limen.engine.demand import Demand
    from limen.engine.identifying import Claim

_log = logging.getLogger("limen.identity")

QUESTIONS = 1000
"""Questions that may be open at a time."""
CLIENT = 32
"""Of these, how many of one client."""
CLAIMS = 1000
"""Claims that may wait for one question."""
_VERIFIED = 4096
_SECRET = os.urandom(32)
_CONNECTION = 30 * 86400.0
"""Seconds for which somebody is known by a connection that nothing else bounds."""
_QUIET = 10.0
"""Seconds between two messages that a provider fails."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a question came to."""

    identity: Identity | None = None
    fault: int = FaultNumber.IDENTITY
    lifetime: float = 0.0
    token_refused: bool = False
    binder: Member | None = None
    told_back: bytes | None = None
    reason: str = ""
    """Why they were refused, if a provider has said so: for the log."""


@dataclass(slots=True)
class _Question:
    client: str
    claims: list[Claim] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class _Waiting:
    """What a claim keeps: hears when nobody waits for it any more."""

    def __init__(self, question: _Question, claim: Claim) -> None:
        self._question = question
        self._claim = claim

    def ended(self) -> None:
        question = self._question
        if self._claim in question.claims:
            question.claims.remove(self._claim)
        if not question.claims and question.task is not None:
            question.task.cancel()


class Desk:
    """The engine's `identify`."""

    def __init__(
        self,
        start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
        count: Callable[[WorkerCell, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._count = count
        self._clock = clock
        self._questions: dict[bytes, _Question] = {}
        self._clients: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._numbers = itertools.count()
        self.penalties = Penalties()
        self.discretion = Discretion()

    def verify(self, claim: Claim) -> None:
        """Settles the claim later, never before this returns."""
        once = is_good_once(claim.field)
        # of credentials that are good for once, one claim must not take what another one's are answered with
        key = claim.key if not once else claim.key + next(self._numbers).to_bytes(8, "little")
        question = self._questions.get(key)
        if question is None:
            question = self._begin(claim, key)
        elif len(question.claims) >= CLAIMS:
            question = None
        if question is None:
            self._count(WorkerCell.IDENTITY_SHED, 1)
            asyncio.get_running_loop().call_soon(partial(claim.settle, fault=FaultNumber.IDENTITY_SHED))
            return
        question.claims.append(claim)
        claim.state = _Waiting(question, claim)

    def _begin(self, claim: Claim, key: bytes) -> _Question | None:
        client = claim.client()
        open_already = self._clients.get(client, 0)
        if len(self._questions) >= QUESTIONS or open_already >= CLIENT:
            return None
        question = self._questions[key] = _Question(client)
        self._clients[client] = open_already + 1
        question.task = self._start(self._settle(key, question, claim))
        return question

    async def _settle(self, key: bytes, question: _Question, claim: Claim) -> None:
        outcome = Outcome(fault=FaultNumber.INTERNAL)
        try:
            outcome = await self._ask(claim, question.client)
        except Exception:  # noqa: BLE001 a defect here answers with 500, as everywhere
            _log.exception("credentials could not be verified")
        finally:
            self._leave(key, question.client)
            claims, question.claims = question.claims, []
            question.task = None
            once = outcome.binder is None and is_good_once(claim.field)
            for one in claims:
                one.settle(
                    outcome.identity,
                    fault=outcome.fault if outcome.identity is None else FaultNumber.NONE,
                    # (a hook or service may take them, too)
                    lifetime=0.0 if once else outcome.lifetime,
                    token_refused=outcome.token_refused,
                    binder=outcome.binder,
                    told_back=outcome.told_back,
                )

    def _leave(self, key: bytes, client: str) -> None:
        del self._questions[key]
        left = self._clients[client] - 1
        if left:
            self._clients[client] = left
        else:
            del self._clients[client]

    async def _ask(self, claim: Claim, client: str) -> Outcome:
        chain = cast("Chain", claim.demand.chain)
        credentials, wishes = parted(shown(claim), chain)
        if credentials is not None and chain.parameters and (known := self._known(chain, credentials)) is not None:
            return _taken(*known, wishes, self._clock())
        name = credentials.name if credentials is not None else ""
        penalty = self.penalties.before(client, name, self._clock())
        if penalty:
            if not self.penalties.enter(client):
                self._count(WorkerCell.IDENTITY_SHED, 1)
                return Outcome(fault=FaultNumber.IDENTITY_SLOWED)
            try:
                await asyncio.sleep(penalty)
            finally:
                self.penalties.leave(client)
        self._count(WorkerCell.IDENTITY_CHECKS, 1)
        outcome = Outcome() if credentials is None else await self._ask_in_time(chain, credentials, wishes)
        if outcome.identity is not None:
            self.penalties.succeeded(client, name)
        elif outcome.fault == FaultNumber.IDENTITY:
            self._count(WorkerCell.IDENTITY_FAILURES, 1)
            count = self.penalties.failed(client, name, self._clock())
            self._tell_failure(chain, credentials, client, count, outcome.reason)
        return outcome

    def _known(self, chain: Chain, credentials: Credentials) -> tuple[Member, Found] | None:
        """Who was verified of late, with other wishes."""
        expires, member, found = chain.verified.get(_digest(credentials), (0.0, None, None))
        now = self._clock()
        if member is None or found is None or expires <= now:
            return None
        left = expires - now
        return member, replace(found, lifetime=left if found.lifetime is None else min(left, found.lifetime))

    def _remember(self, chain: Chain, credentials: Credentials, member: Member, found: Found) -> None:
        lifetime = _lifetime(member, found)
        if lifetime > 0:
            while len(chain.verified) >= _VERIFIED:
                del chain.verified[next(iter(chain.verified))]
            chain.verified[_digest(credentials)] = (self._clock() + lifetime, member, found)

    async def _ask_in_time(self, chain: Chain, credentials: Credentials, wishes: Wishes) -> Outcome:
        try:
            async with asyncio.timeout(chain.timeout):
                return await self._ask_members(chain, credentials, wishes)
        except TimeoutError:
            self._tell(
                chain.place, f"{chain.place}: nobody said within {chain.timeout:g} s whose credentials these are"
            )
            return Outcome(fault=FaultNumber.IDENTITY_PROVIDER)
        except Overloaded:
            self._count(WorkerCell.IDENTITY_SHED, 1)
            return Outcome(fault=FaultNumber.IDENTITY_SHED)

    async def _ask_members(self, chain: Chain, credentials: Credentials, wishes: Wishes) -> Outcome:
        """The first that knows them decides. Who cannot say keeps nobody out that another one knows."""
        silent = False
        reason = ""
        for member in chain.members:
            if not member.provider.takes(credentials):
                continue
            try:
                found = await member.provider.identify(credentials)
            except CredentialsRefused as error:
                reason = str(error)
                continue
            except ProviderFailed as error:
                self._tell(member.name, f"identity {member.name}: {error}")
                silent = True
                continue
            if found is not None:
                if chain.parameters:
                    self._remember(chain, credentials, member, found)
                return _taken(member, found, wishes, self._clock())
        if silent:
            return Outcome(fault=FaultNumber.IDENTITY_PROVIDER)
        return Outcome(token_refused=credentials.scheme == "bearer", reason=reason)

    def again(self, demand: Demand, identity: Identity) -> Identity | None:
        """Who somebody is now that was identified before, perhaps with other groups; None if that no longer holds.

        Never raises: a defect lets nothing go on.
        """
        try:
            return standing(cast("Chain", demand.chain), identity, self._clock())
        except Exception:  # noqa: BLE001 see above
            _log.exception("%r could not be asked for again", identity)
            return None

    def _tell(self, what: str, text: str) -> None:
        """Not more often than it helps."""
        now = self._clock()
        if now - self._told.get(what, -_QUIET) >= _QUIET:
            self._told[what] = now
            _log.error("%s", text)

    def _tell_failure(
        self, chain: Chain, credentials: Credentials | None, client: str, count: int, reason: str
    ) -> None:
        # the 1st, 2nd, 4th, 8th … of a client: a guesser does not fill the log
        if count & (count - 1) == 0:
            whose = "malformed credentials"
            if credentials is not None:
                whose = f"wrong credentials of {self.discretion.user(credentials.name)!r}"
            if credentials is not None and not credentials.name:
                whose = f"wrong credentials ({credentials.scheme or 'certificate'})"
            why = f": {reason}" if reason else ""
            _log.warning(
                "%s: %s from %s, %d in a row%s", chain.place, whose, self.discretion.client(client), count, why
            )


def shown(claim: Claim) -> Credentials | None:
    """What a claim holds; None if it is malformed."""
    facts = claim.certificate()
    certificate = ShownCertificate(facts[0], facts[1], tuple(facts[2]), facts[3]) if facts is not None else None
    if claim.name is not None:
        return parse_pair(claim.name, claim.password or b"", certificate)
    if claim.field is not None:
        return parse_field(claim.field, certificate)
    return Credentials("", certificate=certificate)


def parted(credentials: Credentials | None, chain: Chain) -> tuple[Credentials | None, Wishes]:
    """Credentials with the user's own name, and what else the name said; None for what is malformed."""
    if credentials is None or credentials.scheme != "basic" or not chain.parameters:
        return credentials, Wishes()
    split = split_name(credentials.name, chain.parameters)
    return (None, Wishes()) if split is None else (replace(credentials, name=split[0]), split[1])


def _digest(credentials: Credentials) -> bytes:
    name = credentials.name.encode()
    text = len(name).to_bytes(4, "little") + name + credentials.password.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=32, key=_SECRET).digest()


def _lifetime(member: Member, found: Found) -> float:
    return min(time for time in (member.cache, found.lifetime, member.holds) if time is not None)


def _taken(member: Member, found: Found, wishes: Wishes, now: float) -> Outcome:
    times = [time for time in (found.lifetime, member.holds) if time is not None]
    proof = Proof(found.name, found.groups, found.evidence, now + min(times) if times else None)
    return Outcome(
        _identity(member, proof, wishes),
        FaultNumber.NONE,
        min(times, default=_CONNECTION) if found.for_connection else _lifetime(member, found),
        binder=member if found.for_connection else None,
        told_back=found.told_back.encode("ascii") or None,
    )


def _identity(member: Member, proof: Proof, wishes: Wishes) -> Identity:
    groups = (*proof.groups, *member.groups.get(proof.name, ()))
    return identity_of(proof.name, groups, member.name, wishes=wishes.labels, session=wishes.session, proof=proof)


def standing(chain: Chain, identity: Identity, now: float) -> Identity | None:
    """See Desk.again. Who said so has to be asked here yet."""
    proof = identity.proof
    if not isinstance(proof, Proof) or (proof.until is not None and proof.until <= now):
        return None
    member = next((one for one in chain.members if one.name == identity.provider), None)
    groups = member.provider.again(proof) if member is not None else None
    if member is None or groups is None:
        return None
    wishes = Wishes(identity.wishes, identity.session.decode("ascii"))
    return _identity(member, replace(proof, groups=groups), wishes)
