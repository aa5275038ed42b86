"""Content passes ICAP services on its way, in both directions of a proxy and of a gateway."""

import json
from typing import Any

import pytest

from tests.integration.icap.conftest import EICAR, CIcap, ScriptedService
from tests.support import LimenProcess, Reply, ScriptedOrigin, free_port, run_limen, wait_until

NO_CONTENT = b"ICAP/1.0 204 Unmodified\r\n\r\n"


def site(origin: ScriptedOrigin, services: dict[str, Any], **icap: Any) -> str:
    """A gateway and a forward proxy whose messages pass the same services."""
    return json.dumps(
        {
            "workers": 1,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "listeners": [
                {"bind": "127.0.0.1:@PORT@", "routes": [{"upstream": "web", "icap": icap}]},
                {
                    "bind": "127.0.0.1:@PROXY@",
                    "forward": {"targets": {"private": "allow"}, "access": [{"allow": {}}], "icap": icap},
                },
            ],
            "upstreams": {"web": {"endpoints": [origin.address]}},
            "icap": services,
        }
    )


def scanned(proxy: LimenProcess, path: str, content: bytes = b"") -> list[int]:
    """Statuses of the same request by the gateway and by the proxy."""
    statuses = []
    for name, target in (("PORT", path), ("PROXY", f"http://{proxy.values['ORIGIN']}{path}")):
        with proxy.connect(name) as client:
            host = str(proxy.values["ORIGIN"])
            method = "POST" if content else "GET"
            statuses.append(client.request(method, target, host=host, content=content).status)
    return statuses


def test_a_virus_is_found_both_ways(c_icap: CIcap) -> None:
    answers = {"/clean": b"nothing of the kind " * 20_000, "/virus": EICAR, "/empty": b""}
    with ScriptedOrigin(lambda request, *_: Reply(content=answers.get(request.target, b"thanks"))) as origin:
        services = {"scan": {"url": f"icap://{c_icap.address}/scan"}, "echo": {"url": f"icap://{c_icap.address}/echo"}}
        text = site(origin, services, request=["scan", "echo"], response=["echo", "scan"])
        with LimenProcess(text, values={"ORIGIN": origin.address}) as proxy:
            clean = proxy.get("/clean")
            assert (clean.status, clean.content) == (200, answers["/clean"])
            assert scanned(proxy, "/clean") == [200, 200]
            assert scanned(proxy, "/empty") == [200, 200]
            before = len(origin.requests)
            infected = proxy.get("/virus")
            assert infected.status != 200
            assert EICAR not in infected.content
            assert b"Test-File" in infected.content
            assert scanned(proxy, "/virus") == [infected.status, infected.status]
            assert len(origin.requests) == before + 3
            # what goes out is stopped before anybody sees it
            assert scanned(proxy, "/upload", EICAR) == [infected.status, infected.status]
            assert len(origin.requests) == before + 3
            assert scanned(proxy, "/upload", b"a letter " * 50_000) == [200, 200]
            assert origin.requests[-1].content == b"a letter " * 50_000
            assert "REQMOD" in c_icap.log()
            assert "RESPMOD" in c_icap.log()


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


def adapted(section: str, message: bytes, content: bytes = b"") -> bytes:
    """200 with an adapted message."""
    body = f"{section[:3]}-body={len(message)}" if content else f"null-body={len(message)}"
    told = head("ICAP/1.0 200 OK", "ISTag: x", f"Encapsulated: {section}=0, {body}") + message
    return told + (b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"")


@pytest.mark.sanitize
def test_what_a_service_makes_of_messages() -> None:
    def answer(message: bytes) -> bytes:
        if message.startswith(b"REQMOD"):
            if b"/stop" in message:
                return adapted("res-hdr", head("HTTP/1.1 403 Forbidden", "X-By: service"), b"no")
            changed = head("PUT http://elsewhere/changed?q=1 HTTP/1.1", "X-New: 1", "Content-Length: 99")
            return adapted("req-hdr", changed, b"new content")
        return adapted("res-hdr", head("HTTP/1.1 203 Fine", "X-Seen: yes", "Transfer-Encoding: nonsense"), b"z" * 5000)

    with (
        ScriptedOrigin(Reply(content=b"y" * 100, fields=[("X-Old", "1")])) as origin,
        ScriptedService(answer) as service,
    ):
        services = {"any": {"url": f"icap://127.0.0.1:{service.port}/x", "client_address": True}}
        with LimenProcess(site(origin, services, request="any", response="any")) as proxy, proxy.connect() as client:
            for _ in range(2):
                response = client.request("POST", "/a", [("X-Gone", "1")], content=b"old")
                assert (response.status, response.content) == (203, b"z" * 5000)
                assert (response.get("x-seen"), response.get("x-old")) == ("yes", None)
            seen = origin.requests[0]
            assert (seen.method, seen.target, seen.content) == ("PUT", "/changed?q=1", b"new content")
            assert (seen.get("x-new"), seen.get("x-gone")) == ("1", None)
            assert seen.get("host") == "test.example"
            stopped = client.request("GET", "/stop")
            assert (stopped.status, stopped.content, stopped.get("x-by")) == (403, b"no", "service")
            assert len(origin.requests) == 2
            assert b"X-Client-IP: 127.0.0.1\r\n" in service.messages[0]
            assert b"3\r\nold\r\n0; ieof\r\n\r\n" in service.messages[0]
            # a preview of eight bytes, and no more was asked for
            assert b"\r\n8\r\nyyyyyyyy\r\n0\r\n\r\n" in service.messages[1]
            assert service.connections == 1


def refused(proxy: LimenProcess) -> float:
    """Counted faults of services."""
    return sum(value for key, value in proxy.metrics().items() if key.startswith('limen_faults_total{fault="icap"'))


def test_content_that_is_larger_and_services_that_fail() -> None:
    wrong = {
        "/nonsense": b"HTTP/1.1 200 OK\r\n\r\n",
        "/error": b"ICAP/1.0 500 Broken\r\n\r\n",
        "/sections": head("ICAP/1.0 200 OK", "Encapsulated: res-body=0, res-hdr=5"),
        "/status": adapted("res-hdr", head("HTTP/1.1 999 Odd")),
        "/field": adapted("res-hdr", head("HTTP/1.1 200 OK", "Bad Name: 1")),
        "/chunk": head("ICAP/1.0 200 OK", "Encapsulated: res-hdr=0, res-body=19") + head("HTTP/1.1 200 OK") + b"zz\r\n",
        "/long": adapted("res-hdr", head("HTTP/1.1 200 OK"), b"l" * 20_000),
        "/close": None,
    }

    def answer(message: bytes) -> bytes | None:
        return next((told for path, told in wrong.items() if path.encode() in message), NO_CONTENT)

    with (
        ScriptedOrigin(
            lambda request, *_: Reply(content=b"c" * (20_000 if request.target == "/large" else 50))
        ) as origin,
        ScriptedService(answer) as service,
    ):
        strict = {"url": f"icap://127.0.0.1:{service.port}/x", "body": "16KiB"}
        gone = {"url": f"icap://127.0.0.1:{free_port()}/x", "failure": "pass"}
        services = {
            "strict": strict,
            "lenient": {**strict, "failure": "pass", "larger": "pass"},
            "gone": gone,
            "closed": {**gone, "failure": "refuse"},
        }
        listeners = [
            {"bind": f"127.0.0.1:@{name.upper()}@", "routes": [{"upstream": "web", "icap": {"response": name}}]}
            for name in services
        ]
        config = {
            "workers": 1,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "listeners": listeners,
            "upstreams": {"web": {"endpoints": [origin.address]}},
            "icap": services,
        }
        with LimenProcess(json.dumps(config)) as proxy:

            def ask(name: str, target: str) -> int:
                with proxy.connect(name) as client:
                    return client.request("GET", target).status

            for target in wrong:
                assert ask("STRICT", target) == 503, target
                assert ask("LENIENT", target) == 200, target
            assert ask("STRICT", "/fine") == 200
            assert (ask("STRICT", "/large"), ask("LENIENT", "/large")) == (502, 200)
            assert (ask("GONE", "/"), ask("CLOSED", "/")) == (200, 503)
            wait_until(lambda: refused(proxy) == len(wrong) + 1, what="the faults")
            proxy.wait_for_log("messages pass unexamined")
            # a reload with the same services keeps their connections, another time limit does not
            before = service.connections
            proxy.reload(json.dumps({**config, "workers": 1, "drain": {"timeout": "5s"}}))
            assert ask("STRICT", "/fine") == 200
            assert service.connections == before
            config["icap"] = {**services, "strict": {**strict, "larger": "pass"}}
            proxy.reload(json.dumps(config))
            assert ask("STRICT", "/large") == 200


def test_names_and_urls_are_checked(tmp_path: Any) -> None:
    path = tmp_path / "limen.yaml"
    path.write_text(
        "listeners:\n  - bind: 127.0.0.1:1\n    routes:\n      - respond: {status: 200}\n        icap: {request: scam}\n"
        "icap:\n  scan: {url: icap://127.0.0.1/a}\n",
        encoding="utf-8",
    )
    done = run_limen("check", str(path))
    assert done.returncode == 2
    assert f"{path}:5:25" in done.stderr
    assert "unknown ICAP service 'scam'" in done.stderr
    assert "did you mean 'scan'" in done.stderr
    path.write_text(path.read_text().replace("scam", "scan").replace("icap://127", "http://127"))
    done = run_limen("check", str(path))
    assert done.returncode == 2
    assert "is no ICAP URL; write `icap://host:1344/service`" in done.stderr
