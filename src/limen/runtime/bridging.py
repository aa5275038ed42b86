"""Who decides about TLS in CONNECT tunnels, as a worker's engine asks: rules, names, leaves, what clients reject."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from limen.config.bridge import STATE
from limen.engine.bridged import Bridge
from limen.engine.tls.certificate import Certificate
from limen.engine.tls.contexts import ClientContext, ServerContext
from limen.engine.tls.ja4 import ja4_of
from limen.errors import ConfigError
from limen.faults import FaultNumber
from limen.policy.bridging import Action, Bridging, effective_host
from limen.runtime.contexts import with_groups
from limen.tls.authority import Authority
from limen.tls.leaves import Leaves, leaf_name
from limen.tls.origin_certificate import OriginCertificate, problem_of
from limen.tls.pinning import ALERTS, Learnt, Pinning
from limen.tls.profiles import INTERMEDIATE, VERSIONS
from limen.tls.state import state_directory

if TYPE_CHECKING:
    from limen.config.models.bridge import Bridge as BridgeModel
    from limen.config.models.forward import Forward
    from limen.engine.host_lists import HostList
    from limen.engine.identity import Identity
    from limen.engine.look import Look
    from limen.engine.tls.tickets import TicketKeys
    from limen.runtime.bridges import Surroundings
    from limen.tls.material import BridgeMaterial, Pair

_logger = logging.getLogger("limen.bridge")

Start = Callable[[Coroutine[object, object, None]], object]
"""Runs a coroutine as a task of the worker."""
Rejected = Callable[[str, str, str, str], None]
"""Hears of a client that rejected a leaf: listener key, host, client, alert."""

_FRONTING = 4
"""The engine's word for a refusal because names disagree; the others are those of Action."""


class Gate:
    """The engine's gate (limen.engine.bridged.Gate) of one listener."""

    def __init__(
        self,
        key: str,
        bridging: Bridging,
        leaves: Leaves | None,
        *,
        memory: int,
        surroundings: Surroundings,
    ) -> None:
        """`memory` bounds parsed leaves; `leaves` is None where tunnels are only looked at, never bridged."""
        self._key = key
        self._bridging = bridging
        self._leaves = leaves
        self._memory = memory
        self._start = surroundings.start
        self._rejected = surroundings.rejected
        self._discretion = surroundings.discretion
        self._parsed: OrderedDict[bytes, Certificate] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Gate {self._key}>"

    def adopt(self, entries: Iterable[Learnt]) -> None:
        """Hosts that were learnt to pin pass from now on."""
        self._bridging.pinning.adopt(entries)

    def connect(self, client: str, host: str, port: int, identity: Identity | None) -> int:
        """At CONNECT."""
        verdict = self._bridging.at_connect(client, host, port, identity)
        if verdict.action is Action.REFUSE:
            _logger.info("%s: refused by %s", self._tunnel(client, host, port), verdict.rule)
        return verdict.action

    def hello(  # noqa: PLR0917 the engine's call
        self,
        client: str,
        host: str,
        port: int,
        name: str,
        protocols: Sequence[str],
        message: bytes | None,
        identity: Identity | None,
    ) -> int:
        """At the client hello."""
        ja4 = ja4_of(message) if message is not None and self._bridging.needs_ja4 else ""
        verdict = self._bridging.at_hello(client, host, port, name, tuple(protocols), ja4, identity)
        if verdict.action is not Action.REFUSE:
            return verdict.action
        tunnel, named = self._tunnel(client, host, port), self._discretion().target(name)
        if verdict.rule == self._bridging.fronting_rule:
            _logger.warning("%s: refused, the client hello names %s (%s)", tunnel, named, verdict.rule)
            return _FRONTING
        _logger.info("%s: refused by %s, hello for %r", tunnel, verdict.rule, named)
        return verdict.action

    def _tunnel(self, client: str, host: str, port: int) -> str:
        """What the log calls it, as far as it may."""
        told = self._discretion()
        return f"CONNECT {told.target(host)}:{port} from {told.client(client)}"

    def certificate(  # noqa: PLR0917 the engine's call
        self,
        look: Look,
        client: str,
        host: str,
        port: int,
        name: str,
        der: bytes,
        verdict: int,
        asked: bool,  # noqa: FBT001
    ) -> None:
        """At the origin's certificate."""
        problem = "client_certificate_wanted" if asked else problem_of(verdict) if der else "other"
        facts = OriginCertificate.of(der)
        shown = effective_host(host, name)
        decided = self._bridging.at_certificate(shown, facts, problem)
        if problem:
            _logger.warning(
                "%s: origin's certificate: %s; %s by %s",
                self._tunnel(client, host, port),
                problem if der else "the handshake failed",
                decided.action.name.lower(),
                decided.rule,
            )
        if decided.action is Action.PASS or self._leaves is None:
            look.conclude(Action.PASS if decided.action is Action.PASS else Action.REFUSE)
            return
        fault = 0
        if decided.action is Action.REFUSE:
            # told by an answer: whoever sees it knows that it is not the origin's
            fault = FaultNumber.TLS_CERTIFICATE if der and problem else FaultNumber.TLS_REFUSED
            if not der:
                fault = FaultNumber.TLS_ORIGIN
        # the client looks for the name that it asked for, and that is the one the origin was verified by
        self._start(self._conclude(look, name, facts, fault))

    async def _conclude(self, look: Look, host: str, facts: OriginCertificate | None, fault: int) -> None:
        assert self._leaves is not None  # noqa: S101 see certificate()
        try:
            leaf_name(host)
        except ValueError as error:
            # the client's doing: no certificate could have what it asks for
            _logger.info("no leaf for %s: %s", self._discretion().target(host), error)
            look.conclude(Action.REFUSE, None, FaultNumber.TLS_REFUSED)
            return
        try:
            # an origin that is not believed does not say how long a leaf holds
            pair = await self._leaves.get(host, None if fault else facts)
            leaf = self._certificate(pair)
        except (ConfigError, ValueError, OSError) as error:
            _logger.error("no leaf for %s: %s", host, error)  # noqa: TRY400 it says what is wrong
            look.conclude(Action.REFUSE, None, FaultNumber.INTERNAL)
            return
        except asyncio.CancelledError:
            look.conclude(Action.REFUSE, None, FaultNumber.DRAIN)
            raise
        look.conclude(Action.BRIDGE, leaf, fault)

    def _certificate(self, pair: Pair) -> Certificate:
        found = self._parsed.pop(pair.digest, None) or Certificate(pair.chain, pair.key)
        self._parsed[pair.digest] = found
        if len(self._parsed) > self._memory:
            self._parsed.popitem(last=False)
        return found

    def rejected(self, client: str, name: str, alert: int) -> None:
        """A client has refused its leaf."""
        word = ALERTS.get(alert, f"alert {alert}")
        told = self._discretion()
        _logger.info("%s refused the leaf of %s: %s", told.client(client), told.target(name), word)
        if alert in ALERTS:
            self._rejected(self._key, name, client, word)


def make_bridge(
    key: str,
    path: str,
    forward: Forward,
    material: BridgeMaterial | None,
    surroundings: Surroundings,
    lists: Mapping[str, HostList],
) -> tuple[Bridge, Gate]:
    """The engine's bridge of a forward listener that bridges or refuses fronting, and its gate. `lists`: those named.

    Raises ConfigError where the authority or the directory of leaves cannot be used.
    """
    model = forward.bridge
    tickets = surroundings.tickets.named(material.tickets) if material is not None else None
    bridging = Bridging(forward, path, Pinning.of(model.pinned) if model is not None else None, lists)
    try:
        leaves = _leaves(model, material) if model is not None and material is not None else None
        server = with_groups(INTERMEDIATE, lambda groups: _server(groups, tickets, surroundings.key_log.descriptor))
        client = ClientContext(
            judged=True,
            ca=material.ca if material is not None else b"",
            minimum=VERSIONS[model.tls.minimum if model is not None else "1.2"],
            key_log=surroundings.key_log.descriptor,
        )
    except ValueError as error:
        raise ConfigError(str(error), path=f"{path}.bridge") from error
    memory = model.leaves.memory if model is not None else 1
    gate = Gate(key, bridging, leaves, memory=memory, surroundings=surroundings)
    return Bridge(gate, server=server, client=client, same_host=forward.refuses_fronting), gate


def _server(groups: str, tickets: TicketKeys | None, key_log: int) -> ServerContext:
    return ServerContext(
        certificates=(),
        names={},
        default=(),
        minimum=INTERMEDIATE.minimum,
        ciphers=INTERMEDIATE.ciphers,
        suites=INTERMEDIATE.suites,
        groups=groups,
        tickets=tickets,
        key_log=key_log,
    )


def _leaves(model: BridgeModel, material: BridgeMaterial) -> Leaves:
    directory = model.leaves.directory
    place = None if directory is None else state_directory() / "leaves" if directory == STATE else Path(directory)
    authority = Authority.load(material.certificate, material.key)
    return Leaves(authority, model.leaves.lifetime, place, model.leaves.memory)
