"""After all is over nothing is left: gauges at zero, descriptors as before, however tunnels and exchanges ended."""

import pytest

from tests.support import (
    OPEN_FORWARD,
    LimenProcess,
    OriginConnection,
    RawClient,
    RawOrigin,
    ScriptedOrigin,
    echo,
    wait_until,
)

COUNT = 300


def gauges(proxy: LimenProcess) -> dict[str, float]:
    """What is in flight, by the name of its metric; what stays (workers, revision) left out."""
    words = ("exchanges_active", "exchanges_in_flight", "limen_exchanges{", "tunnels", "connections{", "_active")
    return {
        name: value
        for name, value in proxy.metrics().items()
        if any(word in name for word in words) and "_total" not in name
    }


def settled(proxy: LimenProcess, files: int) -> bool:
    return not any(gauges(proxy).values()) and proxy.open_files() <= files


@pytest.mark.sanitize
def test_tunnels_that_were_killed_leave_nothing(start_limen) -> None:
    def serve(connection: OriginConnection) -> None:
        what = connection.read_exactly(1)
        if what == b"r":
            connection.reset()
        elif what == b"c":
            connection.close()
        elif what == b"b":  # in the middle of a bulk
            for _ in range(64):
                connection.send(b"x" * 65536)
        else:
            echo(connection)

    proxy = start_limen(OPEN_FORWARD)
    with RawOrigin(serve) as origin:
        base = proxy.open_files()
        assert gauges(proxy), list(proxy.metrics())
        open_tunnels: list[tuple[int, RawClient]] = []
        for number in range(COUNT):
            client = proxy.connect()
            client.send_request("CONNECT", origin.address, host=origin.address)
            assert client.read_response("CONNECT").status == 200
            client.send((b"r", b"c", b"e", b"e", b"b", b"b")[number % 6])
            open_tunnels.append((number % 6, client))
        assert any(gauges(proxy).values())
        for kind, client in open_tunnels:
            if kind in {0, 1}:
                client.expect_end()
                client.close()
            elif kind in {2, 4}:
                client.reset()
            elif kind == 3:
                client.half_close()
                assert client.read_to_end() == b""
                client.close()
            else:
                client.close()
        # pipes for splicing may be kept: each has two ends
        wait_until(lambda: settled(proxy, base + 128), what=f"the end of {gauges(proxy)}")
    wait_until(lambda: settled(proxy, base + 128))


def test_exchanges_that_were_killed_leave_nothing(start_limen) -> None:
    proxy = start_limen(OPEN_FORWARD)

    def answer(request, connection) -> None:
        if "hold" in request.target:
            connection.read_to_end()
        elif "half" in request.target:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            connection.read_to_end()
        elif "reset" in request.target:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").reset()

    with ScriptedOrigin(answer) as origin:
        base = proxy.open_files()
        for number in range(60):
            client = proxy.connect()
            path = ("hold", "half", "reset")[number % 3]
            client.send_request("GET", f"http://{origin.address}/{path}", host=origin.address)
            if path != "hold":
                client.read_until(b"half")
            client.reset() if number % 2 else client.close()
    wait_until(lambda: settled(proxy, base), what=f"the end of {gauges(proxy)}")
