"""Who may say who a client is: files of passwords and tokens, signed tokens, certificates, directories, services,
tickets.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.labels import LABELS
from limen.config.models.section import Section, Several, Shorthand, WrittenAs, exactly_one
from limen.config.refusal import Refused
from limen.config.scalars import FieldName, FilePath, Flag, Hook, HttpUrl, LdapUrl, Text, choice, duration, optional
from limen.config.units import parse_duration

KINDS = ("basic", "bearer", "certificate", "ldap", "check", "hook", "negotiate")
ALGORITHMS = (
    "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256 HS384 HS512".split()  # noqa: SIM905 as the RFC has them
)
Algorithm = Annotated[str, choice(*ALGORITHMS)]


class PasswordFile(Section):
    """Names and passwords as `htpasswd` writes them, watched."""

    file: FilePath = Field(
        description="Lines `name:hash`, with hashes of bcrypt (`htpasswd -B`) or Argon2. Plain texts, MD5, SHA-1 and "
        "crypt are refused, with the number of the line. A change is in force within seconds, for clients that are "
        "connected, too; a file that is broken leaves the last one in force."
    )


class Bearer(Section):
    """Bearer tokens (RFC 6750): a file of tokens, or signed ones (JWT, RFC 7519) with the keys to verify them."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in ("tokens", "keys", "url")]})

    tokens: FilePath | None = Field(
        default=None,
        description="A file with lines `name:sha256:digest` or `name:sha256:digest:group,group`, the digest of the "
        "token in 64 hexadecimal digits (`printf %s TOKEN | sha256sum`); watched.",
    )
    keys: FilePath | None = Field(default=None, description="A file with a JSON Web Key Set; watched.")
    url: HttpUrl | None = Field(
        default=None,
        description="A URL with a JSON Web Key Set, fetched by each worker when it is first needed, and again for a "
        "key that is not in it.",
    )
    ca: FilePath | None = Field(default=None, description="Authorities (PEM) for `url` instead of the system's.")
    refresh: Annotated[float, duration("10s", "7d")] = Field(
        default=parse_duration("1h"), description="After which time the set behind `url` is fetched again."
    )
    timeout: Annotated[float, duration("10ms", "1m")] = Field(
        default=parse_duration("5s"), description="Longest time of fetching it."
    )
    issuer: Text | None = Field(default=None, description="What `iss` has to be. Needed with `keys` and `url`.")
    audience: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None,
        description="What `aud` has to be or to have among others; one of these. Needed with `keys` and `url`: a "
        "token for another service is none for this one.",
    )
    algorithms: Annotated[tuple[Algorithm, ...], Several(single=True)] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA"),
        description="Signatures that count, whatever the token says. HS256 and the like need a shared secret, which "
        "whoever verifies could also sign with: name them only where the set has such keys.",
    )
    leeway: Annotated[float, duration("0s", "10m")] = Field(
        default=parse_duration("30s"), description="How far clocks may differ for `exp` and `nbf`. `exp` is needed."
    )
    name: Text = Field(default="sub", description="Claim with the name.")
    groups: Text = Field(default="groups", description="Claim with the groups: a list, or a text with spaces between.")

    @model_validator(mode="after")
    def _complete(self) -> Bearer:
        exactly_one(self, "tokens", "keys", "url")
        if self.tokens is None:
            for key in ("issuer", "audience"):
                if getattr(self, key) is None:
                    raise Refused(f"signed tokens need `{key}`", f"write what `{key[:3]}` of a token has to be")
        return self


class CertificateName(Section):
    """The certificate that a client has shown on a listener with `tls.client`."""

    name: Annotated[str, choice("common_name", "subject", "san", "fingerprint")] = Field(
        default="common_name",
        description="What the name is taken from: the common name (CN) of the subject, the subject as RFC 4514 writes "
        "it, the first alternative name, or the SHA-256 of the certificate in hexadecimal digits. A certificate that "
        "has none names nobody.",
    )


class LdapGroups(Section):
    """How the groups of somebody are looked up."""

    base: Text = Field(description="Where they are: `ou=groups,dc=example,dc=org`.")
    find: Text = Field(
        default="(member={dn})",
        description="Search filter; `{dn}` and `{name}` stand for whose groups are asked for, escaped (RFC 4515).",
    )
    attribute: Text = Field(default="cn", description="What their name is taken from.")


class Ldap(Section):
    """An LDAP directory that is asked by binding with the name and password of the client.

    Needs the extra `ldap` (`pip install 'limen[ldap]'`).
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in ("dn", "base")]})

    url: LdapUrl = Field(
        description="`ldaps://host[:port]`, or `ldap://host[:port]` with `start_tls`, or on this machine."
    )
    start_tls: Flag = Field(default=False, description="Begin TLS on the plain connection, before anything is said.")
    ca: FilePath | None = Field(default=None, description="Authorities (PEM) instead of the system's.")
    plain: Flag = Field(
        default=False, description="Whether passwords may go over the network unencrypted. Only for directories near."
    )
    dn: Text | None = Field(
        default=None,
        description="Whom to bind as: `uid={name},ou=people,dc=example,dc=org`; the name is escaped (RFC 4514). "
        "Without it the entry is searched for below `base`.",
    )
    base: Text | None = Field(default=None, description="Below which the entry of a name is searched for.")
    find: Text = Field(
        default="(uid={name})",
        description="Search filter for it; `{name}` is escaped (RFC 4515). It has to find exactly one entry.",
    )
    bind_dn: Text | None = Field(default=None, description="Whom to search as; anonymously without it.")
    bind_password: Text | None = Field(
        default=None, repr=False, description="Password for it; best as `${NAME}` or `{file: path}`."
    )
    groups: LdapGroups | None = Field(default=None, description="Look up groups; none without it.")
    timeout: Annotated[float, duration("10ms", "1m")] = Field(
        default=parse_duration("5s"), description="Longest time of one step: connecting, binding, a search."
    )

    @model_validator(mode="after")
    def _complete(self) -> Ldap:
        exactly_one(self, "dn", "base")
        if self.dn is not None and "{name}" not in self.dn:
            raise Refused("the name has no place in it", "write {name} where it belongs", at="dn")
        if self.base is not None and "{name}" not in self.find:
            raise Refused("the name has no place in it", "write {name} where it belongs", at="find")
        if self.bind_dn is not None and not self.bind_password:
            raise Refused("a bind without a password names nobody (RFC 4513, 5.1.2)", "add `bind_password`")
        if self.url.startswith("ldaps:") and self.start_tls:
            raise Refused("`start_tls` with ldaps://", "keep one of both", at="start_tls")
        if not (self.url.startswith("ldaps:") or self.start_tls or self.plain):
            hint = "use ldaps://, or `start_tls: true`, or say `plain: true`"
            raise Refused("passwords would go over the network unencrypted", hint, at="url")
        return self


class Check(Section):
    """A service that is asked by HTTP whether credentials are good.

    It gets a GET with the client's credentials in `Authorization`. 2xx takes them, 401 and 403 refuse them, anything
    else (redirects as well) means that it cannot say.
    """

    url: HttpUrl = Field(description="`https://` or `http://`; the certificate must be valid.")
    ca: FilePath | None = Field(default=None, description="Authorities (PEM) instead of the system's.")
    timeout: Annotated[float, duration("10ms", "1m")] = Field(
        default=parse_duration("5s"), description="Longest time of a question."
    )
    name: FieldName = Field(
        default="X-Identity",
        description="Field of the answer with the name. Without the field it is that of the Basic credentials; for a "
        "token, nobody's.",
    )
    groups: FieldName = Field(
        default="X-Groups", description="Field of the answer with the groups, with commas between."
    )


class Negotiate(Section):
    """Kerberos tickets, which browsers and other clients show by themselves (SPNEGO, RFC 4559).

    Needs the extra `kerberos` (`pip install 'limen[kerberos]'`).
    """

    keytab: FilePath = Field(
        description="The file with the keys of the service, watched. Neither may others than its owner and group read "
        "it nor others than its owner write to it."
    )
    service: Text | None = Field(
        default=None,
        description="Whose keys of the file count: `HTTP@proxy.example.org`, or a principal with or without its realm "
        "(`HTTP/proxy.example.org@EXAMPLE.ORG`). Without it all do.",
    )
    realms: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None, description="Realms whose tickets count. Without it those of the keys."
    )
    strip_realm: Flag = Field(
        default=True,
        description="Whether `alice@EXAMPLE.ORG` is called `alice`. With more than one realm it has to be `false`: "
        "there is an `alice` in each.",
    )

    groups: Text | None = Field(
        default=None,
        description="Name of an identity of the kind `ldap` that says in which groups somebody is; it needs `bind_dn` "
        "and `groups`. While it does not answer nobody is let in by a ticket. Without it only the `groups` beside "
        "`negotiate` count.",
    )

    @model_validator(mode="after")
    def _one_realm(self) -> Negotiate:
        if self.strip_realm and len(self.realms or ()) > 1:
            raise Refused("names of several realms would be one", "write `strip_realm: false`", at="strip_realm")
        return self


class Provider(Section):
    """Somebody who says who a client is; exactly one of the kinds."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in KINDS]})

    basic: Annotated[PasswordFile, Shorthand("file")] | None = Field(
        default=None, description="A file of passwords, as `htpasswd` writes it; its path, or a section."
    )
    bearer: Bearer | None = Field(default=None, description="Bearer tokens.")
    certificate: Annotated[CertificateName | None, WrittenAs((True, {}))] = Field(
        default=None, description="The client's certificate; `true`, or a section."
    )
    ldap: Ldap | None = Field(default=None, description="An LDAP directory.")
    check: Annotated[Check, Shorthand("url")] | None = Field(
        default=None, description="A service behind a URL; the URL, or a section."
    )
    hook: Hook | None = Field(
        default=None,
        description="A Python function, as `module:function`, that takes `limen.Credentials` and returns a name, "
        "`limen.Named` with groups, or None for nobody.",
    )
    negotiate: Annotated[Negotiate, Shorthand("keytab")] | None = Field(
        default=None, description="Kerberos tickets (SPNEGO); the path of the keytab, or a section."
    )
    groups: dict[Text, Annotated[tuple[Text, ...], Several(single=True)]] = Field(
        default_factory=dict, description="Groups, and the names in each; beside those that the provider itself tells."
    )
    cache: Annotated[float, duration("0s", "24h")] = Field(
        default=parse_duration("5m"),
        description="How long credentials that were taken are known without asking again; `0s`: they are verified each "
        "time. Until then what is revoked elsewhere stays good; a change of a file here, and a reload with other "
        "identities, forget them at once. A token is never known beyond its `exp`. Tickets (`negotiate`) are good for "
        "once; who has shown one is known by the connection, until the ticket ends.",
    )
    holds: Annotated[float | None, optional(duration("1s", "30d"))] = Field(
        default=None,
        description="How long tunnels, exchanges and connections may go on by what was verified once; they end with "
        "the next `limits.recheck`. `none`: as long as it holds. What is in files here, and when tokens, tickets and "
        "certificates end, is looked at again in any case; what a directory, a service or a hook has said is not asked "
        "again, and only this bounds it.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Provider:
        exactly_one(self, *KINDS)
        return self

    @property
    def files(self) -> tuple[tuple[tuple[str, str], str], ...]:
        """Keys and paths of what is read for it, and watched."""
        found = []
        if self.basic is not None:
            found.append((("basic", "file"), self.basic.file))
        if self.bearer is not None and self.bearer.tokens is not None:
            found.append((("bearer", "tokens"), self.bearer.tokens))
        if self.bearer is not None and self.bearer.keys is not None:
            found.append((("bearer", "keys"), self.bearer.keys))
        if self.negotiate is not None:
            found.append((("negotiate", "keytab"), self.negotiate.keytab))
        return tuple(found)


class Demand(Section):
    """Whom clients have to be known by."""

    by: Annotated[tuple[Text, ...], Several(single=True, needed=True)] = Field(
        description="Names of `identities`, asked in this order until one says who it is."
    )
    required: Flag = Field(
        default=True,
        description="`false`: who shows no credentials passes as nobody, for whom no condition on `users` and `groups` "
        "holds; where the rules of a proxy deny that, it is asked for credentials instead. Wrong ones are refused in "
        "any case.",
    )
    realm: Text = Field(
        default="access",
        description="Name of what is entered, which browsers show. It should tell nothing of the network.",
    )
    timeout: Annotated[float, duration("100ms", "1m")] = Field(
        default=parse_duration("15s"), description="Longest time until it is known; 503 beyond."
    )
    parameters: Annotated[tuple[Annotated[str, choice(*LABELS, "session")], ...], Several(single=True)] | None = Field(
        default=None,
        description="What clients of a proxy may add to their user name to choose their way out, as in "
        "`alice-country-fr-session-a1`: labels that the way must have, and `session`, whose requests keep one way.",
    )

    @model_validator(mode="after")
    def _fitting(self) -> Demand:
        if any(not 32 <= ord(character) <= 126 or character in '"\\' for character in self.realm):
            raise Refused("the realm is a text of visible ASCII characters without quotes", at="realm")
        if len(set(self.by)) < len(self.by):
            raise Refused("a name stands twice", "each is asked once", at="by")
        return self
