"""Where clients are: routes, access rules and `nearest` by networks and by an MMDB file that changes."""

from collections import Counter

import pytest

from tests.support import RawClient, json_lines, run_limen, wait_until
from tests.support.mmdb import write_mmdb

ROUTES = """
workers: 2
places:
  mmdb: "@FILE@"
  networks:
    - {clients: 10.9.0.0/16, region: lab, country: SE}
  regions:
    eu: {continents: EU}
    far: {countries: [AU], continents: [AS, OC]}
listeners:
  - bind: 127.0.0.1:@PORT@
    proxy_protocol: {from: [127.0.0.1]}
    trusted: [203.0.113.0/24]
    routes:
      - match: {region: lab}
        respond: {body: lab}
      - match: {country: [FR, DE]}
        respond: {body: france or germany}
      - match: {asn: 64500}
        respond: {body: that network}
      - match: {region: eu}
        respond: {body: rest of europe}
      - match: {continent: OC}
        respond: {body: oceania}
      - respond: {body: somewhere}
"""
RECORDS = {
    "192.0.2.0/25": {"country": {"iso_code": "FR"}, "continent": {"code": "EU"}},
    "192.0.2.128/25": {"country": {"iso_code": "IT"}, "continent": {"code": "EU"}},
    "198.51.100.0/24": {"country": {"iso_code": "AU"}, "continent": {"code": "OC"}},
    "2001:db8::/32": {"country": {"iso_code": "US"}, "continent": {"code": "NA"}, "autonomous_system_number": 64500},
    "10.9.0.0/16": {"country": {"iso_code": "FR"}, "continent": {"code": "EU"}},
}


def test_routes_by_place(start_limen, ask, tmp_path):
    file = write_mmdb(tmp_path / "places.mmdb", RECORDS)
    site = start_limen(ROUTES.replace("@FILE@", str(file)))
    expected = {
        "192.0.2.1": "france or germany",
        "192.0.2.200": "rest of europe",
        "198.51.100.3": "oceania",
        "2001:db8::5": "that network",
        "10.9.1.1": "lab",
        "8.8.8.8": "somewhere",
        "::1": "somewhere",
    }
    for _ in range(2):
        for client, text in expected.items():
            assert ask(site, client=client).text == text
    # behind a trusted proxy each exchange has its own client
    with RawClient(("127.0.0.1", site.port())) as connection:
        connection.send("PROXY TCP4 203.0.113.9 127.0.0.1 4000 80\r\n")
        for client in ("192.0.2.1", "10.9.1.1", "192.0.2.1", "198.51.100.3"):
            assert connection.request(fields=[("X-Forwarded-For", client)]).text == expected[client]
        assert connection.request().text == "somewhere"


def test_a_changed_file_is_taken_and_a_broken_one_is_not(start_limen, ask, tmp_path):
    file = write_mmdb(tmp_path / "places.mmdb", RECORDS)
    site = start_limen(ROUTES.replace("@FILE@", str(file)))
    with RawClient(("127.0.0.1", site.port())) as connection:
        connection.send("PROXY TCP4 192.0.2.1 127.0.0.1 4000 80\r\n")
        assert connection.request().text == "france or germany"
        moved = {**RECORDS, "192.0.2.0/25": RECORDS["198.51.100.0/24"]}
        write_mmdb(file, moved)
        wait_until(lambda: ask(site, client="192.0.2.2").text == "oceania", what="the changed file")
        # a connection that stands is asked of again
        wait_until(lambda: connection.request().text == "oceania", what="the changed place")
    file.write_bytes(b"no database")
    site.wait_for_log("is no MMDB file")
    assert ask(site, client="192.0.2.2").text == "oceania"
    assert "is no MMDB file" in site.reload(ROUTES.replace("@FILE@", str(file)), expect="reload refused")
    assert ask(site, client="192.0.2.2").text == "oceania"


def test_check_reads_the_file(tmp_path):
    file = tmp_path / "limen.yaml"
    for content, complaint in ((None, "no such file"), (b"x" * 100, "is no MMDB file")):
        if content is not None:
            (tmp_path / "places.mmdb").write_bytes(content)
        file.write_text(ROUTES.replace("@FILE@", "places.mmdb").replace("@PORT@", "1"))
        done = run_limen("check", str(file))
        assert done.returncode == 2
        assert complaint in done.stdout + done.stderr
        assert "places.mmdb" in done.stdout + done.stderr


FORWARD = """
workers: 1
places:
  networks:
    - {clients: 192.0.2.0/24, country: FR, asn: 64500}
    - {clients: 198.51.100.0/24, country: AU}
listeners:
  - bind: 127.0.0.1:@PORT@
    proxy_protocol: {from: [127.0.0.1]}
    forward:
      targets: {private: allow}
      access:
        - deny: {country: AU}
        - allow: {asn: 64500, ports: ["1-65535"]}
"""


def test_access_rules_by_place(start_limen, start_origin):
    origin = start_origin()
    site = start_limen(FORWARD)
    for client, status in (("192.0.2.1", 200), ("198.51.100.1", 403), ("203.0.113.1", 403)):
        with RawClient(("127.0.0.1", site.port())) as connection:
            connection.send(f"PROXY TCP4 {client} 127.0.0.1 4000 80\r\n")
            connection.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n\r\n")
            assert connection.read_response().status == status


NEAR = """
workers: 2
places:
  networks:
    - {clients: 10.1.1.0/24, region: eu, zone: a}
    - {clients: 10.1.0.0/16, region: eu}
    - {clients: 10.2.0.0/16, region: us}
    - {clients: 10.3.0.0/16, at: [-33.9, 151.2]}
listeners:
  - bind: 127.0.0.1:@PORT@
    proxy_protocol: {from: [127.0.0.1]}
    routes: [{upstream: near}]
upstreams:
  near:
    endpoints:
      - {address: "@EUA@", region: eu, zone: a, at: [50.1, 8.7]}
      - {address: "@EUB@", region: eu, zone: b, at: [52.4, 4.9]}
      - {address: "@US@", region: us, at: [40.7, -74.0]}
      - {address: "@ASIA@", region: asia, at: [1.3, 103.8]}
    balance: {policy: nearest, then: round_robin, order: {us: [us, asia]}}
"""


@pytest.fixture
def near(start_limen, named_origins):
    origins = named_origins("eua", "eub", "us", "asia")
    site = start_limen(NEAR, values=origins)
    site.origins = origins
    return site


def test_the_nearest_endpoints_are_used(near, ask):
    expected = {
        "10.1.1.1": {"eua"},
        "10.1.2.1": {"eua", "eub"},
        "10.2.0.1": {"us"},
        "10.3.0.1": {"asia"},
        "192.0.2.1": {"eua", "eub", "us", "asia"},
    }
    for client, names in expected.items():
        answers = Counter(ask(near, client=client).text for _ in range(24))
        assert set(answers) == names
        assert max(answers.values()) - min(answers.values()) <= 2


def test_the_next_ones_take_over(near, ask):
    def lose(name):
        near.origins[name].refuse()
        near.origins[name].stop()

    lose("EUA")
    assert {ask(near, client="10.1.1.1").text for _ in range(12)} == {"eub"}
    lose("US")
    assert {ask(near, client="10.2.0.1").text for _ in range(12)} == {"asia"}
    lose("ASIA")
    assert {ask(near, client="10.3.0.1").text for _ in range(12)} == {"eub"}


TOLD = """
workers: 1
log: {access: {path: access.jsonl, place: true, flush: 20ms}}
places:
  networks:
    - {clients: 192.0.2.0/25, country: FR, continent: EU, asn: 64500, region: eu}
    - {clients: 192.0.2.128/25, country: IT}
listeners:
  - bind: 127.0.0.1:@PORT@
    proxy_protocol: {from: [127.0.0.1]}
    routes: [{hooks: ["placing:tell"], upstream: none}]
upstreams: {none: {endpoints: ["127.0.0.1:1"]}}
"""
HOOK = """
def tell(exchange):
    exchange.reply(200, str(exchange.place))
"""


def test_hooks_and_the_log_have_the_place(start_limen, ask, tmp_path):
    (tmp_path / "placing.py").write_text(HOOK)
    site = start_limen(TOLD, directory=tmp_path)
    told = {
        "192.0.2.1": "Place(country='FR', continent='EU', asn=64500, region='eu')",
        "192.0.2.200": "Place(country='IT', continent=None, asn=None, region=None)",
        "198.51.100.1": "None",
    }
    for client, text in told.items():
        assert ask(site, client=client).text == text
    log = tmp_path / "access.jsonl"
    wait_until(lambda: len(json_lines(log)) == len(told), what="the records")
    records = {one["client"]: one for one in json_lines(log)}
    keys = ("country", "continent", "asn", "region")
    assert [records["192.0.2.1"].get(key) for key in keys] == ["FR", "EU", 64500, "eu"]
    assert [records["192.0.2.200"].get(key) for key in keys] == ["IT", None, None, None]
    assert not set(keys) & set(records["198.51.100.1"])
