"""From a configuration to its material: every file that its TLS names is read and checked, every problem is a finding.

Nothing here is in force yet. `gather` is called for each new configuration, and again when a file has changed; then
`lenient`: what no longer fits is told, and what was in force before stands in for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from limen.config.findings import Finding
from limen.config.hello_names import covers_names
from limen.config.models.egress import GROUP
from limen.config.models.tls import Tickets
from limen.config.refusal import shown
from limen.errors import ConfigError
from limen.tls import self_signed
from limen.tls.authorities import Trouble, authorities_troubles, revocation_troubles
from limen.tls.authority import Authority
from limen.tls.certificates import Certificate, Flaw
from limen.tls.material import BridgeMaterial, Expiry, ListenerMaterial, Material, UpstreamMaterial
from limen.tls.names import assign
from limen.tls.signatures import Signature
from limen.tls.store import LARGEST, LARGEST_LIST, Store, Unreadable
from limen.tls.tickets import RingSetting, parse_keys, ring_name

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.bridge import Bridge
    from limen.config.models.tls import CertificateFiles, ClientCertificates, ListenerTls, UpstreamTls
    from limen.config.positions import Path

_NAMES_SHOWN = 3
# Bridged clients resume as those of a listener with default tickets do.
_BRIDGE_TICKETS = Tickets()

Origin = tuple[str, ...]
"""What something was made of: its kind and its files."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a configuration's TLS needs."""

    material: Material
    findings: tuple[Finding, ...] = ()
    rings: Mapping[str, RingSetting] = field(default_factory=dict)
    """Rings of ticket keys by name."""
    files: Mapping[str, Signature | None] = field(default_factory=dict)
    """Every file that it came from, as it looked then."""
    certificates: Mapping[bytes, Certificate] = field(default_factory=dict)
    """By the digest of their pairs."""
    stapled: tuple[Certificate, ...] = ()
    """Those whose responder should be asked."""
    insistent: Mapping[bytes, Finding] = field(default_factory=dict)
    """What to say of those whose clients refuse them without a stapled response, when there is none; by digest."""
    due: float | None = None
    """Unix time at which something has to be made anew although no file changes."""
    good: Mapping[Origin, object] = field(default_factory=dict, repr=False)
    """What may stand in for what no longer fits."""


NOTHING = Gathered(Material())


def gather(config: Config, store: Store, *, before: Gathered = NOTHING, lenient: bool = False) -> Gathered:
    """Reads what the configuration names; with errors among the findings the material is incomplete.

    `before`: what is in force; `lenient`: let it stand in. Takes a while for many files: not for a loop's thread.
    """
    return _Gathering(store, before if lenient else NOTHING).all_of(config)


class _Gathering:
    def __init__(self, store: Store, before: Gathered) -> None:
        self._store = store
        self._before = before
        self._now = time.time()
        self._findings: list[Finding] = []
        self._paths: set[str] = set()
        self._rings: dict[str, RingSetting] = {}
        self._certificates: dict[bytes, Certificate] = {}
        self._good: dict[Origin, object] = {}
        self._due: float | None = None
        self._stapled: dict[bytes, Certificate] = {}
        self._insistent: dict[bytes, Finding] = {}

    def all_of(self, config: Config) -> Gathered:
        listeners = {
            number: made
            for number, listener in enumerate(config.listeners)
            if listener.tls is not None and (made := self._listener(("listeners", number, "tls"), listener.tls))
        }
        upstreams = {
            name: self._upstream(_tls_path(name), upstream.tls)
            for name, upstream in config.groups.items()
            if upstream.tls is not None
        }
        bridges = {
            number: bridge
            for number, listener in enumerate(config.listeners)
            if listener.forward is not None
            and listener.forward.bridge is not None
            and (bridge := self._bridge(("listeners", number, "forward", "bridge"), listener.forward.bridge))
        }
        if config.resolver.tls is not None and config.resolver.tls.ca is not None:
            self._authorities(("resolver", "tls", "ca"), config.resolver.tls.ca)
        pairs = {digest: certificate.pair for digest, certificate in self._certificates.items()}
        return Gathered(
            Material(pairs, listeners, upstreams, bridges),
            tuple(self._findings),
            self._rings,
            self._store.signatures(self._paths),
            self._certificates,
            tuple(self._stapled.values()),
            self._insistent,
            self._due,
            self._good,
        )

    # -- listeners and upstreams

    def _listener(self, path: Path, tls: ListenerTls) -> ListenerMaterial | None:
        found = self._self_signed(path) if tls.self_signed else self._configured(path, tls.certificates or ())
        client_ca, crl = self._clients((*path, "client"), tls.client) if tls.client is not None else (b"", b"")
        tickets = self._tickets((*path, "tickets"), tls.tickets) if tls.tickets is not None else ""
        if not found:
            return None
        certificates = [certificate for _, certificate in found]
        for number, certificate in enumerate(certificates):
            place = (*path, "certificates", number, "chain")
            self._staple(place, found[number][0], certificate, wanted=tls.stapling)
        assigned = assign(certificates)
        for number, holder in assigned.useless.items():
            self._useless((*path, "certificates", number), certificates[number], found[holder][0])
        self._passed(path, tls, found)
        return ListenerMaterial(
            certificates=tuple(certificate.pair.digest for certificate in certificates),
            names=assigned.names,
            default=assigned.default,
            client_ca=client_ca,
            crl=crl,
            tickets=tickets,
            expiries=tuple(Expiry(file, certificate.not_after) for file, certificate in found),
        )

    def _staple(self, path: Path, file: str, certificate: Certificate, *, wanted: bool) -> None:
        insist = f"{file}: clients insist on a stapled response, and"
        if wanted and certificate.responder:
            digest = certificate.pair.digest
            self._stapled[digest] = certificate
            if certificate.must_staple:
                message = f"{insist} none is at hand yet: they will refuse it"
                self._insistent[digest] = Finding(path, message, warning=True)
        elif certificate.must_staple:
            reason = "it names no responder" if wanted else "`stapling` is off"
            self._findings.append(Finding(path, f"{insist} {reason}: they will refuse it", warning=True))

    def _self_signed(self, path: Path) -> list[tuple[str, Certificate]]:
        place = (*path, "self_signed")
        try:
            file, self._due = self_signed.keep()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            message = f"the certificate cannot be kept in {shown(str(error.filename))}: {reason}"
            self._findings.append(Finding(place, message, "set STATE_DIRECTORY, or name `certificates`"))
            return []
        self._paths.add(file)
        made = self._store.certificate(file, file)
        if isinstance(made, Flaw):
            self._findings.append(Finding(place, f"{file}: {made.message}", made.hint))
            return []
        self._certificates[made.pair.digest] = made
        return [(file, made)]

    def _configured(self, path: Path, files: Sequence[CertificateFiles]) -> list[tuple[str, Certificate]]:
        found = []
        for number, one in enumerate(files):
            place = (*path, "certificates", number)
            certificate = self._certificate(place, one)
            if certificate is None:
                continue
            if not certificate.names:
                hint = "let it be issued with subject alternative names; the common name does not count"
                self._findings.append(Finding((*place, "chain"), f"{one.chain}: is for no name", hint))
            if not certificate.for_servers:
                message = f"{one.chain}: is not for servers (extended key usage): clients will refuse it"
                self._findings.append(Finding((*place, "chain"), message, warning=True))
            found.append((one.chain, certificate))
        # with one missing, numbers would not be places any more; an error says why
        return found if len(found) == len(files) else []

    def _upstream(self, path: Path, tls: UpstreamTls) -> UpstreamMaterial:
        ca = self._authorities((*path, "ca"), tls.ca) if tls.ca is not None else b""
        if tls.certificate is None:
            return UpstreamMaterial(ca)
        place = (*path, "certificate")
        certificate = self._certificate(place, tls.certificate)
        if certificate is None:
            return UpstreamMaterial(ca)
        if not certificate.for_clients:
            message = f"{tls.certificate.chain}: is not for clients (extended key usage): endpoints may refuse it"
            self._findings.append(Finding((*place, "chain"), message, warning=True))
        expiry = Expiry(tls.certificate.chain, certificate.not_after)
        return UpstreamMaterial(ca, certificate.pair.digest, (expiry,))

    def _bridge(self, path: Path, bridge: Bridge) -> BridgeMaterial | None:
        place = (*path, "authority")
        files = bridge.authority
        origin = ("authority", files.certificate, files.key)
        for file in (files.certificate, files.key):
            self._paths.add(file)
            with contextlib.suppress(Unreadable):
                # for the watch; whoever reads it below says what is wrong with it
                self._store.content(file)
        ca = self._authorities((*path, "tls", "ca"), bridge.tls.ca) if bridge.tls.ca is not None else b""
        self._rings[ring_name(_BRIDGE_TICKETS)] = RingSetting(_BRIDGE_TICKETS.lifetime)
        before = self._before.good.get(origin)
        try:
            authority = Authority.read(files.certificate, files.key)
        except ConfigError as error:
            self._findings.append(Finding(place, error.message, error.hint, warning=before is not None))
            if not isinstance(before, BridgeMaterial):
                return None
            return replace(before, ca=ca)
        made = BridgeMaterial(
            authority.chain_pem,
            authority.key_pem,
            ca,
            ring_name(_BRIDGE_TICKETS),
            (Expiry(files.certificate, authority.not_after),),
        )
        self._good[origin] = made
        return made

    def _useless(self, path: Path, certificate: Certificate, holder: str) -> None:
        names = ", ".join(certificate.names[:_NAMES_SHOWN])
        more = "" if len(certificate.names) <= _NAMES_SHOWN else f" and {len(certificate.names) - _NAMES_SHOWN} more"
        message = f"is never shown: {holder} comes first for {names}{more}, with a key of the same kind"
        self._findings.append(Finding(path, message, "remove one of both", warning=True))

    # -- files

    def _passed(self, path: Path, tls: ListenerTls, found: Sequence[tuple[str, Certificate]]) -> None:
        """Names of certificates that every hello which asks for them is passed on with."""
        whole = [
            (number, route.match.sni)
            for number, route in enumerate(tls.pass_ or ())
            if route.match is not None and route.match.sni and not (route.match.alpn or route.match.ja4)
        ]
        for file, certificate in found if whole else ():
            for name in certificate.names:
                by = next((number for number, names in whole if covers_names(names, (name,))), None)
                if by is not None:
                    message = f"{file}: nobody sees it under the name {name}: `pass` takes all who ask for that"
                    hint = "take the name out of `pass`, or the certificate away"
                    self._findings.append(Finding((*path, "pass", by), message, hint, warning=True))

    def _certificate(self, path: Path, files: CertificateFiles) -> Certificate | None:
        self._paths |= {files.chain, files.key}
        origin = ("pair", files.chain, files.key)
        made = self._store.certificate(files.chain, files.key)
        flaw = made if isinstance(made, Flaw) else made.flaw_at(self._now)
        if flaw is not None:
            before = self._before.good.get(origin)
            self._flawed(path, files, flaw, forgiven=before is not None)
            if not isinstance(before, Certificate):
                return None
            made = before
        elif isinstance(made, Certificate):
            for warning in made.flaws:
                self._flawed(path, files, warning)
        if isinstance(made, Flaw):
            return None
        if not self._store.is_private(files.key):
            message = f"{files.key}: may be read by others than its owner"
            self._findings.append(Finding((*path, "key"), message, f"chmod 600 {files.key}", warning=True))
        self._good[origin] = made
        self._certificates[made.pair.digest] = made
        return made

    def _flawed(self, path: Path, files: CertificateFiles, flaw: Flaw, *, forgiven: bool = False) -> None:
        file = files.chain if flaw.part == "chain" else files.key
        finding = Finding((*path, flaw.part), f"{file}: {flaw.message}", flaw.hint, warning=flaw.warning or forgiven)
        self._findings.append(finding)

    def _clients(self, path: Path, client: ClientCertificates) -> tuple[bytes, bytes]:
        ca = self._authorities((*path, "ca"), client.ca)
        if client.crl is None:
            return ca, b""
        origin, place = ("crl", client.crl), (*path, "crl")
        crl = self._content(origin, place, largest=LARGEST_LIST)
        troubles = [] if crl is None else [*revocation_troubles(crl, ca)]
        return ca, self._judged(origin, place, crl, troubles)

    def _authorities(self, path: Path, file: str) -> bytes:
        origin = ("ca", file)
        ca = self._content(origin, path, largest=LARGEST_LIST)
        return self._judged(origin, path, ca, [] if ca is None else [*authorities_troubles(ca)])

    def _tickets(self, path: Path, tickets: Tickets) -> str:
        name = ring_name(tickets)
        keys: tuple[bytes, ...] = ()
        if tickets.file is not None:
            origin, place = ("tickets", tickets.file), (*path, "file")
            content = self._content(origin, place, largest=LARGEST)
            troubles = [] if content is None else [*_key_troubles(content)]
            content = self._judged(origin, place, content, troubles)
            if not self._store.is_private(tickets.file):
                message = f"{tickets.file}: may be read by others than its owner"
                self._findings.append(Finding(place, message, f"chmod 600 {tickets.file}", warning=True))
            if not content:
                return ""
            keys = parse_keys(content)
        self._rings[name] = RingSetting(tickets.lifetime, keys)
        return name

    def _content(self, origin: Origin, path: Path, *, largest: int) -> bytes | None:
        """What the file of this origin holds; None, and a finding, when it cannot be read."""
        file = origin[1]
        self._paths.add(file)
        try:
            return self._store.content(file, largest=largest).text
        except Unreadable as error:
            self._findings.append(Finding(path, f"{file}: {error}", warning=origin in self._before.good))
            return None

    def _judged(self, origin: Origin, path: Path, content: bytes | None, troubles: Sequence[Trouble]) -> bytes:
        """The content if it can be used, or what stands in for it, or nothing; findings say why."""
        before = self._before.good.get(origin)
        for one in troubles:
            warning = one.warning or before is not None
            self._findings.append(Finding(path, f"{origin[1]}: {one.message}", one.hint, warning=warning))
        usable = content is not None and all(trouble.warning for trouble in troubles)
        taken = content if usable else before
        if not isinstance(taken, bytes):
            return b""
        self._good[origin] = taken
        return taken


def _key_troubles(content: bytes) -> Iterator[Trouble]:
    try:
        parse_keys(content)
    except ValueError as error:
        yield Trouble(str(error), "openssl rand 80 > FILE makes one key")


def _tls_path(group: str) -> Path:
    """Where the TLS of an upstream, or of ways out, is written."""
    if group.startswith(GROUP):
        return ("egress", group.removeprefix(GROUP), "tls")
    return ("upstreams", group, "tls")
