"""The ground integration tests stand on must hold by itself: origins, raw client, nginx."""

import socket

import pytest

from tests.support import (
    Close,
    Delay,
    Raw,
    RawClient,
    RawOrigin,
    Reply,
    Reset,
    ScriptedOrigin,
    WireError,
    echo,
    free_port,
    json_lines,
    port_is_closed,
    put,
    whole_lines,
)


def connect(origin: RawOrigin) -> RawClient:
    return RawClient(("127.0.0.1", origin.port))


def test_script_is_played_in_order_and_requests_are_recorded():
    script = [
        Reply(content=b"abc", chunked=True, chunk=2, trailers=[("X-T", "1")]),
        [Delay(0.01), Raw(b"HTTP/1.1 100 Continue\r\n\r\n"), Reply(fields=[("X-A", "1"), ("x-a", "2")])],
        Reset(),
    ]
    with ScriptedOrigin(script) as origin, connect(origin) as client:
        first = client.request("POST", "/x?y", [("X-Odd", "  v ")], content=b"hey")
        assert (first.content, first.trailers) == (b"abc", [("X-T", "1")])
        assert first.raw_body == b"2\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n"
        second = client.request()
        assert [interim.status for interim in second.interim] == [100]
        assert second.get_all("X-A") == ["1", "2"]
        assert client.send_request().read_to_end() == b""
        seen = origin.wait_for_requests(3)
    assert seen[0].raw_head == (b"POST /x?y HTTP/1.1\r\nHost: test.example\r\nX-Odd:   v \r\nContent-Length: 3\r\n\r\n")
    assert (seen[0].content, seen[0].get("x-odd"), seen[0].connection) == (b"hey", "v", 0)


def test_chunked_request_is_kept_raw_and_decoded():
    with ScriptedOrigin() as origin, connect(origin) as client:
        body = b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        assert client.read_response().status == 200
        request = origin.requests[0]
    assert (request.raw_body, request.content, request.trailers) == (body, b"abc", [("T", "1")])


def test_head_has_no_body_and_close_delimits():
    with ScriptedOrigin([Reply(content=b"xyz"), [Raw(b"HTTP/1.1 200 OK\r\n\r\nto the end"), Close()]]) as origin:
        with connect(origin) as client:
            assert client.request("HEAD").content == b""
            assert client.request("GET").content == b"to the end"


def test_function_script_answers_by_request():
    with ScriptedOrigin(lambda request, _: Reply(content=request.target.encode())) as origin, connect(origin) as client:
        assert client.request("GET", "/one").content == b"/one"
        assert client.request("GET", "/two").content == b"/two"


def test_refuse_closes_the_door_and_start_opens_the_same_one():
    with ScriptedOrigin() as origin:
        origin.refuse()
        assert port_is_closed(origin.port)
        with socket.socket() as another, pytest.raises(OSError, match="in use"):
            another.bind(("127.0.0.1", origin.port))
        origin.start()
        assert not port_is_closed(origin.port)


def test_echo_ends_when_the_peer_ends():
    with RawOrigin(echo) as origin, connect(origin) as client:
        assert client.send_bytewise(b"hello").half_close().read_to_end() == b"hello"


def test_error_in_a_handler_fails_the_test():
    def handler(_connection):
        message = "mistake in the test"
        raise ValueError(message)

    with pytest.raises(ValueError, match="mistake"), RawOrigin(handler) as origin, connect(origin) as client:
        client.read_to_end()


def test_end_inside_a_head_is_an_error():
    with ScriptedOrigin([[Raw(b"HTTP/1.1 200"), Close()]]) as origin, connect(origin) as client:
        client.send_request()
        with pytest.raises(WireError, match="200"):
            client.read_response()


def test_ports_differ_and_are_free():
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    assert all(port_is_closed(port) for port in ports)


def test_nginx_serves_files(nginx_origin):
    with RawClient(("127.0.0.1", nginx_origin.port)) as client:
        assert client.request("GET", "/hello").text == "hello\n"
        assert len(client.request("GET", "/large").content) == 8 * 1024 * 1024
        assert client.request("GET", "/status/404").status == 404


def test_a_line_that_is_being_written_is_no_line_yet(tmp_path):
    log = tmp_path / "log"
    assert json_lines(log) == []
    log.write_text("")
    assert whole_lines(log) == []
    log.write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert [record["a"] for record in json_lines(log)] == [1, 2]


def test_a_file_is_replaced_in_one_step_with_its_mode(tmp_path):
    path = tmp_path / "secret"
    put(path, "one")
    path.chmod(0o600)
    with path.open() as before:
        put(path, b"two")
        assert before.read() == "one"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two", 0o600)
