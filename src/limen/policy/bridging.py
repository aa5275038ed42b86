"""What happens to a tunnel of a forward listener: three points, each decided by rules in order and a default.

    CONNECT        rules of `connect`      default: look if it may be bridged (or names must agree), else pass
    client hello   rules of `hello`        default: bridge `hosts`, else pass; then: do the names agree, is it pinned
    certificate    rules of `certificate`  default: bridge sound ones, pass if a client certificate is wanted, refuse

Pure: no I/O, no clock but that of the pinning. A host that must be bridged never passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.config import hosts as written
from limen.config.hosts import HostSet, is_literal
from limen.engine.addresses import canonical_host
from limen.policy.points import Action, Asked, certificate_rules, connect_rules, hello_rules
from limen.tls.pinning import Pinning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from limen.config.models.forward import Forward
    from limen.engine.host_lists import HostList
    from limen.engine.identity import Identity
    from limen.tls.origin_certificate import OriginCertificate

__all__ = ["Action", "Bridging", "Verdict", "compile_bridging"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens, and what decided: the rule's name, its place in the configuration, or the key of a default."""

    action: Action
    rule: str


def compile_bridging(forward: Forward, path: str, pinning: Pinning | None = None) -> Bridging | None:
    """The bridging of a forward listener; None where tunnels are opaque, so that nothing asks.

    `path` is that of `forward`, such as `listeners[0].forward`.
    """
    if forward.bridge is None and not forward.refuses_fronting:
        return None
    return Bridging(forward, path, pinning)


class Bridging:
    """The compiled rules of one forward listener. Hosts are taken as clients write them."""

    def __init__(
        self,
        forward: Forward,
        path: str,
        pinning: Pinning | None = None,
        lists: Mapping[str, HostList] | None = None,
    ) -> None:
        """`pinning` defaults to a new one as configured; a worker hands in one that remembers. `lists`: those named."""
        bridge = forward.bridge
        self._path = f"{path}.bridge"
        self._fronting_path = f"{path}.fronting"
        self.refuses_fronting = forward.refuses_fronting
        """Whether tunnels must agree with themselves."""
        if pinning is None:
            pinning = Pinning() if bridge is None else Pinning.of(bridge.pinned)
        self.pinning = pinning
        """Which hosts pass because their clients pin."""
        self._hosts = HostSet((bridge.hosts or ()) if bridge else ())
        self._connect = connect_rules(bridge.connect if bridge else (), f"{self._path}.connect", lists or {})
        self._hello = hello_rules(bridge.hello if bridge else (), f"{self._path}.hello", lists or {})
        self._certificate = certificate_rules(
            bridge.certificate if bridge else (), f"{self._path}.certificate", lists or {}
        )
        self._needs_ja4 = bridge is not None and any(rule.condition.ja4 is not None for rule in bridge.hello)

    @property
    def fronting_rule(self) -> str:
        """The rule of verdicts that refuse because names disagree."""
        return self._fronting_path

    @property
    def needs_ja4(self) -> bool:
        """Whether a rule asks for the JA4; else `at_hello` may be given an empty one."""
        return self._needs_ja4

    def at_connect(self, client: str, host: str, port: int, identity: Identity | None = None) -> Verdict:
        """Decides at CONNECT: PASS, LOOK or REFUSE."""
        name = canonical(host)
        rule = self._connect.first(Asked(client, (name,), port, identity=identity))
        if rule is not None:
            return self._never_passing(name, Verdict(rule.action, rule.label))
        if self.refuses_fronting:
            return Verdict(Action.LOOK, self._fronting_path)
        return Verdict(Action.LOOK if self._may_bridge(name) else Action.PASS, f"{self._path}.connect")

    def at_hello(  # noqa: PLR0917 in the order in which they become known
        self,
        client: str,
        host: str,
        port: int,
        name: str,
        alpn: tuple[str, ...],
        ja4: str,
        identity: Identity | None = None,
    ) -> Verdict:
        """Decides at the client hello: PASS, BRIDGE or REFUSE. `name` is empty where the client names nothing."""
        target, named = canonical(host), canonical(name)
        shown = effective_host(host, name)
        hosts = (target, named) if shown != target else (target,)
        rule = self._hello.first(Asked(client, hosts, port, named, alpn, ja4, identity=identity))
        if rule is not None:
            verdict = Verdict(rule.action, rule.label)
        else:
            bridged = any(self._hosts.has(one) or self.pinning.must_bridge(one) for one in hosts)
            verdict = Verdict(Action.BRIDGE if bridged else Action.PASS, f"{self._path}.hosts")
        if verdict.action is Action.REFUSE:
            return verdict
        # A rule that names the SNI has been told of the difference.
        told = rule is not None and rule.names is not None
        if self.refuses_fronting and not told and not self.has_agreement(host, name):
            return Verdict(Action.REFUSE, self._fronting_path)
        if verdict.action is Action.BRIDGE:
            pinned = self.pinning.why(shown)
            if not pinned and named and not self.pinning.must_bridge(shown):
                # clients that front pin the name in their hello, which is that of the leaf
                pinned = self.pinning.why(named)
            if pinned:
                verdict = Verdict(Action.PASS, f"{self._path}.pinned.{pinned}")
        return self._never_passing(shown, verdict)

    def at_certificate(self, host: str, facts: OriginCertificate | None, problem: str) -> Verdict:
        """Decides at the origin's certificate: BRIDGE, PASS or REFUSE. BRIDGE never with a problem.

        `host` is `effective_host`; `problem` a word of `limen.config.bridge.PROBLEMS`, empty for a sound certificate.
        """
        name = canonical(host)
        rule = self._certificate.first(Asked("", (name,), 0, certificate=facts, problem=problem))
        if rule is not None:
            verdict = Verdict(rule.action, rule.label)
        else:
            action = {"": Action.BRIDGE, "client_certificate_wanted": Action.PASS}.get(problem, Action.REFUSE)
            verdict = Verdict(action, f"{self._path}.certificate")
        return self._never_passing(name, verdict)

    @staticmethod
    def has_agreement(host: str, name: str) -> bool:
        """Whether the name in the client hello, or a Host field's host, is CONNECT's host: in any case, trailing dot or
        not. A client that names nothing agrees, and so does any name with an address: which names it has is not known.
        """
        target = canonical(host)
        return not name or target == canonical(name) or is_literal(target)

    def _may_bridge(self, name: str) -> bool:
        """Whether a tunnel to a canonical host might be bridged, once its client hello is known."""
        if self.pinning.must_bridge(name):
            return True
        if is_literal(name):
            return bool(self._hosts) or self._hello.has(Action.BRIDGE) or self.pinning.has_must_bridge
        if not self._hosts.has(name) and not self._hello.may_take(name, Action.BRIDGE):
            return False
        return not self.pinning.is_pinned(name)

    def _never_passing(self, host: str, verdict: Verdict) -> Verdict:
        """The verdict, unless it would pass a host that must be bridged: that is refused."""
        if verdict.action is Action.PASS and self.pinning.must_bridge(host):
            return Verdict(Action.REFUSE, f"{self._path}.pinned.must_bridge")
        return verdict


def canonical(host: str) -> str:
    """The form of a host that rules see. The engine's reading, for which 0x7f000001 and 127.1 are addresses: otherwise
    one could be named past a rule.
    """
    try:
        return canonical_host(host)[0]
    except ValueError:
        return written.canonical(host)


def effective_host(host: str, name: str) -> str:
    """The host that a tunnel is for, canonical: CONNECT's, or the name in the client hello where that is an address."""
    target = canonical(host)
    return canonical(name) if name and is_literal(target) else target
