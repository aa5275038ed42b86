"""Leaves: a certificate for each bridged host, minted once, kept in memory and in a directory.

    get --> memory --> one flight per host --> directory --> minted, linked into the directory

All leaves of an authority have one key, so that minting is one signature. Between processes the link decides: it is
made exclusively, and who comes second takes what the first one made (leaf_files).
"""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from limen.config.addresses import parse_host
from limen.config.bridge import STATE
from limen.config.hosts import canonical, is_literal
from limen.errors import ConfigError
from limen.tls.authority import BACKDATED, Authority, instant, key_pem, random_serial
from limen.tls.leaf_files import LeafFiles
from limen.tls.material import Pair
from limen.tls.state import state_directory

if TYPE_CHECKING:
    from limen.tls.origin_certificate import OriginCertificate

_LONGEST_NAME = 253
_LONGEST_COMMON_NAME = 64  # ub-common-name of RFC 5280
_RENEWED = 0.2
"""Part of the lifetime before the end, in which a leaf is made anew; a day at most."""
_DAY = 86400.0


_UNREADABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)


def leaf_name(host: str) -> str:
    """The name that a leaf carries for a host: an A-label name in lower case, or an IP address.

    Raises ValueError for what no certificate may carry.
    """
    name = canonical(host)
    if is_literal(name):
        if "%" in name:
            raise ValueError(f"an address with a zone has no certificate: {host!r}")
        return name
    name = parse_host(name)
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"the host has more than {_LONGEST_NAME} characters")
    return name


def leaves_directory(setting: str | None) -> Path | None:
    """The directory that `leaves.directory` of a configuration means."""
    if setting is None:
        return None
    return state_directory() / "leaves" if setting == STATE else Path(setting)


class Leaves:
    """The leaves of one authority, in one process. `get` belongs to one event loop."""

    def __init__(
        self,
        authority: Authority,
        lifetime: float,
        directory: Path | None,
        memory: int,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Leaves of `lifetime` seconds, at most `memory` of them held; nothing is written with `directory` None.

        The directory is made, with mode 0700, and so is the one of the authority in it. Raises ConfigError where that
        is not possible or others may use it.
        """
        self._authority = authority
        self._lifetime = lifetime
        self._memory = memory
        self._clock = clock
        self._held: OrderedDict[str, tuple[Pair, float]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[tuple[Pair, float]]] = {}
        self._counting = threading.Lock()
        self._minted = 0
        self._files = None if directory is None else LeafFiles(directory, authority.fingerprint[:32], lifetime, clock)
        self._key = ec.generate_private_key(ec.SECP256R1()) if self._files is None else self._files.key()
        self._key_pem = key_pem(self._key)
        self._public = self._key.public_key()
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._public)
        self._issuer = _issuer_identifier(authority.certificate)

    @property
    def minted(self) -> int:
        """How many leaves this process has signed."""
        return self._minted

    async def get(self, host: str, origin: OriginCertificate | None = None) -> Pair:
        """The leaf for a host, with its chain and key.

        Minted at most once, however many ask at a time; never valid for longer than the origin's certificate. Raises
        ValueError for a host that no certificate may name, and ConfigError once the authority has expired.
        """
        name = leaf_name(host)
        found = self._remembered(name, origin)
        if found is not None:
            return found
        flight = self._flights.get(name)
        if flight is None:
            flight = asyncio.create_task(self._fetched(name, origin))
            self._flights[name] = flight
            flight.add_done_callback(lambda done: self._landed(name, done))
        # shielded: whoever gives up leaves the flight to the others
        pair, _ = await asyncio.shield(flight)
        return pair

    def _remembered(self, name: str, origin: OriginCertificate | None) -> Pair | None:
        held = self._held.get(name)
        if held is None or self._is_stale(held[1], origin):
            return None
        self._held.move_to_end(name)
        return held[0]

    async def _fetched(self, name: str, origin: OriginCertificate | None) -> tuple[Pair, float]:
        # In a thread: the directory may be slow, and a signature is long for a loop that carries bytes.
        return await asyncio.to_thread(self.make, name, origin)

    def _landed(self, name: str, flight: asyncio.Task[tuple[Pair, float]]) -> None:
        del self._flights[name]
        if flight.cancelled() or flight.exception() is not None:
            return
        self._held[name] = flight.result()
        self._held.move_to_end(name)
        while len(self._held) > self._memory:
            self._held.popitem(last=False)

    def _end(self, origin: OriginCertificate | None) -> float:
        end = min(self._clock() + self._lifetime, self._authority.not_after)
        return end if origin is None else min(end, origin.not_after)

    def _is_stale(self, not_after: float, origin: OriginCertificate | None) -> bool:
        """Over, or soon to be over while a new one would hold longer."""
        left = not_after - self._clock()
        if left <= 0:
            return True
        return left < min(self._lifetime * _RENEWED, _DAY) and self._end(origin) >= not_after + 1

    def make(self, name: str, origin: OriginCertificate | None = None) -> tuple[Pair, float]:
        """The leaf for a name as `leaf_name` gives it, from the directory or new, and its end in Unix time.

        Blocking, and safe from several threads. Raises ConfigError once the authority has expired.
        """
        if self._files is None:
            return self._pair(*self._mint(name, origin))
        content = self._files.read(name)
        kept = self._judged(content, name)
        if kept is not None and not self._is_stale(kept[1], origin):
            return self._pair(*kept)
        minted = self._mint(name, origin)
        if not self._files.store(name, minted[0], replace=content is not None):
            # another process was faster
            winner = self._judged(self._files.read(name), name)
            if winner is not None and not self._is_stale(winner[1], origin):
                return self._pair(*winner)
        return self._pair(*minted)

    def _pair(self, certificate: bytes, not_after: float) -> tuple[Pair, float]:
        return Pair.of(certificate + self._authority.intermediates, self._key_pem), not_after

    def _judged(self, content: bytes | None, name: str) -> tuple[bytes, float] | None:
        """A leaf of the directory and its end, if it is one for this name, by this authority, with our key."""
        if content is None:
            return None
        try:
            parsed = x509.load_pem_x509_certificate(content)
            parsed.verify_directly_issued_by(self._authority.certificate)
            names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except _UNREADABLE:
            return None
        if list(names) != [_general_name(name)] or parsed.public_key() != self._public:
            return None
        return content, parsed.not_valid_after_utc.timestamp()

    def _mint(self, name: str, origin: OriginCertificate | None) -> tuple[bytes, float]:
        now = self._clock()
        end = int(self._end(origin))
        if end <= now:
            over = "authority" if self._authority.not_after <= now else "origin's certificate"
            raise ConfigError(f"no leaf for {name}: the {over} has expired")
        common = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if len(name) <= _LONGEST_COMMON_NAME else []
        begin = max(now - BACKDATED, self._authority.not_before)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(common))
            .issuer_name(self._authority.certificate.subject)
            .public_key(self._public)
            .serial_number(random_serial())
            .not_valid_before(instant(begin))
            .not_valid_after(instant(end))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_USAGE, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            # RFC 5280, 4.2.1.6: critical where there is no subject
            .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=not common)
            .add_extension(self._identifier, critical=False)
            .add_extension(self._issuer, critical=False)
            .sign(self._authority.key, hashes.SHA256())
        )
        with self._counting:
            self._minted += 1
        return certificate.public_bytes(serialization.Encoding.PEM), float(end)


_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if is_literal(name) else x509.DNSName(name)


def _issuer_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(certificate.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
