"""Endpoints from a real name server: addresses and services, their times to live, and silence."""

import json
import ssl

from tests.support import wait_until
from tests.support.certificates import Authority


def test_each_address_is_an_endpoint_and_follows_the_name(start, names, resolver, loopback):
    names.server.add("web.test", "1 A 127.0.0.2", "1 A 127.0.0.3")
    gateway = start({"dns": f"web.test:{loopback.port}"}, resolver=resolver)
    port = loopback.port
    assert gateway.answers() == {f"127.0.0.2:{port}", f"127.0.0.3:{port}"}
    names.server.put("web.test", "1 A 127.0.0.3", "1 A 127.0.0.4")
    gateway.wait_for_log("discovered endpoints of web are in force")
    assert gateway.answers() == {f"127.0.0.3:{port}", f"127.0.0.4:{port}"}
    status = json.loads(gateway.admin("/status").text)
    assert [one["address"] for one in status["upstreams"][0]["endpoints"]] == [f"127.0.0.{n}:{port}" for n in (3, 4)]
    found = gateway.discovery()
    assert found["source"] == f"dns web.test:{port}"
    assert (found["endpoints"], found["origin"], found["error"]) == (2, "source", None)


def test_answers_turned_around_are_no_change(start, names, resolver, loopback):
    names.server.add("web.test", "0 A 127.0.0.2", "0 A 127.0.0.3")
    gateway = start({"dns": f"web.test:{loopback.port}"}, resolver=resolver)
    names.server.put("web.test", "0 A 127.0.0.3", "0 A 127.0.0.2")
    before = names.server.asked["web.test", "A"]
    wait_until(lambda: names.server.asked["web.test", "A"] > before + 3, what="more questions")
    assert "are in force" not in gateway.log
    assert gateway.discovery()["changes"] <= 1


def test_a_time_to_live_is_kept(start, names, resolver, loopback):
    names.server.add("long.test", "3000 A 127.0.0.2")
    names.server.add("short.test", "0 A 127.0.0.2")
    upstreams = {
        name: {"discover": {"dns": {"address": f"{name}.test:{loopback.port}", "family": "ipv4"}}}
        for name in ("long", "short")
    }
    routes = [{"match": {"path": "/long"}, "upstream": "long"}, {"upstream": "short"}]
    start(resolver=resolver, upstreams=upstreams, listeners=[{"bind": "127.0.0.1:@PORT@", "routes": routes}])
    wait_until(lambda: names.asked("short.test") > 4, what="questions")
    assert names.asked("long.test") == 1
    assert names.server.asked["short.test", "AAAA"] == 0


def test_services_with_ports_weights_and_priorities(start, names, resolver, start_origin, loopback):
    other = start_origin()
    names.server.add("a.test", "1 A 127.0.0.2")
    names.server.add("b.test", "1 A 127.0.0.3")
    names.server.add("_http._tcp.web.test", f"1 SRV 1 3 {loopback.port} a.test.", f"1 SRV 1 0 {loopback.port} b.test.")
    gateway = start({"srv": "_http._tcp.web.test"}, resolver=resolver)
    port = loopback.port
    assert gateway.answers() == {f"127.0.0.2:{port}", f"127.0.0.3:{port}"}
    endpoints = json.loads(gateway.admin("/status").text)["upstreams"][0]["endpoints"]
    assert {one["address"]: one["weight"] for one in endpoints} == {f"127.0.0.2:{port}": 3, f"127.0.0.3:{port}": 1}
    # another priority takes over
    names.server.put("_http._tcp.web.test", f"1 SRV 5 1 {port} b.test.", f"1 SRV 900 1 {other.port} a.test.")
    gateway.wait_for_log("are in force")
    assert gateway.answers() == {f"127.0.0.3:{port}"}
    assert names.asked("a.test") > 0


def test_addresses_that_come_along_are_not_asked_for(start, names, resolver, loopback):
    names.server.additional = True
    names.server.add("a.test", "1 A 127.0.0.2")
    names.server.add("_http._tcp.web.test", f"1 SRV 1 1 {loopback.port} a.test.")
    gateway = start({"srv": "_http._tcp.web.test"}, resolver=resolver)
    assert gateway.answers() == {f"127.0.0.2:{loopback.port}"}
    assert names.asked("a.test") == 0


def test_a_silent_or_empty_name_takes_nothing_away(start, names, resolver, loopback):
    names.server.add("web.test", "0 A 127.0.0.2")
    gateway = start({"dns": f"web.test:{loopback.port}"}, resolver=resolver)
    names.server.silent = {"A", "AAAA"}
    # (a question may have been answered when the other one was not any more: that is told first)
    gateway.wait_for_log(
        r"upstream web: dns web\.test:.*no answer about AAAA of web\.test \(too late\); no answer about A"
        r".*the last list stays \(1 endpoints\)"
    )
    assert gateway.answers(3) == {f"127.0.0.2:{loopback.port}"}
    assert gateway.discovery()["failures"] > 0
    names.server.silent = set()
    gateway.wait_for_log("dns web.test:.* answers again")
    names.server.zone.clear()
    gateway.wait_for_log("it has no endpoints")
    assert gateway.answers(3) == {f"127.0.0.2:{loopback.port}"}
    assert "it has no endpoints" in gateway.discovery()["error"]
    metrics = gateway.metrics()
    assert metrics['limen_discovery_endpoints{upstream="web"}'] == 1
    assert metrics['limen_discovery_failures_total{upstream="web"}'] > 1
    assert metrics['limen_discovery_success_seconds{upstream="web"}'] > 1e9


def test_half_an_answer_takes_nothing_away(start, names, resolver, loopback):
    names.server.add("web.test", "0 A 127.0.0.2", "0 AAAA ::1")
    gateway = start({"dns": f"web.test:{loopback.port}"}, resolver=resolver)
    assert gateway.discovery()["endpoints"] == 2
    names.server.silent = {"AAAA"}
    names.server.put("web.test", "0 A 127.0.0.2", "0 A 127.0.0.3")
    gateway.wait_for_log("are in force")
    assert gateway.discovery()["endpoints"] == 3
    # (the answer that came last before the silence may have come with the first of the new ones)
    wait_until(lambda: "no answer about AAAA" in (gateway.discovery()["error"] or ""), what="the error")
    assert gateway.discovery()["endpoints"] == 3


def test_an_empty_list_where_it_is_allowed(start, names, resolver, loopback):
    names.server.add("web.test", "0 A 127.0.0.2")
    gateway = start({"dns": f"web.test:{loopback.port}", "allow_empty": True}, resolver=resolver)
    assert gateway.answers(3) == {f"127.0.0.2:{loopback.port}"}
    names.server.zone.clear()
    gateway.wait_for_log("are in force")
    assert gateway.answers(3) == {"503"}
    names.server.add("web.test", "0 A 127.0.0.3")
    gateway.wait_for_log("are in force", count=2)
    assert gateway.answers(3) == {f"127.0.0.3:{loopback.port}"}


def test_the_name_stands_for_the_address_in_tls(start, names, resolver, start_origin, tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("a.test")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.chain, pair.key)
    asked = []

    def note(_, name, __):
        asked.append(name)

    tls.sni_callback = note
    origin = start_origin(tls=tls)
    names.server.add("a.test", "1 A 127.0.0.1")
    names.server.add("b.test", "1 A 127.0.0.1")
    names.server.add("_x._tcp.web.test", f"1 SRV 1 1 {origin.port} a.test.")
    upstreams = {
        "web": {"discover": {"dns": f"a.test:{origin.port}"}, "tls": {"ca": str(authority.file)}},
        "srv": {"discover": {"srv": "_x._tcp.web.test"}, "tls": {"ca": str(authority.file)}},
        "bad": {"discover": {"dns": f"b.test:{origin.port}"}, "tls": {"ca": str(authority.file)}},
    }
    routes = [{"match": {"path": f"/{name}"}, "upstream": name} for name in upstreams]
    gateway = start(resolver=resolver, upstreams=upstreams, listeners=[{"bind": "127.0.0.1:@PORT@", "routes": routes}])
    assert gateway.get("/web").status == 200
    assert gateway.get("/srv").status == 200
    assert gateway.get("/bad").status == 502
    assert set(asked) == {"a.test", "b.test"}
