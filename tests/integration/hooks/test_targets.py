"""Hooks that choose the target, hooks on forward listeners, bad references, and the example beside examples/hooks.yaml."""

from pathlib import Path

import pytest

from tests.support import LimenProcess, RawOrigin, Reply, ScriptedOrigin, echo, run_limen

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
RULES = """
from limen import hook


def to_other(exchange):
    host, _, port = exchange.request.fields["X-To"].rpartition(":")
    exchange.target = (host, int(port))


def rename(exchange):
    exchange.request.host = exchange.request.fields["X-To"]


async def both(exchange):
    exchange.request.path = "/both"
    exchange.request.fields["X-Target"] = repr(exchange.target)
    to_other(exchange)


@hook("response")
def mark(exchange):
    exchange.response.fields["X-Marked"] = repr(exchange.target)
"""
FORWARD = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {hooks: ["rules:@HOOK@", "rules:mark"], access: [{name: shut, deny: {ports: [81]}}, {allow: {}}], targets: {allow: [127.0.0.2/32]}}
"""


def test_a_gateway_goes_where_the_hook_says(hooked) -> None:
    with ScriptedOrigin() as origin, ScriptedOrigin(Reply(content=b"other")) as other:
        proxy = hooked(RULES, ["to_other", "both", "mark"], ORIGIN=origin)
        with proxy.connect() as client:
            for _ in range(3):
                response = client.request("POST", "/to_other", [("X-To", other.address)], content=b"content")
                assert (response.status, response.content) == (200, b"other")
            assert other.requests[0].content == b"content"
            assert other.requests[0].get("host") == "test.example"
            assert client.request("GET", "/both", [("X-To", f"localhost:{other.port}")]).content == b"other"
            assert other.requests[-1].target == "/both"
            assert len({request.connection for request in other.requests[:3]}) == 1
            # nobody there: no other endpoint is tried
            assert client.request("GET", "/to_other", [("X-To", "127.0.0.1:1")]).status == 502
            for port in ("PORT", "ADMIN"):
                assert client.request("GET", "/to_other", [("X-To", f"127.0.0.1:{proxy.port(port)}")]).status == 508
            for bad in ("a b:80", "127.0.0.1:0", "127.0.0.1:65536", ":80", "127.0.0.1:x"):
                assert client.request("GET", "/to_other", [("X-To", bad)]).status == 500, bad
        assert not origin.requests


@pytest.mark.parametrize("name", ["to_other", "rename", "both"])
def test_the_rules_of_a_proxy_hold_for_hooks(hooked, name: str) -> None:
    with (
        ScriptedOrigin(host="127.0.0.2") as origin,
        ScriptedOrigin(host="127.0.0.2") as other,
        ScriptedOrigin() as shut,
    ):
        proxy = hooked(RULES, [], text=FORWARD, HOOK=name)
        with proxy.connect() as client:
            target = f"http://{origin.address}/path"
            response = client.request("GET", target, [("X-To", other.address)])
            assert response.status == 200
            assert len(other.requests) == 1
            assert response.get("x-marked") == repr(("127.0.0.2", other.port))
            for place in (shut.address, f"localhost:{shut.port}", f"2130706433:{shut.port}"):
                status = client.request("GET", target, [("X-To", place)]).status
                assert status == 403 or (status == 500 and place.startswith("2")), place
            response = client.request("GET", target, [("X-To", "127.0.0.2:81")])
            assert response.status == 403
            assert "rule: shut" in response.text
            assert client.request("GET", target, [("X-To", f"127.0.0.1:{proxy.port()}")]).status == 508
        assert not origin.requests
        assert not shut.requests


def test_connect_passes_hooks(hooked) -> None:
    with RawOrigin(echo, host="127.0.0.2") as origin:
        proxy = hooked(RULES, [], text=FORWARD, HOOK="to_other")
        with proxy.connect() as client:
            client.send_request("CONNECT", "one.example:443", [("X-To", origin.address)], host="one.example:443")
            assert client.read_response("CONNECT").status == 200
            assert client.send(b"hello").read_exactly(5) == b"hello"
        with proxy.connect() as client:
            client.send_request("CONNECT", "one.example:443", [("X-To", "127.0.0.1:443")], host="one.example:443")
            assert client.read_response("CONNECT").status == 403


BAD = """
listeners:
  - bind: 127.0.0.1:8080
    routes:
      - {hooks: ["REFERENCE"], upstream: web}
upstreams: {web: {endpoints: ["127.0.0.1:9001"]}}
"""


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("rules:nothing", "nothing"),
        ("rules:to_othr", "did you mean to_other"),
        ("absent:function", "no module absent"),
        ("broken:function", "ZeroDivisionError"),
        ("rules:RULE", "RULE"),
        ("rules:Kind", "class"),
        ("rules:two", "one argument"),
        ("rules.to_other", "module:function"),
    ],
)
def test_bad_references_are_named(tmp_path: Path, reference: str, message: str) -> None:
    more = "\nRULE = 1\nclass Kind: pass\ndef two(a, b): pass\n"
    (tmp_path / "rules.py").write_text(RULES + more, encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    path = tmp_path / "limen.yaml"
    path.write_text(BAD.replace("REFERENCE", reference), encoding="utf-8")
    for command in ("check", "run") if reference == "rules:nothing" else ("check",):
        done = run_limen(command, str(path), directory=tmp_path)
        assert done.returncode == 2, done
        assert message in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_a_reload_with_a_bad_hook_changes_nothing(hooked) -> None:
    with ScriptedOrigin() as origin:
        proxy: LimenProcess = hooked(RULES, ["mark"], ORIGIN=origin)
        assert "refused" in proxy.reload(proxy.text.replace("rules:mark", "rules:nothing"))
        with proxy.connect() as client:
            assert client.request("GET", "/mark").get("x-marked") == "None"


def test_the_example(tmp_path: Path) -> None:
    done = run_limen("check", str(EXAMPLES / "hooks.yaml"))
    assert done.returncode == 0, done.stderr
    text = (EXAMPLES / "hooks.yaml").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8080", "127.0.0.1:@PORT@").replace("127.0.0.1:3128", "127.0.0.1:@PROXY@")
    (tmp_path / "myrules.py").write_bytes((EXAMPLES / "myrules.py").read_bytes())
    with ScriptedOrigin() as origin:
        text = "workers: 1\n" + text.replace("127.0.0.1:9001", origin.address)
        with LimenProcess(text, directory=tmp_path) as proxy:
            with proxy.connect() as client:
                assert client.request("GET", "/api/x", host="acme.example.com").status == 200
                assert origin.requests[-1].get("x-tenant") == "acme"
                assert client.request("GET", "/api/x", host="www.example.org").status == 404
                assert client.request("GET", "/x", [("X-Tenant", "forged")], host="acme.example.com").status == 200
            with proxy.connect("PROXY") as client:
                response = client.request("GET", "http://elsewhere.example.org/")
                assert response.status == 403
                assert "elsewhere.example.org" in response.text
                response = client.request("CONNECT", "elsewhere.example.org:443")
                assert response.status == 403
