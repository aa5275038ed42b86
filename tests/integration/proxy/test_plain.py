"""Plain http through the forward proxy: forms of the target, Host, keep-alive, faults of the way to the origin."""

from collections.abc import Iterator

import pytest

from tests.support import (
    OPEN_FORWARD,
    LimenProcess,
    RawClient,
    RawOrigin,
    Reply,
    ScriptedOrigin,
    blackhole,
    echo,
    free_port,
)


@pytest.fixture(scope="module")
def proxy() -> Iterator[LimenProcess]:
    with LimenProcess(OPEN_FORWARD) as started:
        yield started


@pytest.mark.sanitize
def test_requests_of_one_connection_share_a_pooled_origin(proxy: LimenProcess) -> None:
    with ScriptedOrigin() as origin, proxy.connect() as client:
        for number in range(5):
            response = client.request("GET", f"http://{origin.address}/path/{number}?a=%20b", host=origin.address)
            assert (response.status, response.content) == (200, b"ok\n")
        with proxy.connect() as other:
            assert other.request("GET", f"http://{origin.address}/x", host=origin.address).status == 200
        assert [request.target for request in origin.requests[:2]] == ["/path/0?a=%20b", "/path/1?a=%20b"]
        assert len(origin.connections) == 1


def test_the_target_decides_the_host(proxy: LimenProcess) -> None:
    with ScriptedOrigin() as origin, proxy.connect() as client:
        assert client.request("GET", f"http://{origin.address}/", host="victim.example").status == 200
        assert origin.requests[0].get_all("host") == [origin.address]
        # a name is passed as it was written
        assert client.request("GET", f"http://LocalHost:{origin.port}", host="victim.example").status == 200
        assert origin.requests[1].get_all("host") == [f"LocalHost:{origin.port}"]
        assert origin.requests[1].target == "/"


def test_content_goes_both_ways(proxy: LimenProcess) -> None:
    content = bytes(range(256)) * 1024
    with ScriptedOrigin(Reply(content=content, chunked=True)) as origin, proxy.connect() as client:
        client.send_request("POST", f"http://{origin.address}/", [("Transfer-Encoding", "chunked")])
        client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))
        assert client.read_response().content == content
        assert origin.requests[0].content == content
        assert client.request("PUT", f"http://{origin.address}/", content=content).content == content
        assert origin.requests[1].content == content


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("https://example.com/", 501),
        ("ftp://example.com/", 501),
        ("/path", 400),
        ("*", 400),
        ("http://", 400),
        ("http://user@example.com/", 400),
        ("http://example.com:99999/", 400),
        ("http://exa mple.com/", 400),
        ("http://[::1/", 400),
        ("http://127.0.0.1:23/", 403),
    ],
)
def test_targets_that_are_refused(proxy: LimenProcess, target: str, status: int) -> None:
    with proxy.connect() as client:
        method = "OPTIONS" if target == "*" else "GET"
        assert client.request(method, target, host="example.com").status == status


def test_faults_of_the_way_to_the_origin(proxy: LimenProcess) -> None:
    with blackhole() as silent, proxy.connect() as client:
        dead = free_port()
        assert client.request("GET", f"http://127.0.0.1:{dead}/").status == 502
        assert client.request("GET", f"http://127.0.0.1:{silent}/").status == 504
        with RawOrigin(lambda connection: connection.read_to_end()) as origin:
            assert client.request("GET", f"http://{origin.address}/").status == 504
        with RawOrigin(lambda connection: (connection.read_until(b"\r\n\r\n"), connection.close())[1]) as origin:
            assert client.request("GET", f"http://{origin.address}/").status == 502
        with RawOrigin(lambda connection: connection.send(b"SSH-2.0-OpenSSH\r\n") and None) as origin:
            assert client.request("GET", f"http://{origin.address}/").status == 502


def test_upgrade_of_an_absolute_form_request(proxy: LimenProcess) -> None:
    def serve(connection: RawClient) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        echo(connection)  # type: ignore[arg-type]

    with RawOrigin(serve) as origin, proxy.connect() as client:
        client.send_request("GET", f"http://{origin.address}/", [("Connection", "upgrade"), ("Upgrade", "echo")])
        assert client.read_response().status == 101
        assert client.send(b"over to you").read_exactly(11) == b"over to you"
        client.half_close()
        client.expect_end()
