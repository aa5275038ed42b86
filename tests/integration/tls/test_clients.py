"""Limen against curl and gnutls-cli: a gateway with HTTPS, the way to it, a proxy that is reached by TLS."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.tls.test_terminate import certificates
from tests.support import Dialogue, LimenProcess, Reply, ScriptedOrigin, available, environment

LARGE = bytes(range(256)) * 16384  # 4 MiB
GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

needs_curl = pytest.mark.skipif(not available("curl"), reason="needs curl")
needs_gnutls = pytest.mark.skipif(not available("gnutls-cli"), reason="needs gnutls-cli")


def curl(authority, *options):
    """What curl printed; it has to succeed."""
    command = ["curl", "-sS", "--noproxy", "", "--cacert", str(authority.file), *options]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_curl
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_through_the_gateway(start_tls, start_origin, authority, version, tmp_path):
    origin = start_origin(lambda request, _: Reply(content=hashlib.sha256(request.content).hexdigest().encode()))
    proxy = start_tls(
        origin,
        tls={**certificates(authority.issue("localhost", "127.0.0.1")), "hsts": True},
        listener={"routes": [{"upstream": "web", "body": {"max": "64MiB"}}]},
    )
    sent = tmp_path / "sent"
    sent.write_bytes(LARGE)
    url = f"https://localhost:{proxy.port()}/"
    told = ["--tls-max", version, "-w", "\n%{http_code} %{http_version} %{num_connects} %{header_json}"]
    # kept: the second request goes over the same connection
    head = curl(authority, *told, "--data-binary", f"@{sent}", url).decode()
    digest, _, rest = head.partition("\n")
    assert digest == hashlib.sha256(LARGE).hexdigest()
    status, http, connections, fields = rest.split(" ", 3)
    assert (status, http, connections) == ("200", "1.1", "1")
    assert json.loads(fields)["strict-transport-security"] == ["max-age=63072000"]
    both = curl(
        authority, "--tls-max", version, "-o", "/dev/null", "-w", "%{num_connects}", url, "-o", "/dev/null", url
    )
    assert both == b"10"


@needs_curl
def test_curl_is_sent_to_https(start_tls, start_origin, authority):
    tls = certificates(authority.issue("localhost"))
    root = {
        "listeners": [
            {"bind": "127.0.0.1:@PLAIN@", "https": {"redirect": "@PORT@"}},
            {"bind": "127.0.0.1:@PORT@", "tls": tls, "routes": [{"upstream": "web"}]},
        ]
    }
    text = json.dumps(root).replace('"@PORT@"', "@PORT@")
    origin = start_origin(lambda request, _: Reply(content=request.target.encode()))
    with LimenProcess(
        text.removesuffix("}") + f', "workers": 1, "upstreams": {{"web": {{"endpoints": ["{origin.address}"]}}}}}}'
    ) as proxy:
        url = f"http://localhost:{proxy.port('PLAIN')}/path?query=1"
        told = curl(authority, "-L", "-w", " %{num_redirects} %{scheme} %{url_effective}", url).decode().lower()
        assert told == f"/path?query=1 1 https https://localhost:{proxy.port()}/path?query=1"
        for head, place in [
            ("OPTIONS * HTTP/1.1\r\nHost: localhost", f"https://localhost:{proxy.port()}"),
            ("GET //x HTTP/1.1\r\nHost: localhost:1", f"https://localhost:{proxy.port()}//x"),
            ("GET / HTTP/1.0", None),
        ]:
            with proxy.connect("PLAIN") as client:
                response = client.send(f"{head}\r\n\r\n").read_response()
                assert (response.status, response.get("location")) == (308 if place else 400, place), head


FORWARD = {
    "workers": 1,
    "listeners": [
        {
            "bind": "127.0.0.1:@PORT@",
            "forward": {"targets": {"private": "allow"}, "access": [{"allow": {}}]},
        }
    ],
}


@needs_curl
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_reaches_a_proxy_by_tls(start_limen, authority, version):
    """`curl --proxy https://...`: what goes to the proxy is sealed, and inside CONNECT sealed once more."""
    config = json.loads(json.dumps(FORWARD))
    config["listeners"][0]["tls"] = certificates(authority.issue("localhost"))
    proxy = start_limen(json.dumps(config))
    through = ["--proxy", f"https://localhost:{proxy.port()}", "--proxy-cacert", str(authority.file),
               "--tls-max", version, "-w", " %{http_code}"]  # fmt: skip
    with ScriptedOrigin(Reply(content=b"plain")) as origin:
        assert curl(authority, *through, f"http://{origin.address}/") == b"plain 200"
        assert origin.requests[0].target == "/"
        assert curl(authority, *through, "--proxytunnel", f"http://{origin.address}/") == b"plain 200"
    pair = authority.issue("127.0.0.1")
    with ScriptedOrigin(lambda request, _: Reply(content=request.content), tls=authority.serving(pair)) as origin:
        sent = proxy.directory / "sent"
        sent.write_bytes(LARGE)
        got = curl(authority, *through, "--data-binary", f"@{sent}", f"https://{origin.address}/")
        assert got == LARGE + b" 200"


def gnutls(proxy, authority, *options):
    return Dialogue(
        ["gnutls-cli", "--x509cafile", str(authority.file), "--port", str(proxy.port()), *options, "localhost"]
    )


@needs_gnutls
def test_gnutls(start_tls, start_origin, authority):
    pairs = [authority.issue("localhost"), authority.issue("localhost", kind="rsa")]
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(*pairs))
    for priority in (
        "NORMAL:-VERS-ALL:+VERS-TLS1.3",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-RSA",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA",
        "NORMAL:-GROUP-ALL:+GROUP-SECP384R1",
        "NORMAL:-GROUP-ALL:+GROUP-X25519",
        "SECURE128",
        "PFS",
    ):
        with gnutls(proxy, authority, "--priority", priority, "--alpn", "http/1.1") as client:
            client.hear("Application protocol: http/1.1").hear("Handshake was completed").say(GET).hear("HTTP/1.1 200")
            client.wait()
    for priority in ("NORMAL:-VERS-ALL:+VERS-TLS1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA"):
        with gnutls(proxy, authority, "--priority", priority) as client:
            assert client.wait() != 0
            assert "Handshake was completed" not in client.text


@needs_gnutls
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gnutls_resumes(start_tls, start_origin, authority, version):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("localhost")))
    with gnutls(proxy, authority, "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--resume") as client:
        # gnutls-cli ends the first connection itself and comes back
        client.hear(r"This is a resumed session").say(GET).hear("HTTP/1.1 200")


@needs_gnutls
def test_gnutls_shows_a_certificate(start_tls, start_origin, authority, tmp_path):
    clients = type(authority)(tmp_path, "clients")
    alice = clients.issue("alice", client=True)
    tls = {**certificates(authority.issue("localhost")), "client": {"ca": str(clients.file), "require": True}}
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=tls)
    shown = ("--x509certfile", str(alice.chain), "--x509keyfile", str(alice.key))
    with gnutls(proxy, authority, *shown) as client:
        client.hear("Handshake was completed").say(GET).hear("HTTP/1.1 200")
    with gnutls(proxy, authority) as client:
        client.say(GET)
        client.wait()
        assert "HTTP/1.1 200" not in client.text


def test_programs_that_must_be_there_are_looked_for():
    """Skipping may not hide a program that is there."""
    for program in ("curl", "openssl", "gnutls-cli"):
        found = any(Path(folder, program).exists() for folder in ("/usr/bin", "/bin", "/usr/local/bin"))
        assert available(program) or not found
