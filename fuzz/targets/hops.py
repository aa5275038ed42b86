"""What proxies answer to a question for a tunnel: CONNECT and SOCKS5. Nothing but a whole proper answer opens one."""

from limen.engine import _hops_probe

SEEDS = [
    b"HTTP/1.1 200 Connection established\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 299 Yes\r\nA: b\r\n\r\n\x16\x03\x01",
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=a\r\n\r\n",
    b"HTTP/1.1 503 No\r\n\r\n",
    b"\x05\x00",
    b"\x05\x02",
    b"\x01\x00",
    b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50tail",
    b"\x05\x00\x00\x03\x04name\x00\x50",
    b"\x05\x00\x00\x04" + bytes(18),
    b"\x05\x05\x00\x01" + bytes(6),
]

LARGEST = 16384


def check(data: bytes) -> None:
    """One input."""
    for read in (
        _hops_probe.connected,
        _hops_probe.opened,
        lambda part: (_hops_probe.logged_in(part), 0),
        lambda part: _hops_probe.method(part, True),
        lambda part: _hops_probe.method(part, False),
    ):
        size, status = read(data)
        assert size <= len(data)
        cut, _ = read(data[: len(data) // 2])
        if size > 0:
            # the same answer whatever follows it, and not one byte before its end
            assert read(data[:size]) == (size, status)
            assert read(data[:size] + b"\x00more") == (size, status)
            assert read(data[: size - 1])[0] == 0
        if cut != 0:
            assert cut == size
    size, status = _hops_probe.connected(data)
    if size > 0:
        assert 200 <= status < 300
        assert data[:size].endswith(b"\r\n\r\n") or data[:size].endswith(b"\n")
