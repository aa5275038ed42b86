"""Ways out by parents: who is asked for what, whose connections are whose, and what happens when a parent fails."""

import base64

import pytest

from tests.support import LimenProcess, RawClient, Reply, ScriptedOrigin, WireResponse, wait_until
from tests.support.origins import RawOrigin, echo
from tests.support.parents import Manner, Parent
from tests.support.ports import free_port

TEXT = """
workers: 1
admin: {bind: 127.0.0.1:@ADMIN@}
listeners:
  - {bind: "127.0.0.1:@PORT@", forward: {<<: &open {targets: {private: allow}, access: [{allow: {}}]}, egress: plain}}
  - {bind: "127.0.0.1:@SOCKS@", forward: {<<: *open, egress: socks}}
  - {bind: "127.0.0.1:@CHAIN@", forward: {<<: *open, egress: chain}}
  - {bind: "127.0.0.1:@SPARE@", forward: {<<: *open, egress: spare}}
  - {bind: "127.0.0.1:@DOWN@", forward: {<<: *open, egress: down}}
  - {bind: "127.0.0.1:@FALLING@", forward: {<<: *open, egress: falling}}
  - {bind: "127.0.0.1:@TURNS@", forward: {<<: *open, egress: turns}}
  - {bind: "127.0.0.1:@KEPT@", forward: {<<: *open, egress: kept}}
  - {bind: "127.0.0.1:@HERE@", forward: {<<: *open, egress: here}}
  - bind: 127.0.0.1:@RULES@
    forward:
      targets: {private: allow}
      egress: plain
      access:
        - {allow: {methods: [PUT]}, egress: direct}
        - {allow: {methods: [POST]}, egress: {name: turns, country: DE}}
        - {name: safe, allow: {hosts: .search.example}, redirect: only-there.example}
        - {name: safer, allow: {hosts: find.example}, redirect: only-there.example, egress: socks}
        - {allow: {}}
  - {bind: "127.0.0.1:@SAFE@", forward: {access: [{allow: {}}], egress: plain}}
egress:
  plain: {parents: ["http://ann:s%3Acret@@FIRST@"]}
  socks: {parents: ["socks5://bob:word@@SECOND@"]}
  chain: {parents: [{chain: ["http://ann:secret@@FIRST@", "socks5://bob:word@@SECOND@"]}]}
  spare: {balance: first, parents: ["http://127.0.0.1:@CLOSED@", "http://@FIRST@"]}
  down: {parents: ["http://127.0.0.1:@CLOSED@", "socks5://127.0.0.1:@CLOSED2@"]}
  falling: {parents: ["http://127.0.0.1:@CLOSED@"], fallback: direct}
  turns: {parents: [{url: "http://@FIRST@", country: FR}, {url: "socks5://bob:word@@SECOND@", country: DE}]}
  kept:
    sticky: connection
    parents: ["http://@FIRST@", "socks5://bob:word@@SECOND@"]
  here: {parents: ["http://@FIRST@"], resolve: here}
"""


@pytest.fixture(scope="module")
def first():
    with Parent(Manner(hosts={})) as parent:
        yield parent


@pytest.fixture(scope="module")
def second():
    with Parent(Manner(credentials=("bob", "word"))) as parent:
        yield parent


@pytest.fixture(scope="module")
def proxy(first: Parent, second: Parent):
    with LimenProcess(TEXT, values={"FIRST": first, "SECOND": second}) as started:
        yield started


@pytest.fixture
def origin(first: Parent, second: Parent):
    with ScriptedOrigin() as started:
        for parent, manner in ((first, Manner()), (second, Manner(credentials=("bob", "word")))):
            parent.manner = manner
            parent.manner.hosts = {"only-there.example": ("127.0.0.1", started.port)}
            parent.asked.clear()
        yield started


def get(client: RawClient, target: str, method: str = "GET", fields: str = "") -> WireResponse:
    client.send(f"{method} http://{target}/path?q HTTP/1.1\r\nHost: {target}\r\n{fields}\r\n")
    return client.read_response(method)


def open_tunnel(client: RawClient, target: str) -> WireResponse:
    client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
    return client.read_head()


@pytest.mark.sanitize
def test_plain_requests_go_to_an_http_parent_as_they_are(proxy: LimenProcess, first: Parent, origin) -> None:
    with proxy.connect() as client:
        response = get(client, "only-there.example", fields="Proxy-Authorization: Basic Y2xpZW50Om93bg==\r\n")
        assert response.status == 200
        (asked,) = first.asked
        assert (asked.kind, asked.target) == ("GET", "http://only-there.example/path?q")
        credentials = base64.b64encode(b"ann:s:cret")
        assert asked.head.lower().count(b"proxy-authorization") == 1
        assert b"Proxy-Authorization: Basic " + credentials + b"\r\n" in asked.head
        # the same connection again, to the same target only
        assert get(client, "only-there.example").status == 200
        assert len(first.asked) == 1, "the second request came by the first one's connection"
        assert get(client, origin.address).status == 200
        assert len(first.asked) == 2
        assert first.asked[1].connection != first.asked[0].connection
    assert all(b"cret" not in request.raw_head for request in origin.requests)


@pytest.mark.sanitize
def test_tunnels_by_each_kind_of_parent_and_by_both(proxy: LimenProcess, first: Parent, second: Parent, origin) -> None:
    with RawOrigin(echo) as talker:
        for name in ("PORT", "SOCKS", "CHAIN"):
            with proxy.connect(name) as client:
                assert open_tunnel(client, talker.address).status == 200
                client.send(b"hello").half_close()
                assert client.read_to_end() == b"hello"
    kinds = [(asked.kind, asked.target) for asked in first.asked]
    assert kinds == [("CONNECT", talker.address), ("CONNECT", second.address)]
    assert [(asked.kind, asked.target, asked.user) for asked in second.asked] == [("SOCKS5", talker.address, "bob")] * 2
    # plain requests by a tunnel, whose name the exit resolves
    with proxy.connect("CHAIN") as client:
        assert get(client, f"only-there.example:{origin.port}").status == 200
        assert get(client, f"only-there.example:{origin.port}").status == 200
    assert second.asked[-1].target == f"only-there.example:{origin.port}"
    assert len(second.asked) == 3
    (one, two) = origin.requests
    assert b"GET /path?q HTTP/1.1" in one.raw_head
    assert b"proxy-auth" not in one.raw_head.lower() + two.raw_head.lower()


def test_bytes_behind_the_answer_belong_to_the_tunnel(
    proxy: LimenProcess, first: Parent, second: Parent, origin
) -> None:
    first.manner.early = second.manner.early = b"220 speaks first\r\n"
    with RawOrigin(echo) as talker:
        for name in ("PORT", "SOCKS"):
            with proxy.connect(name) as client:
                assert open_tunnel(client, talker.address).status == 200
                assert client.read_until(b"\r\n") == b"220 speaks first\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        (b"SSH-2.0-garbage\r\n", 502, "did not answer as it should"),
        (b"HTTP/1.1 200 OK\r\nbroken", 502, "did not answer as it should"),
        (b"", 502, "did not answer as it should"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502, "did not answer as it should"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 2\r\n\r\nhi", 502, "could not, or would not"),
        (b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=parent\r\n\r\n", 502, "credentials"),
        (b"HTTP/1.1 " + b"1" * 40000, 502, "did not answer as it should"),
    ],
)
def test_only_2xx_opens_a_tunnel(
    proxy: LimenProcess, first: Parent, origin, answer: bytes, status: int, sentence: str
) -> None:
    first.manner.answer = answer
    with proxy.connect() as client:
        response = open_tunnel(client, "192.0.2.1:443")
        assert response.status == status
        assert response.get("proxy-authenticate") is None
        assert response.get("proxy-status") is not None
        assert sentence in client.read_exactly(int(response.get("content-length") or 0)).decode()


def test_a_parents_challenge_is_not_the_clients(proxy: LimenProcess, first: Parent, origin) -> None:
    first.manner.answer = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=parent\r\nContent-Length: 0\r\n\r\n"
    with proxy.connect() as client:
        response = get(client, "only-there.example")
        assert response.status == 502
        assert response.get("proxy-authenticate") is None
        assert "credentials" in response.text
    assert not origin.requests


def test_socks_refusals(proxy: LimenProcess, second: Parent, origin) -> None:
    second.manner.refuse = 5
    with proxy.connect("SOCKS") as client:
        assert open_tunnel(client, origin.address).status == 502
    second.manner = Manner(credentials=("other", "word"))
    with proxy.connect("SOCKS") as client:
        response = open_tunnel(client, origin.address)
        assert response.status == 502
        assert "credentials" in client.read_exactly(int(response.get("content-length") or 0)).decode()


@pytest.mark.sanitize
def test_the_next_parent_when_one_is_down(proxy: LimenProcess, first: Parent, origin) -> None:
    with proxy.connect("SPARE") as client:
        assert get(client, origin.address, "POST", "Content-Length: 0\r\n").status == 200
        assert open_tunnel(client, origin.address).status == 200
    assert [asked.kind for asked in first.asked] == ["POST", "CONNECT"]


def test_all_down_is_503_and_nothing_goes_directly(proxy: LimenProcess, origin) -> None:
    for _ in range(3):
        with proxy.connect("DOWN") as client:
            response = get(client, origin.address)
            assert response.status == 503
            assert "destination_unavailable" in (response.get("proxy-status") or "")
        with proxy.connect("DOWN") as client:
            assert open_tunnel(client, origin.address).status == 503
    assert not origin.connections
    wait_until(lambda: any('upstream="egress/down"' in line for line in proxy.metrics()), what="its metrics")


def test_directly_only_where_it_is_written(proxy: LimenProcess, origin) -> None:
    with proxy.connect("FALLING") as client:
        for _ in range(2):
            assert get(client, origin.address).status == 200
    assert len(origin.requests) == 2


def test_turns_and_connections(proxy: LimenProcess, first: Parent, second: Parent, origin) -> None:
    with proxy.connect("TURNS") as client:
        for _ in range(4):
            assert get(client, origin.address).status == 200
    assert len(first.asked) == len(second.asked) == 1
    assert len(origin.connections) == 2, "a connection by each way, and none shared"
    first.asked.clear()
    second.asked.clear()
    for number in range(1, 5):
        with proxy.connect("KEPT") as client:
            assert open_tunnel(client, origin.address).status == 200
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_response().status == 200
        # each connection has one way, and connections take them in turn
        assert len(first.asked) + len(second.asked) == number
    assert len(first.asked) == len(second.asked) == 2
    first.asked.clear()
    second.asked.clear()
    with proxy.connect("KEPT") as client, ScriptedOrigin(Reply(close=True)) as closing:
        for _ in range(4):
            assert get(client, closing.address).status == 200
    assert sorted((len(first.asked), len(second.asked))) == [0, 4], "one way for all requests of a connection"


def test_names_resolved_here(proxy: LimenProcess, first: Parent, origin) -> None:
    with proxy.connect("HERE") as client:
        assert get(client, f"localhost:{origin.port}").status == 200
    (asked,) = first.asked
    assert asked.kind == "CONNECT"
    assert asked.target in (f"127.0.0.1:{origin.port}", f"[::1]:{origin.port}")


def test_rules_choose_the_way(proxy: LimenProcess, first: Parent, second: Parent, origin) -> None:
    with proxy.connect("RULES") as client:
        assert get(client, origin.address, "PUT", "Content-Length: 0\r\n").status == 200
        assert (len(first.asked), len(second.asked)) == (0, 0)
        assert get(client, origin.address, "POST", "Content-Length: 0\r\n").status == 200
        assert (len(first.asked), len(second.asked)) == (0, 1)
        assert get(client, origin.address).status == 200
        assert (len(first.asked), len(second.asked)) == (1, 1)
    assert len(origin.connections) == 3


def test_a_rules_other_host_is_what_parents_are_asked_for(
    proxy: LimenProcess, first: Parent, second: Parent, origin
) -> None:
    with proxy.connect("RULES") as client:
        for host in ("www.search.example", "search.example", "www.search.example"):
            assert get(client, host).status == 200
        assert get(client, "find.example").status == 200
        # the host itself, as nobody names it, is not mixed up with what is led there
        assert get(client, "only-there.example").status == 200
    # not in absolute-form: the parent would go to the host that the request names; and one connection for both names
    assert [(asked.kind, asked.target) for asked in first.asked] == [
        ("CONNECT", "only-there.example:80"),
        ("GET", "http://only-there.example/path?q"),
    ]
    assert [(asked.kind, asked.target) for asked in second.asked] == [("SOCKS5", "only-there.example:80")]
    hosts = [dict(request.fields)["Host"] for request in origin.requests]
    assert hosts == ["www.search.example", "search.example", "www.search.example", "find.example", "only-there.example"]


@pytest.mark.parametrize("target", ["127.0.0.1", "[::ffff:10.0.0.1]", "169.254.169.254", "localhost", "a.localhost"])
def test_literal_private_targets_stay_refused(proxy: LimenProcess, first: Parent, origin, target: str) -> None:
    with proxy.connect("SAFE") as client:
        assert get(client, target).status == 403
    assert not first.asked


def test_a_silent_parent_has_the_time_of_a_dial(start_limen, origin) -> None:
    text = """
workers: 1
listeners:
  - {bind: "127.0.0.1:@PORT@", forward: {targets: {private: allow}, access: [{allow: {}}], egress: slow}}
egress: {slow: {parents: ["socks5://@SLOW@", {name: two, url: "http://@SLOW@"}], timeouts: {dial: 200ms}}}
"""
    with Parent(Manner(silent=True)) as slow, start_limen(text, values={"SLOW": slow}).connect() as client:
        assert open_tunnel(client, origin.address).status == 504
    assert not origin.connections


def test_loops_and_unknown_names_are_found_before(tmp_path) -> None:
    from tests.support import run_limen

    port = free_port()
    text = f"""
listeners: [{{bind: "127.0.0.1:{port}", forward: {{egress: own}}}}]
egress: {{own: {{parents: ["http://localhost:{port}"]}}}}
"""
    path = tmp_path / "limen.yaml"
    path.write_text(text)
    done = run_limen("check", str(path))
    assert done.returncode == 2
    assert "a loop" in done.stdout + done.stderr
