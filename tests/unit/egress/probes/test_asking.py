"""Single probes against real sockets: what passes, what fails, and the words that say why."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from limen.config.addresses import Address
from limen.config.models.health import Probe
from limen.config.models.tls import UpstreamTls
from limen.config.models.upstreams import Upstream
from limen.egress.probes.asking import ask
from limen.egress.probes.encryption import encryption_of, unverified
from limen.egress.probes.question import question_of
from limen.tls.material import Material, Pair, UpstreamMaterial
from tests.support import Raw, RawOrigin, Reply, Reset, ScriptedOrigin, free_port
from tests.support.certificates import Authority


async def literal(host):
    return (host,)


def found(origin, probe=None, *, resolve=literal, encryption=None, host="127.0.0.1", **upstream):
    """The finding of one probe, with keys as in a file."""
    keys = {"timeout": 10.0, **(probe or {})}
    model = Upstream.model_validate({"endpoints": [f"{host}:{origin.port}"], **upstream})
    question = question_of(Probe.model_validate(keys), model, Address(host, origin.port), encryption)
    return asyncio.run(ask(question, resolve))


def passes(script, probe=None, **options):
    with ScriptedOrigin(script) as origin:
        finding = found(origin, probe, **options)
    return origin.requests[0] if finding.passed else finding.reason


def test_the_request():
    request = passes(Reply(), {"path": "/healthz?full=1", "send": {"X-Probe": "limen", "accept": "text/plain"}})
    assert (request.method, request.target) == ("GET", "/healthz?full=1")
    assert request.get("host").startswith("127.0.0.1:")
    assert request.get("connection") == "close"
    assert request.get("user-agent").startswith("limen-probe/")
    assert request.get_all("accept") == ["text/plain"]
    assert request.get("x-probe") == "limen"
    assert passes(Reply(), {"host": "site.example", "method": "HEAD"}).get("host") == "site.example"


def silence(_request, connection):
    connection.read_to_end()


@pytest.mark.parametrize(
    ("script", "probe", "reason"),
    [
        (Reply(503), {}, "status 503 is not 200-399"),
        (Reply(204), {"status": [200, 301]}, "status 204 is not 200, 301"),
        ([Raw(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"), Reply(500)], {}, "status 500 is not 200-399"),
        (Reply(fields=[("X-A", "1")]), {"fields": {"x-a": "2"}}, "the field x-a is not 2"),
        (Reply(), {"fields": {"X-A": True}}, "the field X-A is missing"),
        (Reply(fields=[("X-A", "1")]), {"fields": {"X-A": False}}, "the field X-A is there"),
        (Reply(content=b"starting"), {"body": {"contains": "ready"}}, "the content lacks what `body` expects"),
        (
            Reply(content=b"load=99"),
            {"body": {"pattern": "load=[0-7]"}},
            "the content does not match the pattern of `body`",
        ),
        (Reply(content=b"x" * 70_000 + b"ready"), {"body": {"contains": "ready"}}, "the content lacks what `body` expects"),
        (Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), {}, "what came is not HTTP/1"),
        (Raw(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), {}, "a malformed field"),
        (Raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000), {}, "no end of the head within 32 KiB"),
        ([Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")], {"body": {"contains": "a"}}, "a malformed chunk"),
        (Reset(), {}, "connection reset by peer"),
        ([Raw(b"HTTP/1.1 200 "), Reset()], {}, "connection reset by peer"),
        (silence, {"timeout": 0.2}, "no answer within 0.2 s"),
    ],
)  # fmt: skip
def test_failures_and_their_words(script, probe, reason):
    if isinstance(script, list):
        script = [script]
    assert passes(script, probe) == reason


@pytest.mark.parametrize(
    ("script", "probe"),
    [
        (Reply(302), {}),
        (Reply(503), {"status": [500, 503]}),
        (Raw(b"HTTP/1.0 200\r\n\r\n"), {}),
        (Reply(fields=[("X-A", "0"), ("X-A", "1")]), {"fields": {"X-A": "1", "X-B": False, "x-a": True}}),
        (Reply(content=b"is ready now"), {"body": {"contains": "ready", "pattern": "^is"}}),
        (Reply(content=b"is ready now", chunked=True, chunk=4), {"body": {"contains": "is ready now"}}),
        ([Raw(b"HTTP/1.1 200 OK\r\n\r\nuntil the end: ready"), Reply(close=True)], {"body": {"contains": "ready"}}),
        (Reply(content=b"x" * 65_000 + b"ready"), {"body": {"contains": "ready"}}),
    ],
)
def test_passes(script, probe):
    if isinstance(script, list):
        script = [script]
    assert not isinstance(passes(script, probe), str)


def test_a_load_is_read():
    script = Reply(fields=[("Endpoint-Load-Metrics", "TEXT cpu_utilization=0.25"), ("X-Load", "busy")])
    with ScriptedOrigin(script) as origin:
        assert found(origin, {"load": "endpoint-load-metrics"}).load == 0.25
        for probe in ({"load": "X-Load"}, {"load": "X-None"}, {}):
            finding = found(origin, probe)
            assert (finding.passed, finding.load) == (True, None)


def test_a_connection_is_enough_for_tcp():
    with RawOrigin(lambda connection: connection.read_to_end()) as origin:
        finding = found(origin, {"type": "tcp"})
        assert (finding.passed, finding.reason) == (True, "connected")
        origin.refuse()
        assert found(origin, {"type": "tcp"}).reason == "connection refused"


def test_the_next_address_is_tried():
    async def several(host):
        return ("127.0.0.2", "127.0.0.1") if host == "site.example" else ()

    with ScriptedOrigin() as origin:
        assert found(origin, host="site.example", resolve=several).passed
        assert found(origin, host="none.example", resolve=several).reason == "none.example does not resolve"


@pytest.mark.parametrize(
    ("version", "preface"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")]
)
def test_endpoints_that_want_a_preface_get_one(version, preface):
    came = []

    def answer(connection):
        came.append(connection.read_exactly(len(preface)))
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with RawOrigin(answer) as origin:
        assert found(origin, proxy_protocol=version).passed
    assert came == [preface]


def test_another_port_has_no_preface():
    with ScriptedOrigin() as origin:
        model = Upstream.model_validate({"endpoints": [f"127.0.0.1:{free_port()}"], "proxy_protocol": "v1"})
        probe = Probe.model_validate({"port": origin.port, "timeout": 10.0})
        finding = asyncio.run(ask(question_of(probe, model, model.endpoints[0].address, None), literal))
        assert finding.passed


# TLS


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def server(pair, authority=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.chain, pair.key)
    if authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
    return context


def encryption(authority=None, *, shown=None, **keys):
    tls = UpstreamTls.model_validate(keys)
    pair = Pair.of(shown.chain.read_bytes(), shown.key.read_bytes()) if shown is not None else None
    material = Material(
        pairs={pair.digest: pair} if pair else {},
        upstreams={
            "web": UpstreamMaterial(
                ca=authority.file.read_bytes() if authority else b"", certificate=pair.digest if pair else None
            )
        },
    )
    return encryption_of("web", tls, material)


def test_tls_as_the_upstream_has_it(authority):
    pair = authority.issue("site.example", "127.0.0.1")
    client = authority.issue("client", client=True)
    with ScriptedOrigin(tls=server(pair, authority)) as origin:
        own = encryption(authority, shown=client)
        assert found(origin, encryption=own).passed
        assert found(origin, encryption=encryption(authority, shown=client, server_name="site.example")).passed
        other = encryption(authority, shown=client, server_name="other.example")
        assert "certificate refused: Hostname mismatch" in found(origin, encryption=other).reason
        assert "certificate refused" in found(origin, encryption=encryption(shown=client)).reason
        assert found(origin, encryption=encryption(shown=client, verify=False)).passed
        # without its certificate the origin does not answer
        assert not found(origin, encryption=encryption(authority)).passed
        assert not found(origin, {"plain": True, "timeout": 1.0}, encryption=own).passed


def test_a_handshake_is_enough_for_tls(authority):
    pair = authority.issue("127.0.0.1")
    with RawOrigin(lambda connection: connection.read_to_end(), tls=server(pair)) as origin:
        finding = found(origin, {"type": "tls"}, encryption=encryption(authority))
        assert (finding.passed, finding.reason) == (True, "handshake done")
        assert found(origin, {"type": "tls"}, encryption=unverified()).passed
    with RawOrigin(lambda connection: connection.send(b"220 ready\r\n")) as origin:
        assert found(origin, {"type": "tls"}, encryption=unverified()).reason.startswith("TLS: ")


def test_pins_hold(authority):
    pair = authority.issue("127.0.0.1")
    key = pair.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = "sha256/" + base64.b64encode(hashlib.sha256(key).digest()).decode()
    other = "sha256/" + base64.b64encode(bytes(32)).decode()
    with ScriptedOrigin(tls=server(pair)) as origin:
        assert found(origin, encryption=encryption(authority, pin=[other, pin])).passed
        reason = found(origin, encryption=encryption(authority, pin=[other])).reason
        assert reason == "certificate refused: its key is none of those pinned"


def test_tls_behind_a_preface(authority):
    pair = authority.issue("127.0.0.1")
    context = server(pair)

    def answer(connection):
        assert connection.socket.recv(15) == b"PROXY UNKNOWN\r\n"
        connection.socket = context.wrap_socket(connection.socket, server_side=True)
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready")

    with RawOrigin(answer) as origin:
        finding = found(origin, {"body": {"contains": "ready"}}, encryption=encryption(authority), proxy_protocol="v1")
        assert finding.passed, finding.reason


def test_equal_encryption_is_equal(authority):
    client = authority.issue("client", client=True)
    assert encryption(authority) == encryption(authority)
    assert encryption(authority) != encryption()
    assert encryption(authority) != encryption(authority, shown=client)
    assert encryption(authority) != encryption(authority, server_name="a.example")
