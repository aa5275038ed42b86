"""What is known of a client's TLS: to routes, hooks, origins and the access log; and what a client may not claim."""

import base64
import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.integration.tls.conftest import faults
from tests.integration.tls.test_terminate import certificates
from tests.support import Reply, json_lines, wait_until
from tests.support.certificates import Pair
from tests.unit.tls.conftest import CLIENT, Issuer, make_key, pem, private_pem

HOOK = """
import json

from limen import Exchange


def tell(exchange: Exchange) -> None:
    tls = exchange.tls
    if tls is None:
        exchange.reply(200, "plain")
        return
    shown = tls.certificate
    exchange.reply(200, json.dumps({
        "version": tls.version, "cipher": tls.cipher, "server_name": tls.server_name, "protocol": tls.protocol,
        "resumed": tls.resumed, "ja4": tls.ja4, "same": exchange.tls is tls,
        "certificate": shown and [shown.subject, shown.issuer, shown.serial, shown.fingerprint, list(shown.names)],
        "der": shown and len(shown.der),
    }))
"""


@pytest.fixture
def clients(authority, tmp_path):
    return type(authority)(tmp_path, "clients, and more")


def fingerprint(pair):
    return pair.certificate.fingerprint(hashes.SHA256()).hex()


def asking(authority, clients, *names, **more):
    pair = authority.issue(*(names or ("a.example",)))
    return {**certificates(pair), "client": {"ca": str(clients.file)}, **more}


def ask(proxy, authority, target="/", fields=(), *, shown=None, context=None, name="a.example"):
    with proxy.connect().secure(context or authority.trusting(shown), name) as client:
        return client.request("GET", target, [*fields], host=name)


def test_routes_by_certificate(start_tls, start_origin, authority, clients):
    origin = start_origin(Reply(content=b"origin"))
    alice = clients.issue("alice", "alice@home", "Desk.Staff.example", client=True)
    robot = clients.issue("robot", "127.0.0.1", client=True)
    routes = [
        {"match": {"path": "/any", "client_certificate": True}, "respond": {"body": "any"}},
        {"match": {"path": "/none", "client_certificate": False}, "respond": {"body": "none"}},
        {"match": {"client_certificate": {"san": "*.staff.example"}}, "respond": {"body": "staff"}},
        {"match": {"client_certificate": {"subject": ["CN=bob", "CN=rob*"], "fingerprint": fingerprint(robot)}},
         "respond": {"body": "robot"}},
        {"match": {"path": "/a", "client_certificate": {"san": "127.0.0.1", "subject": "CN=alice"}},
         "respond": {"body": "mixed"}},
        {"upstream": "web"},
    ]  # fmt: skip
    proxy = start_tls(origin, tls=asking(authority, clients), listener={"routes": routes})

    def answers(shown):
        return [ask(proxy, authority, target, shown=shown).content.decode() for target in ("/any", "/none", "/a")]

    assert answers(None) == ["origin", "none", "origin"]
    assert answers(alice) == ["any", "staff", "staff"]
    assert answers(robot) == ["any", "robot", "robot"]


def test_a_value_of_the_subject_is_no_part_of_it(start_tls, start_origin, authority, tmp_path):
    """Who may choose his common name cannot choose another unit with it."""
    issuer = Issuer("clients")
    (tmp_path / "clients.pem").write_bytes(pem(issuer.certificate))
    routes = [
        {"match": {"client_certificate": {"subject": "CN=*,OU=staff,*"}}, "respond": {"body": "staff"}},
        {"match": {"client_certificate": {"subject": r"CN=Doe\, Jane,O=Example"}}, "respond": {"body": "jane"}},
        {"match": {"client_certificate": {"subject": r"CN=back\\,O=Example"}}, "respond": {"body": "back"}},
        {"upstream": "web"},
    ]
    tls = {**certificates(authority.issue("a.example")), "client": {"ca": str(tmp_path / "clients.pem")}}
    proxy = start_tls(start_origin(Reply(content=b"nobody")), tls=tls, listener={"routes": routes})
    for number, (common, unit, body) in enumerate(
        [
            ("alice", "staff", "staff"),
            ("Doe, Jane", "staff", "staff"),
            ("alice", "guests", "nobody"),
            ("eve,OU=staff", None, "nobody"),
            ("eve,OU=staff,x", None, "nobody"),
            ("eve\\,OU=staff", None, "nobody"),
            ("eve+OU=staff", None, "nobody"),
            ("Doe, Jane", None, "jane"),
            ("back\\", None, "back"),
        ]
    ):
        key = make_key()
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")]
        parts += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common))
        certificate = issuer.issue(x509.Name(parts), key=key, alternatives=None, usage=CLIENT)
        chain, private = tmp_path / f"{number}.pem", tmp_path / f"{number}.key"
        chain.write_bytes(pem(certificate))
        private.write_bytes(private_pem(key))
        assert ask(proxy, authority, shown=Pair(chain, private, certificate)).text == body, common


@pytest.mark.sanitize
def test_a_route_that_demands_a_certificate(start_tls, start_origin, authority, clients):
    origin = start_origin(Reply(content=b"secret"))
    alice, bob = clients.issue("alice", client=True), clients.issue("bob", client=True)
    routes = [
        {"match": {"path": "/any"}, "client_certificate": True, "upstream": "web"},
        {"match": {"path": "/alice"}, "client_certificate": {"subject": "CN=alice"}, "upstream": "web"},
        {"match": {"path": "/here"}, "client_certificate": True, "respond": {"body": "here"}},
        {"match": {"path": "/there"}, "client_certificate": True, "redirect": {"to": "/x"}},
        {"upstream": "web"},
    ]
    proxy = start_tls(origin, tls=asking(authority, clients), listener={"routes": routes})
    refused = ask(proxy, authority, "/any")
    assert refused.status == 403 and "client certificate" in refused.text
    assert "client_certificate" in (refused.get("proxy-status") or "")
    assert [ask(proxy, authority, f"/{place}").status for place in ("alice", "here", "there", "")] == [
        403,
        403,
        403,
        200,
    ]
    assert ask(proxy, authority, "/any", shown=bob).content == b"secret"
    assert ask(proxy, authority, "/alice", shown=bob).status == 403
    assert ask(proxy, authority, "/alice", shown=alice).content == b"secret"
    assert ask(proxy, authority, "/here", shown=bob).content == b"here"
    wait_until(lambda: faults(proxy) == {"client_certificate": 5}, what="all counted")
    # the connection goes on after the refusal
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        assert [client.request("GET", path, host="a.example").status for path in ("/any", "/", "/any")] == [
            403,
            200,
            403,
        ]


@pytest.mark.sanitize
def test_the_origin_is_told_and_clients_cannot_claim(start_tls, start_origin, authority, clients):
    origin = start_origin(Reply())
    alice = clients.issue("alice", client=True)
    claims = [("Client-Cert", ":AAAA:"), ("client-cert-chain", ":AAAA:"), ("X-Forwarded-Client-Cert", "x")]
    told = start_tls(origin, tls=asking(authority, clients), listener={"forwarded": {"client_certificate": True}})
    der = alice.certificate.public_bytes(serialization.Encoding.DER)
    with told.connect().secure(authority.trusting(alice), "a.example") as client:
        for number in range(3):
            assert client.request("GET", "/", claims, host="a.example").status == 200
            seen = origin.requests[number]
            assert seen.get_all("client-cert") == [f":{base64.b64encode(der).decode()}:"]
            assert not seen.get_all("client-cert-chain") and not seen.get_all("x-forwarded-client-cert")
    ask(told, authority, "/", claims)
    assert not origin.requests[-1].get_all("client-cert")
    # terminated, but not to be told: nobody else may say it
    silent = start_tls(origin, tls=asking(authority, clients))
    ask(silent, authority, "/", claims, shown=alice)
    assert not origin.requests[-1].get_all("client-cert")
    # plain: whoever ended TLS in front may
    plain = start_tls(origin)
    assert plain.get("/", claims).status == 200
    assert origin.requests[-1].get_all("client-cert") == [":AAAA:"]


@pytest.mark.sanitize
def test_hooks_and_access_log(start_tls, start_origin, authority, clients, tmp_path, monkeypatch):
    (tmp_path / "facts_hook.py").write_text(HOOK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    alice = clients.issue("alice", "spiffe.example", "::1", client=True)
    log = tmp_path / "access.jsonl"
    proxy = start_tls(
        start_origin(Reply()),
        tls=asking(authority, clients),
        listener={"routes": [{"hooks": ["facts_hook:tell"], "upstream": "web"}]},
        root={"log": {"access": {"path": str(log), "flush": "10ms", "tls": True}}},
    )
    context = authority.trusting(alice)
    context.set_alpn_protocols(["http/1.1"])
    with proxy.connect().secure(context, "a.example") as client:
        found = json.loads(client.request("GET", "/", host="a.example").content)
        again = json.loads(client.request("GET", "/", host="a.example").content)
        session = client.socket.session
        assert found == again
        cipher = client.socket.cipher()[0]
    assert found.pop("ja4").startswith("t13d")
    assert found == {
        "version": "TLSv1.3", "cipher": cipher, "server_name": "a.example", "protocol": "http/1.1", "resumed": False,
        "same": True, "der": len(alice.certificate.public_bytes(serialization.Encoding.DER)),
        "certificate": ["CN=alice", r"CN=clients\, and more", alice.serial, fingerprint(alice),
                        ["alice", "spiffe.example", "::1"]],
    }  # fmt: skip
    # taken up again: the certificate is still known
    with proxy.connect() as client:
        client.socket = context.wrap_socket(client.socket, server_hostname="a.example", session=session)
        resumed = json.loads(client.request("GET", "/", host="a.example").content)
    assert resumed["resumed"] and resumed["certificate"] == found["certificate"]
    bare = authority.trusting()
    bare.check_hostname = False
    with proxy.connect() as client:
        client.socket = bare.wrap_socket(client.socket)
        nameless = json.loads(client.request("GET", "/", host="a.example").content)
    assert (nameless["server_name"], nameless["protocol"], nameless["certificate"]) == (None, None, None)
    assert nameless["ja4"].startswith("t13i")
    wait_until(lambda: len(json_lines(log)) == 4, what="access log")
    lines = json_lines(log)
    assert {key: lines[0][key] for key in lines[0] if key.startswith(("tls", "sni", "cert", "resumed", "ja4"))} == {
        "tls_version": "TLSv1.3", "tls_cipher": cipher, "sni": "a.example", "certificate_subject": "CN=alice",
        "certificate_fingerprint": fingerprint(alice),
    }  # fmt: skip
    assert lines[2]["resumed"] is True and lines[2]["certificate_subject"] == "CN=alice"
    assert "sni" not in lines[3] and "certificate_subject" not in lines[3]


def test_the_fingerprint_of_the_hello(start_tls, start_origin, authority, tmp_path):
    log = tmp_path / "access.jsonl"
    proxy = start_tls(
        start_origin(Reply(content=b"origin")),
        tls=certificates(authority.issue("a.example")),
        listener={"routes": [{"match": {"ja4": ["t12*", "q*"]}, "respond": {"body": "old"}}, {"upstream": "web"}]},
        root={"log": {"access": {"path": str(log), "flush": "10ms", "ja4": True}}},
    )
    old = authority.trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(proxy, authority).content == b"origin"
    assert ask(proxy, authority, context=old).content == b"old"
    wait_until(lambda: len(json_lines(log)) == 2, what="access log")
    assert [line["ja4"][:4] for line in json_lines(log)] == ["t13d", "t12d"]


def test_some_names_pass_and_others_end_here(start_tls, start_origin, authority):
    inside = start_origin(Reply(content=b"inside"))
    theirs = authority.issue("b.example", "sub.b.example")
    behind = start_origin(Reply(content=b"behind"), tls=authority.serving(theirs))
    passed = [
        {"match": {"sni": ".b.example"}, "upstream": "behind"},
        {"match": {"sni": "a.example", "alpn": "imap"}, "upstream": "behind"},
    ]
    proxy = start_tls(
        inside,
        tls={**certificates(authority.issue("a.example", "b.example", "c.example")), "pass": passed},
        root={
            "upstreams": {
                "web": {"endpoints": [inside.address]},
                "behind": {"endpoints": [behind.address]},
            }
        },
    )
    assert ask(proxy, authority).content == b"inside"
    assert ask(proxy, authority, name="c.example").content == b"inside"
    assert ask(proxy, authority, name="b.example").content == b"behind"
    assert ask(proxy, authority, name="sub.b.example").content == b"behind"
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        # the certificate names b.example, but whoever asks for that goes elsewhere
        for host, status in [("a.example", 200), ("b.example", 421), ("sub.b.example", 421), ("c.example", 200)]:
            assert client.request("GET", "/", host=host).status == status, host
    # what passes is not looked into: its Host is its own affair
    with proxy.connect().secure(authority.trusting(), "b.example") as client:
        assert client.request("GET", "/", host="a.example").content == b"behind"
    wait_until(lambda: faults(proxy) == {"misdirected": 2}, what="both counted")
    passed_count = 'limen_exchange_duration_seconds_count{route="front#pass0"}'
    wait_until(lambda: proxy.metrics().get(passed_count) == 3, what="the passed connections counted")
    # plain HTTP on this port is still told so
    with proxy.connect() as client:
        assert client.request("GET", "/").status == 400


def test_a_certificate_for_a_name_that_is_passed_is_found(authority, tmp_path):
    from tests.support import run_limen

    pair = authority.issue("a.example", "*.b.example", "c.example")
    config = {
        "listeners": [
            {
                "bind": "127.0.0.1:8443",
                "tls": {
                    **certificates(pair),
                    "pass": [
                        {"match": {"sni": "a.example"}, "upstream": "x"},
                        {"match": {"sni": ".b.example"}, "upstream": "x"},
                        {"match": {"sni": "c.example", "alpn": "imap"}, "upstream": "x"},
                    ],
                },
                "routes": [{"upstream": "x"}],
            }
        ],
        "upstreams": {"x": {"endpoints": ["127.0.0.1:9001"]}},
    }
    path = Path(tmp_path / "limen.yaml")
    path.write_text(json.dumps(config))
    shown = run_limen("check", str(path))
    assert shown.returncode == 0
    assert "under the name a.example" in shown.stderr and "under the name *.b.example" in shown.stderr
    assert "c.example" not in shown.stderr
