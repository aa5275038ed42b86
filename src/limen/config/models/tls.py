"""TLS: how a listener terminates it, how an upstream's connections are encrypted again, and the way to HTTPS."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.hello import OpaqueRoute
from limen.config.models.section import NoneWord, Section, Several, WrittenAs, exactly_one
from limen.config.refusal import Refused
from limen.config.scalars import (
    CipherName,
    FilePath,
    Flag,
    GroupName,
    PinnedKey,
    ServerName,
    TlsVersion,
    choice,
    duration,
    whole,
)
from limen.config.tls import is_suite
from limen.config.units import parse_duration

# What the preload list of browsers asks for (hstspreload.org), in seconds.
_PRELOAD_AGE = parse_duration("365d")


class CertificateFiles(Section):
    """A certificate with its key, in PEM files that are read again when they change."""

    chain: FilePath = Field(
        description="The certificate, then those that lead from it to the authority; the root may be left out."
    )
    key: FilePath = Field(
        description="Its private key, not encrypted; nobody but the user of Limen should be able to read it."
    )


class ClientCertificates(Section):
    """Certificates that clients show."""

    ca: FilePath = Field(description="Authorities (PEM) that client certificates must come from.")
    require: Flag = Field(
        default=False,
        description="Whether a client without a certificate is refused. One that shows a certificate which does not "
        "hold is refused in any case.",
    )
    crl: FilePath | None = Field(
        default=None,
        description="Revoked certificates (PEM, one list per authority of the chain); read again when it changes. A "
        "list that has run out refuses everybody.",
    )


class Tickets(Section):
    """Session tickets, with which a client comes back without the whole handshake."""

    lifetime: Annotated[float, duration("10m", "7d")] = Field(
        default=parse_duration("12h"),
        description="How long a ticket can be redeemed at most. The keys are made by Limen, changed three times "
        "in this time, shared by all workers, and never written to a disk.",
    )
    file: FilePath | None = Field(
        default=None,
        description="Take the keys from this file instead, so that several machines redeem each other's tickets: 1 "
        "to 8 keys of 80 bytes (16 name, 32 HMAC, 32 AES), raw one after the other or a line of base64 each. The first "
        "encrypts. Read again when it changes: changing it is up to you, `lifetime` then has no effect.",
    )


class StrictTransport(Section):
    """`Strict-Transport-Security` (RFC 6797): tells browsers to use nothing but HTTPS from now on."""

    max_age: Annotated[float, duration("0s", "3650d")] = Field(
        default=parse_duration("730d"), description="How long browsers remember it; `0s` makes them forget."
    )
    subdomains: Flag = Field(default=False, description="Whether it covers all names below the host, too.")
    preload: Flag = Field(
        default=False,
        description="Whether browsers may ship the host in their lists, which is hard to undo; needs `subdomains` and "
        "a `max_age` of a year.",
    )

    @model_validator(mode="after")
    def _preload_terms(self) -> StrictTransport:
        if self.preload and not (self.subdomains and self.max_age >= _PRELOAD_AGE):
            hint = "set `subdomains: true` and a `max_age` of 365d or more"
            raise Refused("the preload list takes only hosts with all subdomains, for a year", hint, at="preload")
        return self

    @property
    def field_value(self) -> str:
        """The value of the field."""
        words = [f"max-age={int(self.max_age)}"]
        words += ["includeSubDomains"] if self.subdomains else []
        words += ["preload"] if self.preload else []
        return "; ".join(words)


class ListenerTls(Section):
    """TLS terminated at a listener, with `certificates` or `self_signed`."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [key]} for key in ("certificates", "self_signed")]},
    )

    certificates: Annotated[tuple[CertificateFiles, ...], Several()] | None = Field(
        default=None,
        description="Certificates, chosen by the name that the client asks for (SNI). Names are those in the "
        "certificate; an exact one goes before a wildcard, and RSA and ECDSA may stand side by side for one name. The "
        "first one serves clients that ask for no name, or one that nobody has.",
    )
    self_signed: Flag = Field(
        default=False,
        description="A certificate made by Limen itself for `localhost`, the loopback addresses and the name of the "
        "machine: for trials, since no client trusts it unasked. Kept in $STATE_DIRECTORY, $XDG_STATE_HOME/limen, "
        "/var/lib/limen (root) or ~/.local/state/limen.",
    )
    profile: Annotated[str, choice("intermediate", "modern")] = Field(
        default="intermediate",
        description="Versions, ciphers and groups after Mozilla's Server Side TLS, version 6.0: `intermediate` takes "
        "TLS 1.2 and 1.3, `modern` only 1.3.",
    )
    minimum: TlsVersion | None = Field(
        default=None, description="Oldest version taken, instead of the profile's: `1.2` or `1.3`."
    )
    ciphers: Annotated[tuple[CipherName, ...], Several(single=True)] | None = Field(
        default=None,
        description="Ciphers in OpenSSL's spelling, instead of the profile's. Names that begin with `TLS_` are suites "
        "of TLS 1.3, the others ciphers of TLS 1.2; the profile's stay for the version of which none is named.",
    )
    groups: Annotated[tuple[GroupName, ...], Several(single=True)] | None = Field(
        default=None, description="Groups of the key exchange, best first, instead of the profile's; such as `X25519`."
    )
    client: ClientCertificates | None = Field(default=None, description="Ask clients for certificates.")
    tickets: Annotated[Tickets | None, NoneWord()] = Field(
        default_factory=Tickets, description="Session tickets; `none` turns them off."
    )
    stapling: Flag = Field(
        default=True,
        description="Fetch the word of a certificate's OCSP responder ahead, keep it in the state directory and show "
        "it with the certificate. Concerns only certificates that name a responder, and whose chain has their issuer.",
    )
    kernel: Flag = Field(
        default=True,
        description="Let the kernel seal what follows once a body of 1 MiB or more is sent (kTLS; TLS 1.3 with "
        "AES-GCM), so that it need not pass through Limen. Done where the kernel has TLS (module `tls`) and seals as "
        "fast as Limen does: Linux 6.11 or newer, or a processor without VAES and AVX-512.",
    )
    hsts: Annotated[StrictTransport | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None,
        description="Send `Strict-Transport-Security` with the responses of all routes of this listener; `true` for "
        "the defaults. A route that sets the field itself has its own.",
    )
    pass_: Annotated[tuple[OpaqueRoute, ...], Several()] | None = Field(
        default=None,
        alias="pass",
        description="Connections that are passed on unopened to an upstream, by their client hello, before anything is "
        "terminated: in order, the first match wins. Each needs a `match`.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> ListenerTls:
        if self.self_signed and self.certificates is not None:
            raise Refused("`self_signed` beside `certificates`", "keep one of both", at="self_signed")
        if not self.self_signed:
            exactly_one(self.model_copy(update={"self_signed": None}), "certificates", "self_signed")
        if self.profile == "modern" and self.minimum == "1.2":
            raise Refused("the profile modern has no TLS 1.2", "use the profile intermediate", at="minimum")
        oldest = self.minimum or ("1.3" if self.profile == "modern" else "1.2")
        old = next((name for name in self.ciphers or () if not is_suite(name)), None)
        if oldest == "1.3" and old is not None:
            raise Refused(f"{old} is a cipher of TLS 1.2, which is not taken here", "remove it", at="ciphers")
        for number, route in enumerate(self.pass_ or ()):
            if route.match is None:
                hint = "name `sni`, `alpn` or `ja4` in its `match`; what passes all is a `stream` without `tls`"
                raise Refused(
                    "a route of `pass` without `match` leaves nothing to terminate", hint, at=("pass", number)
                )
        return self


class HttpsRedirect(Section):
    """Sends every client to HTTPS: status 308 to the same host, path and query."""

    redirect: Annotated[int, whole(1, 65535)] = Field(
        default=443, description="The port of HTTPS, as clients see it; 443 is left out of the URL."
    )


class UpstreamTls(Section):
    """TLS towards the endpoints of an upstream; `{}` verifies by the authorities of the system."""

    verify: Flag = Field(
        default=True,
        description="Whether an endpoint's certificate must be valid, come from a known authority and carry the name. "
        "Without it nothing tells an endpoint from whoever stands in between.",
    )
    ca: FilePath | None = Field(
        default=None, description="Authorities (PEM) instead of the system's; read again when it changes."
    )
    server_name: ServerName | None = Field(
        default=None,
        description="The name asked for (SNI) and looked for in the certificate; by default each endpoint's own host.",
    )
    certificate: CertificateFiles | None = Field(
        default=None, description="A certificate to show to endpoints that ask for one."
    )
    pin: Annotated[tuple[PinnedKey, ...], Several(single=True)] | None = Field(
        default=None,
        description="Public keys, one of which the endpoint's certificate must have: `sha256/` and the base64 of the "
        "SHA-256 of its SubjectPublicKeyInfo. Holds beside `verify`, and also without it.",
    )
    minimum: TlsVersion = Field(default="1.2", description="Oldest version spoken: `1.2` or `1.3`.")

    @model_validator(mode="after")
    def _effective(self) -> UpstreamTls:
        if not self.verify and self.ca is not None:
            raise Refused("`ca` has no effect without verification", "remove `verify: false`, or `ca`", at="ca")
        return self
