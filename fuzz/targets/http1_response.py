"""The response parser: as for requests; a response to any method."""

from limen.engine.http1 import _probe

SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.0 404 \r\nServer: x\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n\r\nnone",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b'HTTP/1.1 304\r\nETag: "x"\r\nContent-Length: 100\r\n\r\n',
]


def check(data: bytes) -> None:
    """One input."""
    for method in (1, 2, 6):  # GET, HEAD, CONNECT
        whole = _probe.parse_response(data, method)
        if isinstance(whole, int):
            continue
        size = whole["size"]
        assert 0 < size <= len(data)
        assert _probe.parse_response(data[:size], method) == whole
        assert isinstance(_probe.parse_response(data[: size - 1], method), int)
