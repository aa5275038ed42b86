"""The request parser: any bytes give a fault, "not yet" or a head whose parts lie inside what was fed."""

from limen.engine.http1 import _probe

SEEDS = [
    b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"GET /a/b?c=d&e HTTP/1.1\r\nHost: example.com:8080\r\nConnection: keep-alive, x\r\nX: 1\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET http://example.com:80/x?y HTTP/1.1\r\nHost: example.com:80\r\nProxy-Connection: keep-alive\r\n\r\n",
    b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n",
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(101)) + b"\r\n",
]


def check(data: bytes) -> None:
    """One input."""
    whole = _probe.parse_request(data)
    if isinstance(whole, int):
        return
    size = whole["size"]
    assert 0 < size <= len(data)
    # What follows a head must not change it, and no part of it is a whole head.
    assert _probe.parse_request(data[:size]) == whole
    assert isinstance(_probe.parse_request(data[: size - 1]), int)
