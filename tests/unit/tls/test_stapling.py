import http.server
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from limen.tls import stapling
from limen.tls.certificates import parse
from limen.tls.stapling import BadResponse, Staples, ask, fetch, verified
from tests.unit.tls.conftest import CLIENT, Issuer, make_key, pem, private_pem


def respond(issuer, leaf, *, signer=None, key=None, status=ocsp.OCSPCertStatus.GOOD, begins=-1.0, ends=1.0):
    """The response of a responder, in hours around now."""
    now = datetime.now(UTC).replace(microsecond=0)
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),  # noqa: S303
        cert_status=status,
        this_update=now + timedelta(hours=begins),
        next_update=now + timedelta(hours=ends) if ends is not None else None,
        revocation_time=now if revoked else None,
        revocation_reason=x509.ReasonFlags.unspecified if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, signer or issuer.certificate)
    if signer is not None and signer.subject != issuer.certificate.subject:
        builder = builder.certificates([signer])
    return builder.sign(key or issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture
def leaf(issuer):
    return issuer.issue(key=make_key())


def judge(content, leaf, issuer):
    return verified(content, leaf, issuer.certificate, time.time())


def test_a_good_response(issuer, leaf):
    content = respond(issuer, leaf)
    response = judge(content, leaf, issuer)
    assert response.content == content
    assert response.ends - response.begins == 7200
    assert response.due == response.begins + 3600
    undated = judge(respond(issuer, leaf, ends=None), leaf, issuer)
    assert undated.ends - undated.begins == 86400


def test_a_responder_that_the_issuer_has_appointed(issuer, leaf):
    key = make_key()
    appointed = issuer.issue("Responder", key=key, usage=ExtendedKeyUsageOID.OCSP_SIGNING)
    judge(respond(issuer, leaf, signer=appointed, key=key), leaf, issuer)
    stranger = Issuer("Stranger").issue("Responder", key=key, usage=ExtendedKeyUsageOID.OCSP_SIGNING)
    for signer in (
        stranger,
        issuer.issue("Responder", key=key, usage=CLIENT),
        issuer.issue("Responder", key=key),
        issuer.issue("Responder", key=key, usage=ExtendedKeyUsageOID.OCSP_SIGNING, days=-0.5, since=-2),
    ):
        with pytest.raises(BadResponse, match="appointed"):
            judge(respond(issuer, leaf, signer=signer, key=key), leaf, issuer)


def test_what_is_not_shown(issuer, leaf):
    good = respond(issuer, leaf)
    impostor = Issuer(issuer.title)
    unsuccessful = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    for content, word in [
        (b"", "cannot be read"),
        (good[:-1], "cannot be read"),
        (unsuccessful.public_bytes(Encoding.DER), "says try_later"),
        (good[:-4] + bytes(4), "not the issuer's|cannot be read"),
        (respond(issuer, leaf, signer=impostor.certificate, key=impostor.key), "not the issuer's"),
        (respond(issuer, issuer.issue(key=make_key())), "another certificate"),
        (respond(issuer, leaf, ends=-0.5), "time is over"),
        (respond(issuer, leaf, begins=0.5), "time has not come"),
        (respond(issuer, leaf, status=ocsp.OCSPCertStatus.REVOKED), "is revoked"),
        (respond(issuer, leaf, status=ocsp.OCSPCertStatus.UNKNOWN), "is unknown"),
    ]:
        with pytest.raises(BadResponse, match=word):
            judge(content, leaf, issuer)


class Responder:
    """A responder on loopback that says `content`, with this status."""

    def __init__(self):
        self.content, self.status, self.asked = b"", 200, []
        responder = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                responder.asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(responder.status)
                self.send_header("Content-Length", str(len(responder.content)))
                self.end_headers()
                self.wfile.write(responder.content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ocsp?x=1"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def responder():
    made = Responder()
    yield made
    made.close()


@pytest.fixture
def stapled(issuer, responder):
    """A certificate whose responder is ours, and its leaf."""
    key = make_key()
    leaf = issuer.issue(key=key, responder=responder.url, must_staple=True)
    return parse(pem(leaf, issuer.certificate), private_pem(key)), leaf


def test_asking(issuer, responder, stapled):
    certificate, leaf = stapled
    responder.content = respond(issuer, leaf)
    assert ask(certificate, time.time()).content == responder.content
    ((path, request),) = responder.asked
    assert path == "/ocsp?x=1"
    assert ocsp.load_der_ocsp_request(request).serial_number == leaf.serial_number


def test_responders_that_fail(responder):
    responder.status = 503
    with pytest.raises(BadResponse, match="answered 503"):
        fetch(responder.url, b"x")
    responder.status, responder.content = 200, bytes(65537)
    with pytest.raises(BadResponse, match="too large"):
        fetch(responder.url, b"x")
    for url, word in [("https://a/", "by http"), ("ldap:x", "by http"), ("http://127.0.0.1:1/", "cannot be asked")]:
        with pytest.raises(BadResponse, match=word):
            fetch(url, b"x")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999/", "http://[zz/", "http://a..b/", f"http://{'a' * 70}/", "http://127.0.0.1/a b"]
)
def test_whatever_a_certificate_calls_its_responder(url):
    with pytest.raises(BadResponse):
        fetch(url, b"x")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"])
def test_a_responder_that_sends_a_byte_now_and_then(head, monkeypatch):
    monkeypatch.setattr(stapling, "TIMEOUT", 0.3)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            line, _ = server.accept()
            with line, suppress(OSError):
                line.sendall(head)
                while not over.wait(0.02):
                    line.sendall(b"X")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(BadResponse):
                stapling.fetch(f"http://127.0.0.1:{server.getsockname()[1]}/", b"x")
        finally:
            over.set()
            thread.join()


def test_responses_are_kept_over_failures_and_restarts(issuer, responder, stapled, tmp_path):
    certificate, leaf = stapled
    digest, now = certificate.pair.digest, time.time()
    staples = Staples(tmp_path)
    staples.keep([certificate])
    assert staples.responses([certificate], now) == {}
    assert staples.due(now) == [digest]
    responder.status = 503
    staples.refresh(digest, now)
    assert (staples.due(now), staples.due(now + 60)) == ([], [digest])
    staples.refresh(digest, now)
    assert (staples.due(now + 60), staples.due(now + 120)) == ([], [digest])
    responder.status, responder.content = 200, respond(issuer, leaf, begins=-0.5)
    staples.refresh(digest, now)
    assert staples.responses([certificate], now) == {digest: responder.content}
    assert (staples.due(now), staples.due(now + 3601)) == ([], [digest])
    again = Staples(tmp_path)
    assert again.responses([certificate], now) == {digest: responder.content}
    again.keep([certificate])
    assert again.due(now) == []
    # until its time is over, whatever the responder says meanwhile
    responder.content = respond(issuer, leaf, status=ocsp.OCSPCertStatus.REVOKED)
    again.refresh(digest, now)
    assert again.responses([certificate], now)
    # (it ends an hour after it was made, which was some time after `now`)
    assert not again.responses([certificate], now + 7200)
    again.keep([])
    assert not again.due(now + 1e6)


def test_without_its_issuer_a_response_cannot_be_judged(issuer, responder):
    key = make_key()
    certificate = parse(pem(issuer.issue(key=key, responder=responder.url)), private_pem(key))
    with pytest.raises(BadResponse, match="lacks the certificate of its issuer"):
        ask(certificate, time.time())
    assert not responder.asked
