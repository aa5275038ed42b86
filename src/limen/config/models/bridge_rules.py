"""The rules of bridging: three points, each with only the actions that are possible there.

at CONNECT            at the client hello     at the origin's certificate
pass, look, refuse    pass, bridge, refuse    bridge, pass, refuse
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from limen.config.bridge import Alpn, Fingerprint, Issuer, Ja4, Problem
from limen.config.models.section import Section, Several
from limen.config.refusal import Refused, shown
from limen.config.scalars import Name, Network, PortRange, TargetHost, Text, either

ACTIONS = ("pass", "look", "bridge", "refuse")
_WHERE = {
    "names": "use it in `hello`: the name is in the client hello",
    "alpn": "use it in `hello`: protocols are in the client hello",
    "ja4": "use it in `hello`: it is computed from the client hello",
    "problem": "use it in `certificate`: the origin's certificate is not known yet",
    "issuer": "use it in `certificate`: the origin's certificate is not known yet",
    "fingerprint": "use it in `certificate`: the origin's certificate is not known yet",
    "clients": "use it in `connect` or `hello`",
    "users": "use it in `connect` or `hello`",
    "groups": "use it in `connect` or `hello`",
    "ports": "use it in `connect` or `hello`",
}


class PointCondition(Section):
    """Base of the conditions of one point: a condition that belongs to another point is told where."""

    @model_validator(mode="before")
    @classmethod
    def _possible(cls, written: object) -> object:
        for name in written if isinstance(written, dict) else ():
            if name in _WHERE and name not in cls.model_fields:
                raise Refused(f"the condition {shown(name)} is not possible at this point", _WHERE[name], at=name)
        return written


class ConnectCondition(PointCondition):
    """What a rule of `connect` asks for; all keys given must hold, one value of each list. `{}` takes everything."""

    clients: Annotated[tuple[Network, ...], Several(single=True)] | None = Field(
        default=None, description="Networks of the client address."
    )
    users: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None,
        description="Names of clients, as `identity` found them, exactly; `*` for everybody who is known.",
    )
    groups: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None, description="Groups of clients, as `identity` found them."
    )
    hosts: Annotated[tuple[TargetHost, ...], Several(single=True)] | None = Field(
        default=None, description="Host of CONNECT's target, with the patterns of access rules."
    )
    host_lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None,
        description="Lists of names (`lists` of the root) of the same host; together with `hosts`, one of both must "
        "hold.",
    )
    ports: Annotated[tuple[PortRange, ...], Several(single=True)] | None = Field(
        default=None, description='Ports of the target: numbers, and ranges such as `"8000-8999"`.'
    )


class HelloCondition(PointCondition):
    """What a rule of `hello` asks for; all keys given must hold, one value of each list. `{}` takes everything."""

    clients: Annotated[tuple[Network, ...], Several(single=True)] | None = Field(
        default=None, description="Networks of the client address."
    )
    users: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None,
        description="Names of clients, as `identity` found them, exactly; `*` for everybody who is known.",
    )
    groups: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None, description="Groups of clients, as `identity` found them."
    )
    hosts: Annotated[tuple[TargetHost, ...], Several(single=True)] | None = Field(
        default=None,
        description="Host of CONNECT's target. Where that is an IP address, the name in the client hello counts, too.",
    )
    host_lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None,
        description="Lists of names (`lists` of the root) of the same host; together with `hosts`, one of both must "
        "hold.",
    )
    names: Annotated[tuple[TargetHost, ...], Several(single=True)] | None = Field(
        default=None,
        description="The name in the client hello (SNI), with the same patterns; a client that names nothing does not "
        "match. A rule with `names` is taken at its word: a name that differs from CONNECT's host is then meant, and "
        "`fronting` does not refuse it.",
    )
    alpn: Annotated[tuple[Alpn, ...], Several(single=True)] | None = Field(
        default=None, description="Protocols, one of which the client offers (ALPN), such as `h2`."
    )
    ja4: Annotated[tuple[Ja4, ...], Several(single=True)] | None = Field(
        default=None, description="JA4 fingerprints of the client hello; `*` and `?` stand for characters."
    )
    ports: Annotated[tuple[PortRange, ...], Several(single=True)] | None = Field(
        default=None, description='Ports of the target: numbers, and ranges such as `"8000-8999"`.'
    )


class CertificateCondition(PointCondition):
    """What a rule of `certificate` asks for; all keys given must hold, and one value of each list."""

    hosts: Annotated[tuple[TargetHost, ...], Several(single=True)] | None = Field(
        default=None,
        description="Host of CONNECT's target, or the name in the client hello where the target is an IP address.",
    )
    host_lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None,
        description="Lists of names (`lists` of the root) of the same host; together with `hosts`, one of both must "
        "hold.",
    )
    problem: Annotated[tuple[Problem, ...], Several(single=True)] | None = Field(
        default=None,
        description="What is wrong: `any`, or some of `expired`, `not_yet_valid`, `untrusted`, `name_mismatch`, "
        "`revoked`, `self_signed`, `client_certificate_wanted` (the origin asks for a certificate that only the client "
        "has) and `other`. Left out, sound certificates match, too.",
    )
    issuer: Annotated[tuple[Issuer, ...], Several(single=True)] | None = Field(
        default=None,
        description="Patterns of the issuer's name as RFC 4514 writes it (`CN=…,O=…,C=…`), any case; `*` and `?` stand "
        'for characters, as in `"*O=Example*"`.',
    )
    fingerprint: Annotated[tuple[Fingerprint, ...], Several(single=True)] | None = Field(
        default=None, description="SHA-256 of the origin's certificate: 64 hexadecimal digits, with or without colons."
    )


def _attribute(action: str) -> str:
    # `pass` is a word of Python
    return "pass_" if action == "pass" else action


class PointRule(Section):
    """Base of the rules of one point: exactly one of its actions; another point's is refused by name."""

    actions: ClassVar[tuple[str, ...]] = ()

    name: Name | None = Field(default=None, description="Name in logs; by default the place of the rule.")

    @model_validator(mode="before")
    @classmethod
    def _possible(cls, written: object) -> object:
        for action in ACTIONS:
            if isinstance(written, dict) and action in written and action not in cls.actions:
                hint = f"possible here are {either(cls.actions).replace(' or ', ' and ')}"
                raise Refused(f"`{action}` is not possible at this point", hint, at=action)
        return written

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        found = [action for action in self.actions if getattr(self, _attribute(action)) is not None]
        if len(found) != 1:
            wrong = f"has {' and '.join(found)}" if found else "has none of them"
            raise Refused(f"needs exactly one of {either(self.actions)}", wrong, at=found[1] if found else ())
        return self

    @property
    def action(self) -> str:
        """The action: one of `actions`."""
        return next(action for action in self.actions if getattr(self, _attribute(action)) is not None)


def _one_of(*actions: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [action]} for action in actions]})


class ConnectRule(PointRule):
    """A rule at CONNECT: one of `pass`, `look` and `refuse`. Whether a tunnel is bridged is decided after looking."""

    model_config = _one_of("pass", "look", "refuse")
    actions = ("pass", "look", "refuse")

    pass_: ConnectCondition | None = Field(
        default=None, alias="pass", description="Carry the bytes as they are, at once and without looking."
    )
    look: ConnectCondition | None = Field(
        default=None, description="Wait for the client hello, and decide by the rules of `hello`."
    )
    refuse: ConnectCondition | None = Field(default=None, description="Answer CONNECT with 403.")

    @property
    def condition(self) -> ConnectCondition:
        """The condition, whichever action it has."""
        return self.pass_ or self.look or self.refuse or ConnectCondition()


class HelloRule(PointRule):
    """A rule at the client hello: one of `pass`, `bridge` and `refuse`."""

    model_config = _one_of("pass", "bridge", "refuse")
    actions = ("pass", "bridge", "refuse")

    pass_: HelloCondition | None = Field(
        default=None, alias="pass", description="Carry the bytes as they are, the client hello first."
    )
    bridge: HelloCondition | None = Field(
        default=None, description="Connect to the origin, verify it, and decide by the rules of `certificate`."
    )
    refuse: HelloCondition | None = Field(default=None, description="Close the tunnel.")

    @property
    def condition(self) -> HelloCondition:
        """The condition, whichever action it has."""
        return self.pass_ or self.bridge or self.refuse or HelloCondition()


class CertificateRule(PointRule):
    """A rule at the origin's certificate: one of `bridge`, `pass` and `refuse`.

    `bridge` only ever takes sound certificates.
    """

    model_config = _one_of("bridge", "pass", "refuse")
    actions = ("bridge", "pass", "refuse")

    bridge: CertificateCondition | None = Field(
        default=None,
        description="Mint a leaf and open the tunnel. Never matches a certificate that is not sound.",
    )
    pass_: CertificateCondition | None = Field(
        default=None,
        alias="pass",
        description="Carry the bytes as they are: the client judges the certificate itself.",
    )
    refuse: CertificateCondition | None = Field(
        default=None, description="Answer inside the tunnel with an error of our own."
    )

    @property
    def condition(self) -> CertificateCondition:
        """The condition, whichever action it has."""
        return self.bridge or self.pass_ or self.refuse or CertificateCondition()

    @model_validator(mode="after")
    def _nothing_hidden(self) -> Self:
        if self.bridge is not None and self.bridge.problem is not None:
            message = "a broken origin certificate is never hidden behind a good leaf"
            raise Refused(message, "use `pass` or `refuse` for certificates with a problem", at=("bridge", "problem"))
        return self
