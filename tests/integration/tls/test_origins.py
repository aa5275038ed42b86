"""TLS towards origins: whom they are believed to be, resumption, bodies, retries."""

import base64
import contextlib
import hashlib
import os
import signal
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.integration.tls.conftest import faults
from tests.support import Close, RawOrigin, Reply, ScriptedOrigin, wait_until

LARGE = bytes(range(256)) * 16384  # 4 MiB


def pin_of(pair):
    key = pair.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256/" + base64.b64encode(hashlib.sha256(key).digest()).decode()


@pytest.mark.sanitize
def test_bodies_of_every_size(start_tls, start_origin, authority):
    pair = authority.issue("127.0.0.1")
    origin = start_origin(lambda request, _connection: Reply(content=request.content), tls=authority.serving(pair))
    proxy = start_tls(
        origin,
        upstream={"tls": {"ca": str(authority.file)}},
        listener={"routes": [{"upstream": "web", "body": {"max": "64MiB"}}]},
    )
    with proxy.connect() as client:
        for size in (0, 1, 1000, 16384, 100_000, len(LARGE)):
            response = client.request("POST", "/", content=LARGE[:size])
            assert (response.status, response.content) == (200, LARGE[:size])
    assert len(origin.connections) == 1
    assert origin.connections[0].socket.version() == "TLSv1.3"


def test_the_name_asked_for(start_tls, authority):
    asked = []
    context = authority.serving(authority.issue("api.internal"))
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with ScriptedOrigin(Reply(content=b"ok"), tls=context) as origin:
        tls = {"ca": str(authority.file), "server_name": "api.internal"}
        assert start_tls(origin, upstream={"tls": tls}).get().status == 200
        assert asked == ["api.internal"]
        # an address is verified, but never asked for
        proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file)}})
        assert proxy.get().status == 502
        assert asked == ["api.internal", None]


@pytest.mark.sanitize
def test_who_is_not_believed(start_tls, authority, tmp_path):
    other = type(authority)(tmp_path, "another authority")
    good, stranger = authority.issue("127.0.0.1"), other.issue("127.0.0.1")
    cases = [
        (stranger, {}, "unable to get local issuer certificate"),
        (authority.issue("b.example"), {}, "mismatch"),
        (authority.issue("127.0.0.1", days=-0.5, since=-2), {}, "expired"),
        (authority.issue("127.0.0.1", client=True), {}, "purpose"),
        (good, {"pin": [pin_of(stranger)]}, "pinned one"),
        (good, {"pin": [pin_of(stranger), pin_of(good)]}, None),
    ]
    for pair, more, reason in cases:
        with ScriptedOrigin(Reply(content=b"ok"), tls=authority.serving(pair)) as origin:
            proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file), **more}})
            response = proxy.get()
            if reason is None:
                assert response.status == 200
                continue
            assert response.status == 502
            assert "tls_certificate_error" in (response.get("proxy-status") or "")
            assert not origin.requests
            wait_until(lambda proxy=proxy: faults(proxy).get("tls_certificate", 0) >= 1, what="it counted")
            proxy.wait_for_log(reason)
    with ScriptedOrigin(Reply(content=b"ok"), tls=authority.serving(stranger)) as origin:
        assert start_tls(origin, upstream={"tls": {"verify": False}}).get().status == 200


def test_origins_that_speak_no_tls(start_tls, authority):
    def complain(connection):
        connection.fill()
        connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with RawOrigin(complain) as origin:
        proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file)}})
        response = proxy.get()
        assert response.status == 502
        assert "tls_protocol_error" in (response.get("proxy-status") or "")
        proxy.wait_for_log("TLS failed: it speaks something else")


def test_a_handshake_that_takes_too_long(start_tls, authority):
    with RawOrigin(lambda connection: connection.read_to_end()) as origin:
        upstream = {"tls": {"ca": str(authority.file)}, "timeouts": {"handshake": "300ms"}}
        response = start_tls(origin, upstream=upstream).get()
        assert response.status == 504
        assert "connection_timeout" in (response.get("proxy-status") or "")


def test_another_endpoint_when_one_is_not_believed(start_tls, authority, tmp_path):
    other = type(authority)(tmp_path, "another authority")
    with (
        ScriptedOrigin(Reply(content=b"bad"), tls=other.serving(other.issue("127.0.0.1"))) as bad,
        ScriptedOrigin(Reply(content=b"good"), tls=authority.serving(authority.issue("127.0.0.1"))) as good,
    ):
        upstream = {"endpoints": [bad.address, good.address], "tls": {"ca": str(authority.file)}}
        proxy = start_tls(bad, upstream=upstream)
        assert {proxy.get().text for _ in range(4)} == {"good"}
        assert not bad.requests


def test_connections_are_resumed(start_tls, authority):
    reused = []

    def answer(_request, connection):
        reused.append(connection.socket.session_reused)
        return Reply(content=b"ok", close=True)

    with ScriptedOrigin(answer, tls=authority.serving(authority.issue("127.0.0.1"))) as origin:
        proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file)}})
        for _ in range(3):
            assert proxy.get().status == 200
    assert reused == [False, True, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_does_not_outlive_the_certificate(start_tls, authority, version):
    reused = []

    def answer(_request, connection):
        reused.append(connection.socket.session_reused)
        return Reply(content=b"ok", close=True)

    pair = authority.issue("127.0.0.1", days=8 / 86400)
    context = authority.serving(pair)
    context.maximum_version = version
    with ScriptedOrigin(answer, tls=context) as origin:
        proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file)}})
        assert [proxy.get().status for _ in range(2)] == [200, 200]
        time.sleep(max(0, pair.certificate.not_valid_after_utc.timestamp() + 1 - time.time()))
        assert proxy.get().status == 502
    assert reused == [False, True]


def test_a_certificate_is_shown(start_tls, authority, tmp_path):
    clients = type(authority)(tmp_path, "clients")
    context = authority.serving(authority.issue("127.0.0.1"))
    context.load_verify_locations(clients.file)
    context.verify_mode = ssl.CERT_REQUIRED
    pair = clients.issue("limen", client=True)
    with ScriptedOrigin(Reply(content=b"ok"), tls=context) as origin:
        shown = {"chain": str(pair.chain), "key": str(pair.key)}
        upstream = {"tls": {"ca": str(authority.file), "certificate": shown}}
        assert start_tls(origin, upstream=upstream).get().status == 200
        assert start_tls(origin, upstream={"tls": {"ca": str(authority.file)}}).get().status == 502


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_origin_that_misses_our_certificate_is_told_of(start_tls, authority, tmp_path, version, method):
    clients = type(authority)(tmp_path, "clients")
    context = authority.serving(authority.issue("127.0.0.1"))
    context.load_verify_locations(clients.file)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version
    with ScriptedOrigin(Reply(content=b"ok"), tls=context) as origin:
        proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file)}})
        with proxy.connect() as client:
            response = client.request(method, "/", content=bytes(100_000) if method == "POST" else b"")
        assert response.status == 502
        # in TLS 1.3 it says so after the handshake
        assert "tls_protocol_error" in (response.get("proxy-status") or "")
        word = "handshake_failure" if version is ssl.TLSVersion.TLSv1_2 else "certificate_required"
        proxy.wait_for_log(f"endpoint {origin.address}: TLS refused: it says {word}")
        assert not origin.requests


@pytest.mark.sanitize
def test_an_answer_cut_short_is_not_whole(start_tls, authority):
    def cut(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
        connection.socket.close()

    with RawOrigin(cut, tls=authority.serving(authority.issue("127.0.0.1"))) as origin:
        proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file)}})
        with proxy.connect() as client:
            client.send_request("GET", "/")
            data = client.read_to_end()
            assert not data.endswith(b"\r\n0\r\n\r\n"), "the client must see that something is missing"


@pytest.mark.sanitize
@pytest.mark.parametrize("word", [b"HTTP/1.1 408 Request Timeout\r\n\r\n" + b"X" * 12000, b""], ids=["speech", "end"])
def test_what_an_idle_origin_says_never_becomes_content(start_tls, authority, word):
    """The request, its content and the origin's word are all there before the worker looks at any of them."""
    speak, spoken = threading.Event(), threading.Event()

    def first_then_word(request, connection):
        if connection.index:
            return Reply(content=request.content)
        connection.send(Reply(content=b"first").encode("GET"))
        assert speak.wait(60)
        # by the thread that reads: TLS is no matter of two threads at a time
        with contextlib.suppress(OSError):
            if word:
                connection.socket.sendall(word)
            else:
                connection.socket.unwrap()
        spoken.set()
        return [] if word else [Close()]

    with ScriptedOrigin(first_then_word, tls=authority.serving(authority.issue("127.0.0.1"))) as origin:
        proxy = start_tls(origin, upstream={"tls": {"ca": str(authority.file)}})
        content = bytes(range(256)) * 32
        with proxy.connect() as client:
            assert client.request("GET", "/").text == "first"
            (worker,) = proxy.worker_pids()
            os.kill(worker, signal.SIGSTOP)
            try:
                client.send_request("POST", "/", content=content)
                speak.set()
                if word:
                    assert spoken.wait(60)
                else:
                    # unwrap() waits for the answer to its close_notify: only the worker that goes on gives it
                    wait_until(lambda: unread(worker, origin.port), what="a close_notify at the worker")
            finally:
                os.kill(worker, signal.SIGCONT)
            response = client.read_response()
            assert (response.status, response.content) == (200, content)
        assert len(origin.connections) == 2
        assert [request.content for request in origin.requests if request.method == "POST"] == [content]


def unread(worker, port):
    """Bytes that wait for the worker at a connection to the port (its receive queue in /proc/net/tcp)."""
    for line in Path(f"/proc/{worker}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, _, remote, state, queues, *_ = line.split()
        if remote.endswith(f":{port:04X}") and state == "01" and int(queues.partition(":")[2], 16):
            return True
    return False
