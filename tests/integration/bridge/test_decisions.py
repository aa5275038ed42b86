"""The three points of decision, and what happens to those that are not bridged."""

import json
import shutil
import ssl
import subprocess

import pytest

from tests.integration.bridge.conftest import connect, fetch, opened, shown
from tests.integration.tls.conftest import faults
from tests.support import RawClient, RawOrigin, Reply, ScriptedOrigin, echo, environment, free_port, wait_until


@pytest.fixture
def good(internet):
    """An origin for a.example and 127.0.0.1."""
    pair = internet.issue("a.example", "b.example", "127.0.0.1")
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(pair)) as origin:
        origin.pair = pair
        yield origin


def test_who_passes_sees_the_origin_itself(start_bridge, organisation, internet, good):
    cases = [
        ({"hosts": ["other.example"]}, "a.example"),
        ({"hello": [{"pass": {"names": ["a.example"]}}]}, "a.example"),
        ({"connect": [{"pass": {"hosts": ["a.example"]}}]}, "a.example"),
        ({"pinned": {"hosts": ["a.example"]}}, "a.example"),
        ({"hello": [{"pass": {"alpn": ["http/1.1"]}}]}, "a.example"),
        ({"hello": [{"pass": {"ja4": ["t13d*"]}}]}, "a.example"),
    ]
    for bridge, name in cases:
        proxy = start_bridge(bridge)
        context = internet.trusting()
        context.set_alpn_protocols(["http/1.1"])
        with opened(proxy, f"{name}:{good.port}", context) as client:
            assert shown(client).serial_number == good.pair.serial
            assert client.request("GET", "/", host=name).status == 200


def test_who_is_refused_gets_nowhere(start_bridge, organisation, good):
    proxy = start_bridge(
        {"connect": [{"refuse": {"hosts": ["b.example"]}}], "hello": [{"refuse": {"names": ["a.example"]}}]}
    )
    with proxy.connect() as client:
        response = client.request("CONNECT", f"b.example:{good.port}", host=f"b.example:{good.port}")
        assert response.status == 403
    with connect(proxy, f"a.example:{good.port}") as client, pytest.raises((ssl.SSLError, ConnectionError)):
        client.secure(organisation.trusting(), "a.example")
    wait_until(lambda: faults(proxy).get("tls_refused") == 2, what="both counted")
    assert not good.requests


def test_fronting_is_refused_and_logged(start_bridge, organisation, internet, good):
    target = f"a.example:{good.port}"
    proxy = start_bridge({})
    with connect(proxy, target) as client, pytest.raises((ssl.SSLError, ConnectionError)):
        client.secure(organisation.trusting(), "b.example")
    proxy.wait_for_log(r"the client hello names b\.example")
    wait_until(lambda: faults(proxy).get("fronting") == 1, what="it counted")
    # without bridging the names are looked at only on demand
    for forward, works in [({}, True), ({"fronting": "refuse"}, False)]:
        proxy = start_bridge(None, **forward)
        with connect(proxy, target) as client:
            if works:
                client.secure(internet.trusting(), "b.example")
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    client.secure(internet.trusting(), "b.example")
    # names that agree pass unopened there
    with opened(proxy, target, internet.trusting()) as client:
        assert shown(client).serial_number == good.pair.serial
    assert start_bridge({}, fronting="allow")


@pytest.mark.sanitize
def test_a_broken_origin_is_never_hidden_behind_a_good_leaf(start_bridge, organisation, internet, tmp_path):
    stranger = type(internet)(tmp_path, "a stranger")
    for pair in (
        stranger.issue("a.example"),
        internet.issue("b.example"),
        internet.issue("a.example", days=-0.5, since=-2),
        internet.issue("a.example", client=True),
    ):
        with ScriptedOrigin(Reply(content=b"secret"), tls=internet.serving(pair)) as origin:
            proxy = start_bridge({})
            response = fetch(proxy, f"a.example:{origin.port}", organisation.trusting())
            assert response.status == 502
            assert "tls_certificate_error" in (response.get("proxy-status") or "")
            assert not origin.requests

    def complain(connection):
        connection.fill()
        connection.send(b"not TLS at all\r\n" * 10)

    with RawOrigin(complain) as origin:
        response = fetch(start_bridge({}), f"a.example:{origin.port}", organisation.trusting())
        assert response.status == 502
        assert "tls_protocol_error" in (response.get("proxy-status") or "")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("name", [".", "..", "a.example.", ".example", None])
def test_no_name_is_a_way_around_the_origins_name(start_bridge, organisation, internet, name):
    with ScriptedOrigin(Reply(content=b"theirs"), tls=internet.serving(internet.issue("b.example"))) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        named = ["-servername", name] if name is not None else ["-noservername"]
        done = subprocess.run(
            ["openssl", "s_client", "-proxy", f"127.0.0.1:{proxy.port()}", "-connect", target, "-ign_eof", "-quiet",
             "-CAfile", str(organisation.file), *named],
            input=f"GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode(),
            capture_output=True, timeout=30, check=False, env=environment(),
        )  # fmt: skip
        assert b"theirs" not in done.stdout
        assert b"error=tls_certificate_error" in done.stdout or name == ".example"
        assert not origin.requests


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("name", [".example", "!.example", "a..example"])
def test_a_name_that_no_certificate_can_have(start_bridge, organisation, good, name):
    proxy = start_bridge({"hosts": ["127.0.0.1", ".example"]})
    subprocess.run(
        ["openssl", "s_client", "-proxy", f"127.0.0.1:{proxy.port()}", "-connect", good.address, "-servername", name],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False, env=environment(),
    )  # fmt: skip
    wait_until(lambda: faults(proxy) == {"tls_refused": 1}, what="refused, and no error of ours")
    assert not good.requests


def test_the_common_name_of_an_origin_does_not_count(start_bridge, organisation, internet):
    pair = internet.issue("a.example", alternatives=False)
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(pair)) as origin:
        proxy = start_bridge({})
        response = fetch(proxy, f"a.example:{origin.port}", organisation.trusting())
        assert response.status == 502
        assert not origin.requests
        proxy.wait_for_log("origin's certificate: name_mismatch")


def test_where_fronting_is_allowed_the_leaf_is_for_the_name_that_was_verified(start_bridge, organisation, internet):
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("b.example"))) as origin:
        proxy = start_bridge({}, fronting="allow")
        with opened(proxy, f"a.example:{origin.port}", organisation.trusting(), "b.example") as client:
            assert client.request("GET", "/", host="b.example").status == 200


@pytest.mark.parametrize(
    "ahead",
    [b"\x16\x03\x01\x00\x00", b"\x15\x03\x01\x00\x02\x01\x5a", b"\x14\x03\x01\x00\x01\x01", b"\x16\x03\x01\x50\x00"],
)
def test_tls_that_cannot_be_read_is_no_way_around_fronting(start_bridge, ahead):
    with RawOrigin(echo) as origin:
        for bridge in (None, {"hosts": ["other.example"]}):
            proxy = start_bridge(bridge, fronting="refuse")
            with connect(proxy, f"a.example:{origin.port}") as client:
                client.send(ahead + bytes(64))
                assert client.read_to_end() == b""
            assert faults(proxy) == {"tls_refused": 1}


def test_certificate_rules(start_bridge, organisation, internet, tmp_path):
    stranger = type(internet)(tmp_path, "a stranger")
    with ScriptedOrigin(Reply(content=b"ok"), tls=stranger.serving(stranger.issue("a.example"))) as origin:
        proxy = start_bridge({"certificate": [{"pass": {"hosts": ["a.example"], "problem": "untrusted"}}]})
        with opened(proxy, f"a.example:{origin.port}", stranger.trusting()) as client:
            assert client.request("GET", "/", host="a.example").status == 200
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({"certificate": [{"refuse": {"issuer": "*internet*"}}]})
        assert fetch(proxy, f"a.example:{origin.port}", organisation.trusting()).status == 403
        assert not origin.requests


def test_an_origin_that_wants_a_client_certificate_passes(start_bridge, internet, tmp_path):
    clients = type(internet)(tmp_path, "clients")
    context = internet.serving(internet.issue("a.example"))
    context.load_verify_locations(clients.file)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = clients.issue("me", client=True)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        with ScriptedOrigin(Reply(content=b"ok"), tls=context) as origin:
            proxy = start_bridge({})
            # a session that could be resumed is no reason to take it for one that asks nobody
            for _ in range(3):
                with opened(proxy, f"a.example:{origin.port}", internet.trusting(mine)) as client:
                    assert client.request("GET", "/", host="a.example").status == 200


@pytest.mark.sanitize
def test_what_is_no_tls(start_bridge):
    with RawOrigin(echo) as origin:
        passes = start_bridge({"hosts": ["other.example"], "connect": [{"look": {}}]})
        with connect(passes, f"a.example:{origin.port}") as client:
            client.send(b"SSH-2.0-something\r\n")
            assert client.read_exactly(19) == b"SSH-2.0-something\r\n"
        # who has to be bridged cannot slip through by speaking something else
        bridges = start_bridge({})
        with connect(bridges, f"a.example:{origin.port}") as client:
            client.send(b"SSH-2.0-something\r\n")
            client.read_to_end()
        wait_until(lambda: faults(bridges).get("tls_refused") == 1, what="it counted")

    def greet(connection):
        connection.send(b"220 mail\r\n")
        connection.read_to_end()

    with RawOrigin(greet) as origin, connect(passes, f"a.example:{origin.port}") as client:
        assert client.read_exactly(10) == b"220 mail\r\n"


@pytest.mark.parametrize(("targets", "named"), [("full", "a.example"), ("pseudonym", "a host")])
def test_clients_that_pin_pass_once_that_is_known(start_bridge, organisation, internet, good, targets, named):
    learn = {"pinned": {"learn": {"after": 3, "within": "1m", "keep": "1m"}}}
    proxy = start_bridge(learn, workers=2, log={"privacy": {"targets": targets}})
    target = f"a.example:{good.port}"
    for _ in range(3):
        with connect(proxy, target) as client, pytest.raises(ssl.SSLError):
            client.secure(internet.trusting(), "a.example")

    def passes():
        with connect(proxy, target) as client:
            try:
                client.secure(internet.trusting(), "a.example")
            except ssl.SSLError:
                return False
            return shown(client).serial_number == good.pair.serial

    wait_until(passes, what="a.example to pass")
    pins = proxy.admin("/bridge/pins")
    assert pins.status == 200
    assert '"a.example"' in pins.text
    proxy.wait_for_log(f"clients pin {named}: it passes from now on")
    assert not good.requests


def test_must_bridge_is_never_learnt(start_bridge, organisation, internet, good):
    proxy = start_bridge({"pinned": {"must_bridge": ["a.example"], "learn": {"after": 1}}})
    for _ in range(3):
        with connect(proxy, f"a.example:{good.port}") as client, pytest.raises(ssl.SSLError):
            client.secure(internet.trusting(), "a.example")
    assert fetch(proxy, f"a.example:{good.port}", organisation.trusting()).status == 200


def test_an_address_with_a_name_inside(start_bridge, organisation, good):
    proxy = start_bridge({"hosts": ["a.example"]})
    with connect(proxy, f"127.0.0.1:{good.port}") as client:
        client.secure(organisation.trusting(), "a.example")
        assert client.request("GET", "/", host=f"a.example:{good.port}").status == 200


@pytest.mark.sanitize
def test_clients_and_origins_that_go_in_the_middle(start_bridge, organisation, good):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = organisation.trusting().wrap_bio(incoming, outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    hello = outgoing.read()
    proxy = start_bridge({})
    for size in (0, 1, 50, len(hello) - 1, len(hello)):
        for end in ("close", "reset", "half_close"):
            client = connect(proxy, f"a.example:{good.port}")
            client.send(hello[:size])
            getattr(client, end)()
            if end == "half_close":
                client.read_to_end()
                client.close()
    with RawOrigin(lambda connection: connection.read_until(b"\x16") and connection.socket.close()) as origin:
        for _ in range(3):
            client = connect(proxy, f"a.example:{origin.port}", hello)
            client.close()
    assert fetch(proxy, f"a.example:{good.port}", organisation.trusting()).status == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_through_it(start_bridge, organisation, good):
    proxy = start_bridge({})
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "", "--proxy", f"http://127.0.0.1:{proxy.port()}", "--cacert", str(organisation.file),
         "-w", " %{http_code} %{ssl_verify_result}", f"https://a.example:{good.port}/"],
        capture_output=True, text=True, timeout=120, check=False, env=environment(),
    )  # fmt: skip
    assert done.stdout == "ok 200 0", done.stderr


def test_what_one_listener_verified_is_not_verified_for_another(start_bridge, organisation, internet, tmp_path, dns):
    stranger = type(internet)(tmp_path, "a stranger")
    with ScriptedOrigin(Reply(content=b"ok"), tls=stranger.serving(stranger.issue("a.example"))) as origin:
        proxy = start_bridge({"tls": {"ca": str(stranger.file)}})
        target = f"a.example:{origin.port}"
        config = json.loads((proxy.directory / proxy.path.name).read_text(encoding="utf-8"))
        strict = json.loads(json.dumps(config["listeners"][0]))
        port = free_port()
        strict.update(bind=f"127.0.0.1:{port}", name="strict")
        strict["forward"]["bridge"]["tls"]["ca"] = str(internet.file)
        config["listeners"].append(strict)
        proxy.reload(json.dumps(config))
        assert fetch(proxy, target, organisation.trusting()).status == 200
        with RawClient(("127.0.0.1", port)) as client:
            client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            assert client.read_response("CONNECT").status == 200
            client.secure(organisation.trusting(), "a.example")
            assert client.request("GET", "/", host=target).status == 502
