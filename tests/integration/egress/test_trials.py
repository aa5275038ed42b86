"""Ways out as the supervisor probes them, as status shows them, and as `limen egress test` tries them."""

from pathlib import Path

from tests.support import free_port, run_limen
from tests.support.health import wait_for_states
from tests.support.mmdb import write_mmdb
from tests.support.origins import OriginConnection, RawOrigin, ScriptedOrigin
from tests.support.parents import Manner, Parent

PROBED = """
workers: 1
admin: {bind: 127.0.0.1:@ADMIN@}
listeners:
  - {bind: "127.0.0.1:@PORT@", forward: {targets: {private: allow}, access: [{allow: {}}], egress: probed}}
egress:
  probed:
    parents: ["http://@FIRST@", "socks5://bob:word@@SECOND@", {chain: ["socks5://bob:word@@SECOND@", "http://@FIRST@"], name: both}]
    probe: {target: "@TARGET@", path: /well, interval: 100ms, rise: 1, fall: 1}
"""


def test_probes_go_through_the_way(start_limen) -> None:
    first, second = Parent(), Parent(Manner(credentials=("bob", "word")))
    with first, second, ScriptedOrigin() as target:
        values = {"FIRST": first, "SECOND": second, "TARGET": target}
        proxy = start_limen(PROBED, values=values, allow=["is down", "no way", "panics"])
        wait_for_states(proxy, "up", "up", "up", name="egress%2Fprobed")
        assert {request.target for request in target.requests} == {"/well"}
        assert {asked.kind for asked in first.asked} == {"CONNECT"}
        second.manner = Manner(credentials=("bob", "other"))
        rows = wait_for_states(proxy, "up", "down", "down", name="egress%2Fprobed")
        assert "does not take the credentials" in str(rows[1]["probe_reason"])
        # only the one that works is used
        first.asked.clear()
        for _ in range(3):
            with proxy.connect() as client:
                client.send(f"GET http://{target.address}/mine HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.read_response().status == 200
        assert [asked.kind for asked in first.asked if "/mine" in asked.target] == ["GET"]
        # none is: 503, whatever could be dialled
        first.manner.refuse = 403
        wait_for_states(proxy, "down", "down", "down", name="egress%2Fprobed")
        count = len(target.connections)
        with proxy.connect() as client:
            client.send("GET http://other.example/ HTTP/1.1\r\nHost: a\r\n\r\n")
            response = client.read_response()
        assert response.status == 503
        assert "destination_unavailable" in (response.get("proxy-status") or "")
        assert len(target.connections) == count
        assert '"egress/probed"' in proxy.admin("/status").text


TRIED = """
listeners: [{bind: "127.0.0.1:0", forward: {egress: {name: all, country: DE}}}]
places: {mmdb: places.mmdb}
egress:
  all:
    echo: http://@ECHO@/ip
    parents: [{url: "http://@PARENT@", country: DE}, {name: closed, url: "socks5://127.0.0.1:@CLOSED@"}]
  own: {echo: "http://@ECHO@/ip", sources: [127.0.0.7]}
  said: {echo: "http://@ECHO@/ip", sources: [{addresses: 127.0.0.7, country: DE}]}
"""


def tell_peer(connection: OriginConnection) -> None:
    """A text around the address that the request comes from."""
    connection.read_until(b"\r\n\r\n")
    text = f'{{"ip": "{connection.socket.getpeername()[0]}"}}'
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}")


def test_limen_egress_test_shows_where_ways_come_out(tmp_path: Path) -> None:
    write_mmdb(
        tmp_path / "places.mmdb", {"127.0.0.7/32": {"country": {"iso_code": "NL"}, "autonomous_system_number": 64500}}
    )
    closed = free_port()
    with RawOrigin(tell_peer) as echo, Parent() as parent:
        text = TRIED.replace("@ECHO@", echo.address).replace("@PARENT@", parent.address)
        path = tmp_path / "limen.yaml"
        path.write_text(text.replace("@CLOSED@", str(closed)))
        done = run_limen("egress", "test", str(path))
        assert done.returncode == 1
        lines = [line.split() for line in done.stdout.splitlines()]
        assert lines[1][:5] == ["all", parent.address, "127.0.0.1", "-", "-"]
        assert lines[2][:3] == ["all", "closed", "-"]
        assert "refused" in done.stdout.splitlines()[2]
        assert lines[3][:5] == ["own", "127.0.0.7", "127.0.0.7", "NL", "AS64500"]
        assert run_limen("egress", "test", str(path), "own").returncode == 0
        said = run_limen("egress", "test", str(path), "said")
        assert (said.returncode, "its label says DE" in said.stdout) == (1, True)
        assert parent.asked[0].target == echo.address
