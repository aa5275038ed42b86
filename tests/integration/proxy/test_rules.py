"""What access rules do beside allow and deny: lists of names, what is inside a request, redirects, limits, dry run."""

import hashlib
import json
import os

import pytest

from tests.support import (
    LimenProcess,
    NameServerThread,
    RawClient,
    ScriptedOrigin,
    WireResponse,
    json_lines,
    run_limen,
    wait_until,
)
from tests.support.origins import Reply

RULES = """
workers: 2
admin: {bind: 127.0.0.1:@ADMIN@}
log: {access: {path: access.jsonl, flush: 50ms}}
resolver: {servers: ["@DNS@"], hosts: false}
places: {networks: [{clients: 127.0.0.77, country: KP, continent: AS}, {clients: 127.0.0.78, country: KR, continent: AS}]}
lists:
  ads: {file: ads.txt, format: adblock}
  mine: {file: mine.txt, format: domains}
  registries: {file: suffixes.txt, format: suffixes}
listeners:
  - bind: 127.0.0.1:@PORT@
    name: proxy
    forward:
      targets: {private: allow}
      access:
        - {name: never, deny: {addresses: 127.0.0.66}}
        - {name: abroad, deny: {target: {country: KP, continent: AS}}}
        - {name: watched, deny: {hosts: .watched.test}, dry_run: true}
        - {name: ads, deny: {host_lists: ads}, redirect: "https://why.test/?{hostname}{path}"}
        - {name: both, deny: {host_lists: mine, hosts: written.test}}
        - {name: safe, allow: {hosts: search.test}, redirect: safe.test}
        - {name: unsafe, allow: {hosts: bad.search.test}, redirect: worst.test}
        - {name: shops, deny: {hosts: .shop.<suffix>}}
        - {name: archives, deny: {hosts: far.test, response: {content_types: application/zip}}}
        - {name: heavy, deny: {hosts: far.test, response: {size: {over: 1KiB}}}, redirect: "https://why.test/heavy"}
        - {name: late, deny: {response: {content_types: "text/*"}}, dry_run: true}
        - {name: secret, deny: {path: [/secret, "/**.bak"]}}
        - {name: images, deny: {content_types: "image/*"}}
        - {name: large, deny: {size: {over: 10B}, methods: POST}}
        - {name: few, allow: {hosts: few.test}, limit: {rate: 2/h}}
        - {name: one-by-one, allow: {hosts: slow.test}, limit: {concurrent: 1, by: route}}
        - {name: plain, allow: {schemes: http}}
        - {name: tunnels, allow: {schemes: tunnel, hosts: tunnel.test}}
        - {name: after, deny: {response: {size: {upto: 1GiB}}}}
"""


ANSWERS = {
    "/zip": Reply(content=b"PK", fields=[("Content-Type", "Application/zip; x=y")]),
    "/large": Reply(content=b"x" * 1025),
    "/chunked": Reply(content=b"x", chunked=True),
    "/text": Reply(content=b"x", fields=[("Content-Type", "text/plain")]),
}


def by_path(request, _):
    return ANSWERS.get(request.target, Reply(content=b"far"))


def ask(client: RawClient, target: str, method: str = "GET", fields: str = "", content: str = "") -> WireResponse:
    client.send(f"{method} {target} HTTP/1.1\r\nHost: any.example\r\n{fields}\r\n{content}")
    return client.read_response(method)


@pytest.mark.sanitize
def test_rules_of_every_kind(tmp_path):
    (tmp_path / "ads.txt").write_text("||ads.test^\n@@||ok.ads.test^\n", encoding="utf-8")
    (tmp_path / "mine.txt").write_text("listed.test\n", encoding="utf-8")
    (tmp_path / "suffixes.txt").write_text("test\nco.test\n", encoding="utf-8")
    with (
        NameServerThread() as dns,
        ScriptedOrigin(by_path) as far,
        ScriptedOrigin(Reply(content=b"safe"), host="127.0.0.2") as safe,
        LimenProcess(RULES, values={"DNS": dns}, directory=tmp_path) as proxy,
        proxy.connect() as client,
    ):
        safe_port, port = safe.port, far.port
        # a rule on addresses comes first: whatever is judged by its name has to have one
        names = "watched www.ads ads ok.ads listed x.listed written x few slow tunnel search bad.search far shop.co www.shop shop.x"
        for name in names.split():
            dns.server.add(f"{name}.test", "60 A 127.0.0.1")
        dns.server.add("safe.test", "60 A 127.0.0.2")
        dns.server.add("worst.test", "60 A 127.0.0.66")

        # lists of names: with exceptions, beside written hosts, as a redirect
        said = ask(client, f"http://www.ads.test:{port}/a%20b?q")
        assert (said.status, said.get("location")) == (302, "https://why.test/?www.ads.test/a%20b")
        assert 'details="denied; rule=ads"' in said.get("proxy-status")
        assert "rule: ads" in said.text
        assert ask(client, f"http://ok.ads.test:{port}/").status == 200
        for host in ("listed.test", "x.listed.test", "written.test"):
            assert "rule: both" in ask(client, f"http://{host}:{port}/").text
        with proxy.connect() as other:
            # nobody follows what answers CONNECT
            assert ask(other, f"ads.test:{port}", "CONNECT").status == 403

        # what is inside: the path normalised, content type and size
        for path in ("/secret", "/secret/x", "/%73ecret", "/a/../secret", "/x/y.bak"):
            assert "rule: secret" in ask(client, f"http://x.test:{port}{path}").text, path
        assert ask(client, f"http://x.test:{port}/secrets").status == 200
        typed = "Content-Type: Image/PNG; q=1\r\nContent-Length: 1\r\n"
        with proxy.connect() as other:
            # who is refused with content unread loses the connection
            assert "rule: images" in ask(other, f"http://x.test:{port}/", "PUT", typed, "x").text
        typed = "Content-Type: images/png\r\nContent-Length: 1\r\n"
        assert ask(client, f"http://x.test:{port}/", "PUT", typed, "x").status == 200
        assert ask(client, f"http://x.test:{port}/", "POST", "Content-Length: 10\r\n", "0123456789").status == 200
        chunked = "Transfer-Encoding: chunked\r\n"
        for fields, content in (("Content-Length: 11\r\n", "01234567890"), (chunked, "1\r\nx\r\n0\r\n\r\n")):
            with proxy.connect() as other:
                assert "rule: large" in ask(other, f"http://x.test:{port}/", "POST", fields, content).text
        with proxy.connect() as other:
            assert ask(other, f"tunnel.test:{port}", "CONNECT").status == 200
        with proxy.connect() as other:
            # no rule lets this tunnel pass; those on paths and content do not see into it
            assert "none allows it" in ask(other, f"x.test:{port}", "CONNECT").text

        # another host is dialled: although the first rule waits for an address
        answer = ask(client, f"http://search.test:{safe_port}/")
        assert (answer.status, answer.content) == (200, b"safe")
        assert ("Host", f"search.test:{safe_port}") in safe.requests[0].fields
        # and it is the address of that host that the rules on addresses judge
        for host in ("worst.test", "bad.search.test"):
            assert "rule: never" in ask(client, f"http://{host}:{port}/").text

        # where it is
        for address, status in (("127.0.0.77", 403), ("127.0.0.78", 502)):
            dns.server.add(f"at-{address[-2:]}.test", f"60 A {address}")
            said = ask(client, f"http://at-{address[-2:]}.test:{port}/")
            assert (said.status, "rule: abroad" in said.text) == (status, status == 403)

        # under any public suffix, and no other
        for host in ("shop.co.test", "www.shop.test"):
            assert "rule: shops" in ask(client, f"http://{host}:{port}/").text, host
        assert ask(client, f"http://shop.x.test:{port}/").status == 200

        # what comes back: by what its head says, and only by rules before the one that let the request pass
        for path, rule in (("/zip", "archives"), ("/chunked", "heavy"), ("/large", "heavy")):
            with proxy.connect() as other:
                said = ask(other, f"http://far.test:{port}{path}")
                assert (said.status, f"rule: {rule}" in said.text) == (403 if rule == "archives" else 302, True), path
        assert ask(client, f"http://far.test:{port}/").content == b"far"
        assert ask(client, f"http://far.test:{port}/zip", "HEAD").status == 403
        assert ask(client, f"http://x.test:{port}/zip").status == 200
        assert ask(client, f"http://x.test:{port}/text").status == 200
        wait_until(lambda: counted(proxy, "late") == 1, what="the count of a dry rule on a response")

        # limits of a rule
        assert [ask(client, f"http://few.test:{port}/").status for _ in range(3)] == [200, 200, 429]
        for _ in range(4):
            assert ask(client, f"http://slow.test:{port}/").status == 200

        # dry: told and counted, nothing else
        assert ask(client, f"http://watched.test:{port}/").status == 200
        wait_until(lambda: counted(proxy, "watched") == 1, what="the count of a dry rule")
        assert counted(proxy, "ads") == 2
        assert counted(proxy, "few") == 3
        log = tmp_path / "access.jsonl"
        wait_until(lambda: any(one["host"] == "watched.test" for one in json_lines(log)), what="the record")
        records = json_lines(log)
        (dry,) = (one for one in records if one["host"] == "watched.test")
        assert (dry["rule"], dry["dry_rule"]) == ("plain", "watched")
        assert next(one for one in records if one["host"] == "www.ads.test")["rule"] == "ads"

        # the same said without a request
        told = json.loads(proxy.command("explain", f"http://search.test:{safe_port}/", "--json").stdout)
        assert told["verdict"]["to"] == f"safe.test:{safe_port}"
        told = json.loads(proxy.command("explain", f"http://www.ads.test:{port}/", "--json").stdout)
        assert (told["access"]["rule"], told["access"]["redirect"]) == ("ads", "https://why.test/?{hostname}{path}")
        done = proxy.command("explain", f"http://few.test:{port}/", str(proxy.path), "--offline", "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["access"]["rule"], told["access"]["limits"]) == ("few", ["2/h"])
        by_rule = {one["name"]: one["failed"] for one in told["access"]["passed_over"]}
        assert by_rule["ads"] == "host" and by_rule["secret"] == "path" and by_rule["images"] == "content_types"


def counted(proxy: LimenProcess, rule: str) -> float:
    return proxy.metrics().get(f'limen_rule_exchanges_total{{listener="proxy",rule="{rule}"}}', 0)


FETCHED = """
workers: 2
admin: {bind: 127.0.0.1:@ADMIN@}
lists:
  far: {url: "http://127.0.0.1:@LISTS@/far.txt", format: hosts, refresh: 1s, through: proxy, least: 2}
listeners:
  - bind: 127.0.0.1:@PORT@
    name: proxy
    forward:
      targets: {private: allow}
      access:
        - {name: far, deny: {host_lists: far}}
        - {name: rest, allow: {}}
"""


def is_listed(proxy, target):
    with proxy.connect() as client:
        return "rule: far" in ask(client, target).text


def test_a_list_is_fetched_through_the_proxy_and_only_a_good_one_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    answers = {"now": Reply(content=b"0.0.0.0 a.test b.test c.test d.test\n", fields=[("ETag", '"1"')])}
    with ScriptedOrigin(lambda *_: answers["now"]) as lists:
        values = {"LISTS": str(lists.port)}
        with LimenProcess(FETCHED, values=values, directory=tmp_path) as proxy:
            entries = 'limen_host_list_entries{list="far"}'
            wait_until(lambda: proxy.metrics()[entries] == 4, what="the list")
            proxy.wait_for_log("the list far is empty until it is fetched")
            # (each worker takes it when it comes to it)
            wait_until(lambda: all(is_listed(proxy, "http://b.test/") for _ in range(4)), what="it at all workers")
            # by the proxy itself: its rule counts it
            wait_until(lambda: counted(proxy, "rest") >= 1, what="the request for the list")
            # asked again with the ETag, which this origin does not know: the same content is taken again
            assert any(("If-None-Match", '"1"') in one.fields for one in lists.wait_for_requests(3))
            # nothing, too little, an error, too much of a change: the former stays
            for content, why in ((b"", "fewer than 2"), (b"0.0.0.0 a.test\n", "fewer than 2")):
                answers["now"] = Reply(content=content)
                proxy.wait_for_log(f"the list far was not fetched, its former entries stay: .*{why}")
            answers["now"] = Reply(status=302, content=b"", fields=[("Location", "/other")])
            proxy.wait_for_log("the answer is 302")
            assert proxy.metrics()[entries] == 4
            answers["now"] = Reply(content=b"0.0.0.0 a.test x.test\nnonsense\n")
            wait_until(lambda: proxy.metrics()[entries] == 2, what="the next list")
            assert proxy.metrics()['limen_host_list_ignored{list="far"}'] == 1
            wait_until(lambda: is_listed(proxy, "http://x.test/"), what="it at a worker")
        # the copy is there after a restart, whoever answers
        answers["now"] = Reply(status=500, content=b"")
        with LimenProcess(FETCHED, values=values, directory=tmp_path) as proxy, proxy.connect() as client:
            assert "rule: far" in ask(client, "http://x.test/").text


def test_check_tells_of_lists(tmp_path):
    (tmp_path / "ads.txt").write_text("||a.test^\nnot understood\n", encoding="utf-8")
    (tmp_path / "none.txt").write_text("# nothing\n", encoding="utf-8")
    text = """
lists:
  ads: {file: ads.txt, format: adblock}
  none: {file: none.txt, format: domains}
  sealed: {file: ads.txt, format: domains, sha256: "%s"}
listeners:
  - bind: 127.0.0.1:3128
    forward:
      access:
        - deny: {host_lists: [ads, none, sealed]}
        - allow: {}
"""
    path = tmp_path / "limen.yaml"
    content = (tmp_path / "ads.txt").read_bytes()
    path.write_text(text % hashlib.sha256(content).hexdigest(), encoding="utf-8")
    done = run_limen("check", str(path))
    assert done.returncode == 0
    assert (
        "the list ads has lines that were not understood, and not taken: a pattern on more than a name (1, first in "
        "line 2)" in done.stderr
    )
    assert "the list none is empty" in done.stderr
    path.write_text(text % ("0" * 64), encoding="utf-8")
    done = run_limen("check", str(path))
    assert done.returncode == 2
    assert "its SHA-256 is another" in done.stderr
    assert os.fspath(tmp_path) in done.stderr


PEOPLE = """
places: {networks: [{clients: 198.51.100.0/24, country: KP}]}
identities:
  staff: {basic: passwords, groups: {admins: [ann]}}
listeners:
  - bind: 127.0.0.1:3128
    forward:
      targets: {private: allow}
      identity: {by: staff, required: false}
      access:
        - {name: closed, deny: {hosts: 203.0.113.9, methods: DELETE}}
        - {name: abroad, deny: {target: {country: KP}}}
        - {name: visitors, deny: {country: KP}}
        - {name: admins, allow: {groups: admins}}
        - {name: office, allow: {users: "*", clients: 10.0.0.0/8}}
        - {name: public, allow: {hosts: 203.0.113.9, methods: GET}}
      egress: other
egress: {other: {sources: [127.0.0.1]}}
"""


def test_explain_says_for_whom_which_rule_decides_and_why(tmp_path):
    (tmp_path / "passwords").write_text("ann:$2b$04$" + "." * 53 + "\n", encoding="utf-8")
    path = tmp_path / "limen.yaml"
    path.write_text(PEOPLE, encoding="utf-8")

    def told(url: str, *options: str) -> dict:
        done = run_limen("explain", url, str(path), *options, "--offline", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ann = told("http://203.0.113.9/", "--as", "ann")
    assert (ann["access"]["rule"], ann["as"]["groups"], ann["access"]["egress"]) == ("admins", ["admins"], "other")
    assert [(one["name"], one["failed"]) for one in ann["access"]["passed_over"]] == [
        ("closed", "method"),
        ("abroad", "target"),
        ("visitors", "place"),
    ]
    assert told("http://203.0.113.9/", "--as", "bob", "--group", "admins")["access"]["rule"] == "admins"
    assert told("http://203.0.113.9/", "--as", "bob", "--from", "10.1.1.1")["access"]["rule"] == "office"
    elsewhere = told("http://203.0.113.9/", "--as", "bob", "--from", "192.0.2.1")
    assert (elsewhere["access"]["rule"], elsewhere["access"]["egress"]) == ("public", "other")
    assert [(one["name"], one["failed"], one["wanted"]) for one in elsewhere["access"]["passed_over"]] == [
        ("closed", "method", ["DELETE"]),
        ("abroad", "target", {"countries": ["KP"]}),
        ("visitors", "place", {"countries": ["KP"]}),
        ("admins", "groups", ["admins"]),
        ("office", "clients", ["10.0.0.0/8"]),
    ]
    denied = told("http://203.0.113.9/", "--as", "bob", "--method", "DELETE")
    assert (denied["access"]["verdict"], denied["access"]["rule"], denied["verdict"]["status"]) == (
        "deny",
        "closed",
        403,
    )
    assert told("http://198.51.100.7/", "--as", "bob")["access"]["rule"] == "abroad"
    assert told("http://203.0.113.9/", "--as", "bob", "--from", "198.51.100.7")["access"]["rule"] == "visitors"
    # nobody might be somebody who may
    assert told("http://203.0.113.9/x", "--method", "POST")["verdict"]["status"] == 407
