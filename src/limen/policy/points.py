"""Ordered rules of bridging, compiled: the first that matches, found through its hosts.

A rule with plain host conditions is filed under each of them, so that ten thousand rules of one host each cost what
ten cost; those without hosts, or with globs, are tried as their turn comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import merge
from typing import TYPE_CHECKING

from limen.config.hosts import HostSet, is_glob, key_of, keys_of
from limen.engine.addresses import AddressSet
from limen.engine.identity import IdentityMatch

if TYPE_CHECKING:
    from limen.config.models.bridge_rules import (
        CertificateCondition,
        CertificateRule,
        ConnectCondition,
        ConnectRule,
        HelloCondition,
        HelloRule,
    )
    from limen.engine.host_lists import HostList
    from limen.engine.identity import Identity
    from limen.tls.origin_certificate import OriginCertificate


class ListedHosts:
    """Hosts by their patterns, and those on lists of names, which change while this lives."""

    __slots__ = ("_hosts", "_lists")

    def __init__(self, patterns: Sequence[str], lists: Sequence[HostList]) -> None:
        self._hosts = HostSet(patterns)
        self._lists = tuple(lists)

    def has(self, host: str) -> bool:
        """Whether a pattern or a list takes a canonical host."""
        return self._hosts.has(host) or (bool(host) and any(one.holds(host.encode()) for one in self._lists))


class Action(IntEnum):
    """What happens to a tunnel."""

    PASS = 0
    LOOK = 1
    BRIDGE = 2
    REFUSE = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """All that is known of a tunnel when a point is decided; what is not known yet is empty."""

    client: str
    hosts: tuple[str, ...]
    """Canonical: CONNECT's host, then the name in the client hello where the first is an address."""
    port: int
    name: str = ""
    """Canonical."""
    alpn: tuple[str, ...] = ()
    ja4: str = ""
    certificate: OriginCertificate | None = None
    problem: str = ""
    identity: Identity | None = None
    """Who asked for it; None: nobody said."""


@dataclass(frozen=True, slots=True)
class PointRule:
    """One compiled rule; None sets no condition."""

    action: Action
    label: str
    patterns: tuple[str, ...] | None = None
    """Of hosts, as configured."""
    hosts: HostSet | ListedHosts | None = None
    clients: AddressSet | None = None
    identity: IdentityMatch | None = None
    ports: tuple[tuple[int, int], ...] | None = None
    names: HostSet | None = None
    alpn: frozenset[str] | None = None
    ja4: re.Pattern[str] | None = None
    problems: frozenset[str] | None = None
    sound: bool = False
    """Takes only certificates without a problem."""
    issuer: re.Pattern[str] | None = None
    fingerprints: frozenset[str] | None = field(default=None)

    def takes(self, asked: Asked) -> bool:
        """Whether all conditions hold."""
        return (
            (self.hosts is None or any(self.hosts.has(host) for host in asked.hosts))
            and (self.ports is None or any(low <= asked.port <= high for low, high in self.ports))
            and (self.clients is None or _is_among(self.clients, asked.client))
            and (self.identity is None or self.identity.fits(asked.identity))
            and (self.names is None or self.names.has(asked.name))
            and (self.alpn is None or not self.alpn.isdisjoint(asked.alpn))
            and (self.ja4 is None or self.ja4.fullmatch(asked.ja4) is not None)
            and self._takes_certificate(asked)
        )

    def _takes_certificate(self, asked: Asked) -> bool:
        if asked.problem and (self.sound or (self.problems is not None and not self._names(asked.problem))):
            return False
        if self.problems is not None and not asked.problem:
            return False
        if self.issuer is None and self.fingerprints is None:
            return True
        facts = asked.certificate
        return (
            facts is not None
            and (self.issuer is None or self.issuer.fullmatch(facts.issuer) is not None)
            and (self.fingerprints is None or facts.fingerprint in self.fingerprints)
        )

    def _names(self, problem: str) -> bool:
        return self.problems is not None and ("any" in self.problems or problem in self.problems)

    def may_take(self, host: str) -> bool:
        """Whether a tunnel to a canonical host could match, as far as its host goes."""
        return self.hosts is None or self.hosts.has(host)


def _is_among(clients: AddressSet, client: str) -> bool:
    try:
        return clients.matches(client)
    except ValueError:
        # a client without an address, such as one on a Unix socket, is in no network
        return False


class Point:
    """The rules of one point, in order."""

    __slots__ = ("_filed", "_rules", "_scanned", "has_rules")

    def __init__(self, rules: Iterable[PointRule]) -> None:
        self._rules = tuple(rules)
        self._filed: dict[str, list[int]] = {}
        self._scanned: list[int] = []
        self.has_rules = bool(self._rules)
        for number, rule in enumerate(self._rules):
            if rule.patterns is None or any(is_glob(pattern) for pattern in rule.patterns):
                self._scanned.append(number)
                continue
            for key in dict.fromkeys(key_of(pattern) for pattern in rule.patterns):
                self._filed.setdefault(key, []).append(number)

    def first(self, asked: Asked) -> PointRule | None:
        """The first rule that takes it."""
        if not self.has_rules:
            return None
        for number in self._candidates(asked.hosts):
            rule = self._rules[number]
            if rule.takes(asked):
                return rule
        return None

    def may_take(self, host: str, action: Action) -> bool:
        """Whether some rule with this action could take a tunnel to a canonical host."""
        candidates = self._candidates((host,))
        return any(self._rules[number].action is action and self._rules[number].may_take(host) for number in candidates)

    def has(self, action: Action) -> bool:
        """Whether a rule has this action."""
        return any(rule.action is action for rule in self._rules)

    def _candidates(self, hosts: Sequence[str]) -> Iterable[int]:
        lists = [self._filed[key] for host in hosts for key in keys_of(host) if key in self._filed]
        return merge(self._scanned, *lists) if lists else self._scanned


# From the configuration ----------------------------------------------------------------------------------------------


def connect_rules(rules: Sequence[ConnectRule], path: str, lists: Mapping[str, HostList]) -> Point:
    """The rules of `connect`; `path` is that of the list, `lists` are those that rules name."""
    return Point(_tunnel_rule(rule, rule.condition, f"{path}[{number}]", lists) for number, rule in enumerate(rules))


def hello_rules(rules: Sequence[HelloRule], path: str, lists: Mapping[str, HostList]) -> Point:
    """The rules of `hello`."""
    return Point(_tunnel_rule(rule, rule.condition, f"{path}[{number}]", lists) for number, rule in enumerate(rules))


def certificate_rules(rules: Sequence[CertificateRule], path: str, lists: Mapping[str, HostList]) -> Point:
    """The rules of `certificate`; those that bridge take only sound ones."""
    return Point(_certificate_rule(rule, f"{path}[{number}]", lists) for number, rule in enumerate(rules))


def _hosts_of(
    condition: ConnectCondition | HelloCondition | CertificateCondition, lists: Mapping[str, HostList]
) -> tuple[tuple[str, ...] | None, HostSet | ListedHosts | None]:
    """The patterns under which a rule can be filed, and the hosts that it takes."""
    if condition.host_lists is not None:
        return None, ListedHosts(condition.hosts or (), [lists[name] for name in condition.host_lists])
    return condition.hosts, None if condition.hosts is None else HostSet(condition.hosts)


def _tunnel_rule(
    rule: ConnectRule | HelloRule,
    condition: ConnectCondition | HelloCondition,
    label: str,
    lists: Mapping[str, HostList],
) -> PointRule:
    patterns, hosts = _hosts_of(condition, lists)
    names = getattr(condition, "names", None)
    alpn = getattr(condition, "alpn", None)
    return PointRule(
        action=Action[rule.action.upper()],
        label=rule.name or label,
        patterns=patterns,
        hosts=hosts,
        clients=None if condition.clients is None else AddressSet(condition.clients),
        identity=IdentityMatch(condition.users, condition.groups) if condition.users or condition.groups else None,
        ports=None if condition.ports is None else tuple((ports.first, ports.last) for ports in condition.ports),
        names=None if names is None else HostSet(names),
        alpn=None if alpn is None else frozenset(alpn),
        ja4=_text_glob(getattr(condition, "ja4", None)),
    )


def _certificate_rule(rule: CertificateRule, label: str, lists: Mapping[str, HostList]) -> PointRule:
    condition: CertificateCondition = rule.condition
    patterns, hosts = _hosts_of(condition, lists)
    return PointRule(
        action=Action[rule.action.upper()],
        label=rule.name or label,
        patterns=patterns,
        hosts=hosts,
        problems=None if condition.problem is None else frozenset(condition.problem),
        sound=rule.bridge is not None,
        issuer=_text_glob(condition.issuer),
        fingerprints=None if condition.fingerprint is None else frozenset(condition.fingerprint),
    )


def _text_glob(patterns: Sequence[str] | None) -> re.Pattern[str] | None:
    """Patterns in which `*` and `?` stand for any characters, in any case."""
    if patterns is None:
        return None
    pieces = ("".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern) for pattern in patterns)
    return re.compile("|".join(f"(?:{piece})" for piece in pieces), re.IGNORECASE | re.DOTALL)
