"""Ways out and who goes out: SOCKS clients with a password, connections of their own, user names that choose the way."""

import base64
import json
import shutil
import subprocess

import bcrypt
import pytest

from tests.integration.ways.speaking import read_reply5, request5
from tests.support import LimenProcess, RawClient, ScriptedOrigin, wait_until
from tests.support.origins import RawOrigin, echo
from tests.support.parents import Parent

TEXT = """
workers: 1
admin: {bind: 127.0.0.1:@ADMIN@}
identities: {staff: {basic: @DIR@/passwords}}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: &open
      socks: true
      identity: {by: staff, parameters: [country, provider, session]}
      targets: {private: allow}
      access:
        - {deny: {users: bob, ports: 9}}
        - {allow: {}}
      egress: ways
  - {bind: "127.0.0.1:@PLAIN@", forward: {<<: *open, identity: staff}}
  - {bind: "127.0.0.1:@FRENCH@", forward: {<<: *open, egress: {name: ways, country: FR}}}
  - bind: 127.0.0.1:@MIXED@
    forward: {<<: *open, egress: ways, access: [{allow: {methods: PUT}, egress: direct}, {allow: {}}]}
  - {bind: "127.0.0.1:@UDP@", forward: {<<: *open, identity: {by: staff, required: false}, socks: {udp: true}, egress: null}}
egress:
  ways:
    parents:
      - {url: "http://@FIRST@", country: FR, provider: one}
      - {url: "socks5://@SECOND@", name: second, country: DE, provider: two-b}
      - {url: "socks5://@SECOND@", name: third, country: FR, provider: two-b}
"""


@pytest.fixture(scope="module")
def parents():
    with Parent() as first, Parent() as second:
        yield first, second


@pytest.fixture(scope="module")
def proxy(parents, tmp_path_factory):
    directory = tmp_path_factory.mktemp("identities")
    lines = [f"{name}:{bcrypt.hashpw(b'word', bcrypt.gensalt(4)).decode()}\n" for name in ("ann", "bob", "a-b")]
    (directory / "passwords").write_text("".join(lines))
    values = {"FIRST": parents[0], "SECOND": parents[1]}
    with LimenProcess(TEXT, values=values, directory=directory) as started:
        yield started


@pytest.fixture
def origin(parents):
    with ScriptedOrigin() as started:
        for parent in parents:
            parent.asked.clear()
        yield started


def pair(user: str, word: str = "word") -> bytes:
    return b"\x01" + bytes([len(user)]) + user.encode() + bytes([len(word)]) + word.encode()


def open5(proxy: LimenProcess, user: str, host: str, port: int, *, name: str = "PORT", command: int = 1) -> RawClient:
    client = proxy.connect(name)
    client.send(b"\x05\x01\x02" + pair(user) + request5(host, port, command))
    assert client.read_exactly(4) == b"\x05\x02\x01\x00"
    return client


def get(proxy: LimenProcess, user: str, origin: ScriptedOrigin, *, name: str = "PORT", method: str = "GET") -> int:
    shown = base64.b64encode(f"{user}:word".encode()).decode()
    with proxy.connect(name) as client:
        fields = f"Host: {origin.address}\r\nProxy-Authorization: Basic {shown}\r\n"
        target = origin.address if method == "CONNECT" else f"http://{origin.address}/"
        client.send(f"{method} {target} HTTP/1.1\r\n{fields}\r\n")
        return client.read_head().status


@pytest.mark.sanitize
def test_socks_clients_say_who_they_are(proxy, parents):
    with RawOrigin(echo) as talker:
        host, port = talker.address.split(":")
        for parent in parents:
            parent.asked.clear()
        for _ in range(3):
            with open5(proxy, "ann", host, int(port)) as client:
                assert read_reply5(client)[0] == 0
                client.send(b"through")
                assert client.read_exactly(7) == b"through"
        assert sum(len(parent.asked) for parent in parents) == 3
        with open5(proxy, "bob", host, 9) as client:
            assert read_reply5(client)[0] == 2
        # what is under way is somebody's, and goes out by a way
        with open5(proxy, "ann-country-de", host, int(port)) as client:
            assert read_reply5(client)[0] == 0

            def under_way():
                return json.loads(proxy.admin("/exchanges?user=ann").text)["exchanges"]

            # (the ends of those before go through the parents)
            wait_until(lambda: len(under_way()) == 1, what="this one alone")
            (row,) = under_way()
            assert (row["protocol"], row["upstream"], row["endpoint"]) == ("socks5", "egress/ways", "second")
            shown = json.loads(proxy.admin("/exchanges?user=bob&top=1").text)
            assert shown["count"] == 0
        for data, answer in (
            (b"\x05\x01\x02" + pair("ann", "wrong") + request5(host, int(port)), b"\x05\x02\x01\x01"),
            (b"\x05\x01\x02" + pair("nobody") + request5(host, int(port)), b"\x05\x02\x01\x01"),
            (b"\x05\x01\x00" + request5(host, int(port)), b"\x05\xff"),
        ):
            with proxy.connect() as client:
                client.send(data)
                assert client.read_to_end() == answer
        # where nobody has to: nobody, and somebody
        with proxy.connect("UDP") as client:
            client.send(b"\x05\x01\x00" + request5("127.0.0.1", 0, 3))
            assert client.read_exactly(2) == b"\x05\x00"
            assert read_reply5(client)[0] == 0
        with open5(proxy, "ann", "0.0.0.0", 0, name="UDP", command=3) as client:
            assert read_reply5(client)[0] == 0


def test_connections_are_somebodys(proxy, parents, origin):
    for user in ("ann", "ann", "bob", "ann-session-x", "ann-session-y", "ann-session-x"):
        assert get(proxy, f"{user}-provider-one", origin) == 200
    assert (len(parents[0].asked), len(parents[1].asked)) == (4, 0)
    requests = [request.connection for request in origin.requests]
    assert len(set(requests)) == 4
    assert (requests[0], requests[3]) == (requests[1], requests[5])
    assert all(b"proxy-auth" not in request.raw_head.lower() for request in origin.requests)


def test_user_names_choose_the_way(proxy, parents, origin):
    def ways(user: str, count: int = 4, **options: str) -> tuple[int, int]:
        for parent in parents:
            parent.asked.clear()
        for _ in range(count):
            assert get(proxy, user, origin, method="CONNECT", **options) == 200
        return len(parents[0].asked), len(parents[1].asked)

    assert ways("ann-country-de")[0] == 0
    assert ways("ann-provider-one") == (4, 0)
    assert ways("ann-country-fr-provider-two-b") == (0, 4)
    assert ways("ann-country-fr", name="FRENCH") == (2, 2)
    # each session its way, the same every time (all of them the same one by chance: once in 10^8 runs)
    found = [ways(f"ann-country-fr-session-{number}", 2) for number in range(28)]
    assert set(found) == {(2, 0), (0, 2)}
    # nothing fits: refused, and nothing goes directly
    count = len(origin.requests)
    for user, name in (("ann-country-us", "PORT"), ("ann-country-de", "FRENCH"), ("ann-country-fr-provider-x", "PORT")):
        assert get(proxy, user, origin, name=name) == 503
    assert get(proxy, "ann-country-fr", origin, name="MIXED", method="PUT") == 503
    assert len(origin.requests) == count
    assert get(proxy, "ann-session-a", origin, name="MIXED", method="PUT") == 200
    # malformed, and what may not be said
    assert get(proxy, "ann-country", origin) == 407
    assert get(proxy, "ann-country-fr", origin, name="PLAIN") == 407
    assert get(proxy, "a-b-country-fr", origin) == 200
    assert get(proxy, "a-b", origin, name="PLAIN") == 200


def test_a_new_session_is_not_hashed_again(proxy, origin):
    assert get(proxy, "bob-session-first", origin) == 200
    checks = proxy.metrics()["limen_identity_checks_total"]
    for number in range(20):
        assert get(proxy, f"bob-session-s{number}", origin) == 200
    assert get(proxy, "nobody-session-first", origin) == 407
    wait_until(lambda: proxy.metrics()["limen_identity_checks_total"] == checks + 1)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(proxy, parents, origin):
    command = ["curl", "-sS", "--socks5-hostname", f"127.0.0.1:{proxy.port()}", "--proxy-user", "ann-country-de:word"]
    done = subprocess.run([*command, f"http://{origin.address}/"], capture_output=True, timeout=120, check=True)
    assert done.returncode == 0
    assert [asked.kind for asked in parents[1].asked] == ["CONNECT"] or parents[1].asked
    assert not parents[0].asked
