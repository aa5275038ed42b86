r"""Stapling: what OCSP responders say of certificates, fetched ahead, checked, kept on the disk, and handed out.

    nothing --(fetched)--> good --(half of its time)--> due --(fetched)--> good
                             \--(its time is over)--> nothing        \--(failed)--> due, later and later

A client that gets the response with the certificate needs not ask the responder itself. Only a good, signed and current
response is handed out; one that says revoked is told and not shown.
"""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from limen.tls.certificates import Certificate, read_chain
from limen.tls.state import state_directory, write

_log = logging.getLogger("limen.supervisor")

LARGEST = 64 * 1024
"""Bytes of a response at most."""
TIMEOUT = 10.0
"""Seconds that a responder may take at most, between two of its bytes and in all."""
FIRST_RETRY = 60.0
LAST_RETRY = 3600.0
# Clocks of responders differ from ours by so much, seconds.
_SKEW = 300.0
# A response that does not say when the next one comes is believed for so long, seconds.
_UNDATED = 86400.0


class BadResponse(ValueError):
    """What a responder said cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Response:
    """A good response: its bytes (DER) and the Unix times between which it holds."""

    content: bytes
    begins: float
    ends: float

    @property
    def due(self) -> float:
        """When the next one should be fetched."""
        return self.begins + (self.ends - self.begins) / 2


def issuer_of(chain: list[x509.Certificate]) -> x509.Certificate:
    """Who issued the first of them; it has to stand in the chain. Raises BadResponse."""
    for one in chain[1:]:
        if one.subject == chain[0].issuer:
            return one
    raise BadResponse("the chain lacks the certificate of its issuer")


def verified(content: bytes, leaf: x509.Certificate, issuer: x509.Certificate, now: float) -> Response:
    """A response that may be shown now. Raises BadResponse."""
    try:
        return _judged(ocsp.load_der_ocsp_response(content), content, leaf, issuer, now)
    except BadResponse:
        raise
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadResponse(f"it cannot be read: {error}") from None


def _judged(
    response: ocsp.OCSPResponse, content: bytes, leaf: x509.Certificate, issuer: x509.Certificate, now: float
) -> Response:
    if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise BadResponse(f"the responder says {response.response_status.name.lower()}")
    _demand_signature(response, issuer, now)
    if response.serial_number != leaf.serial_number or response.issuer_key_hash != _key_hash(issuer, response):
        raise BadResponse("it is about another certificate")
    begins = response.this_update_utc.timestamp()
    until = response.next_update_utc
    ends = until.timestamp() if until is not None else begins + _UNDATED
    if begins > now + _SKEW or ends <= now:
        raise BadResponse("its time is over" if ends <= now else "its time has not come")
    if response.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        raise BadResponse(f"it says that the certificate is {response.certificate_status.name.lower()}")
    return Response(content, begins, ends)


def _key_hash(issuer: x509.Certificate, response: ocsp.OCSPResponse) -> bytes:
    # what a request with the same hash would carry
    builder = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, response.hash_algorithm)
    return builder.build().issuer_key_hash


def _demand_signature(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: float) -> None:
    signer = issuer
    for candidate in response.certificates:
        if candidate != issuer and _is_named(response, candidate):
            _demand_delegated(candidate, issuer, now)
            signer = candidate
            break
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    if algorithm is None or isinstance(algorithm, hashes.SHA1 | hashes.MD5):
        raise BadResponse("its signature is of a kind that is not taken")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            raise BadResponse("its signature is of a kind that is not taken")
    except InvalidSignature:
        raise BadResponse("its signature is not the issuer's") from None


def _is_named(response: ocsp.OCSPResponse, candidate: x509.Certificate) -> bool:
    if response.responder_name is not None:
        return response.responder_name == candidate.subject
    return response.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(candidate.public_key()).digest


def _demand_delegated(signer: x509.Certificate, issuer: x509.Certificate, now: float) -> None:
    """RFC 6960, 4.2.2.2: the issuer itself has appointed the responder."""
    try:
        signer.verify_directly_issued_by(issuer)
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        raise BadResponse("its signer was not appointed by the issuer") from None
    begins, ends = signer.not_valid_before_utc.timestamp(), signer.not_valid_after_utc.timestamp()
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usage or not begins <= now < ends:
        raise BadResponse("its signer was not appointed by the issuer, or no longer is")


def fetch(url: str, request: bytes) -> bytes:
    """Asks a responder, over plain HTTP: the response is signed. Takes up to TIMEOUT. Raises BadResponse."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise BadResponse(f"the URL of the responder cannot be read: {error}") from None
    if parts.scheme != "http" or not host:
        raise BadResponse(f"the responder {url} is not reached by http")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        return _exchanged(connection, path, request)
    except BadResponse:
        raise
    except (OSError, ValueError, http.client.HTTPException) as error:
        # ValueError: a host that is no name, which the URL of a certificate may hold
        raise BadResponse(f"the responder cannot be asked: {error}") from None
    finally:
        connection.close()


def _exchanged(connection: http.client.HTTPConnection, path: str, request: bytes) -> bytes:
    connection.connect()
    # the library knows a time between two bytes only: who sends one now and then would hold it for hours
    deadline = time.monotonic() + TIMEOUT
    timer = threading.Timer(TIMEOUT, _cut, [connection.sock])
    timer.daemon = True
    timer.start()
    fields = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
    try:
        connection.request("POST", path, request, fields)
        with connection.getresponse() as answer:
            if answer.status != 200:
                raise BadResponse(f"the responder answered {answer.status}")
            content = b""
            while part := answer.read1(LARGEST):
                content += part
                if len(content) > LARGEST:
                    raise BadResponse("the response is too large")
            if time.monotonic() >= deadline:
                # cut, and the library takes that for an end
                raise BadResponse("the response takes too long")
    finally:
        timer.cancel()
    return content


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class _Stapled:
    """A certificate that names a responder, and what is known of it."""

    certificate: Certificate
    response: Response | None = None
    due: float = 0.0
    failures: int = 0


class Staples:
    """Responses by the digest of the pair; may be asked by several threads."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._stapled: dict[bytes, _Stapled] = {}

    def responses(self, certificates: Iterable[Certificate], now: float) -> dict[bytes, bytes]:
        """What may be shown of these now, by the digest of the pair; of new ones what is on the disk."""
        found = {}
        for one in certificates:
            response = self._of(one).response
            if response is not None and now < response.ends:
                found[one.pair.digest] = response.content
        return found

    def keep(self, certificates: Iterable[Certificate]) -> None:
        """These are in force; others are forgotten."""
        kept = {one.pair.digest: self._of(one) for one in certificates}
        with self._lock:
            self._stapled = kept

    def due(self, now: float) -> list[bytes]:
        """The digests of those whose responder should be asked now."""
        with self._lock:
            return [digest for digest, one in self._stapled.items() if now >= one.due]

    def refresh(self, digest: bytes, now: float) -> None:
        """Asks the responder; a failure is told, and tried again later. Takes a while: for a thread."""
        with self._lock:
            stapled = self._stapled.get(digest)
        if stapled is None:
            return
        try:
            response = ask(stapled.certificate, now)
        except BadResponse as error:
            delay = min(LAST_RETRY, FIRST_RETRY * 2 ** min(stapled.failures, 10))
            fresh = replace(stapled, due=now + delay, failures=stapled.failures + 1)
            _tell(stapled, error, now)
        else:
            fresh = _Stapled(stapled.certificate, response, max(response.due, now + FIRST_RETRY))
            self._write(digest, response)
        with self._lock:
            if digest in self._stapled:
                self._stapled[digest] = fresh

    def _of(self, certificate: Certificate) -> _Stapled:
        digest = certificate.pair.digest
        with self._lock:
            found = self._stapled.get(digest)
        if found is None:
            found = self._read(certificate)
            with self._lock:
                found = self._stapled.setdefault(digest, found)
        return found

    def _path(self, digest: bytes) -> Path:
        return (self._directory or state_directory()) / "ocsp" / f"{digest.hex()}.der"

    def _read(self, certificate: Certificate) -> _Stapled:
        try:
            content = self._path(certificate.pair.digest).read_bytes()
            chain = read_chain(certificate.pair.chain)
            response = verified(content, chain[0], issuer_of(chain), time.time())
        except (OSError, ValueError):
            # none, or none that still holds
            return _Stapled(certificate)
        return _Stapled(certificate, response, response.due)

    def _write(self, digest: bytes, response: Response) -> None:
        try:
            write(self._path(digest), response.content)
        except OSError as error:
            _log.warning("the response of a responder cannot be kept: %s", error)


def ask(certificate: Certificate, now: float) -> Response:
    """What the certificate's responder says. Raises BadResponse."""
    chain = read_chain(certificate.pair.chain)
    issuer = issuer_of(chain)
    # SHA-1 only names the issuer here, and is what all responders know (RFC 5019, 2.1.1).
    builder = ocsp.OCSPRequestBuilder().add_certificate(chain[0], issuer, hashes.SHA1())  # noqa: S303
    content = fetch(certificate.responder, builder.build().public_bytes(Encoding.DER))
    return verified(content, chain[0], issuer, now)


def _tell(stapled: _Stapled, error: BadResponse, now: float) -> None:
    name = stapled.certificate.names[0] if stapled.certificate.names else stapled.certificate.pair.digest.hex()
    holds = stapled.response is not None and now < stapled.response.ends
    if stapled.certificate.must_staple and not holds:
        _log.warning("nothing to staple for %s, whose clients insist on it and refuse: %s", name, error)
    elif not stapled.failures:
        _log.warning("no new response to staple for %s: %s", name, error)
