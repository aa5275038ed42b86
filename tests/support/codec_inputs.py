"""Inputs for the differential tests of the HTTP/1.1 codec: sound messages, and what a random slip makes of them."""

import random
from collections.abc import Iterator

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"GET /a/b%20c?d=e&f=%zz HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
    b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET http://b.example/c HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"DELETE /a HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Blank: \t \r\nX-High: \xe9\r\n\r\n",
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.0 302 Moved\r\nLocation: /a\r\nConnection: close\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    b"HTTP/1.1 404 \r\nContent-Length: 0\r\nX: \xe9\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
]
CHUNKED = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"A;a=b\r\n0123456789\r\n00\r\n\r\n",
    b'3;a="b;c";d\r\nabc\r\n1\r\nx\r\n0;e\r\n\r\n',
]
SLIPS = [
    b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n ", b"\x00", b"\x7f", b"\x80", b"\xff", b":", b",", b";", b"=", b'"', b"#", b"\\", b"_", b"%",
    b"@", b"/", b"?", b"0", b"1", b"-", b"+", b"x", b"HTTP/1.1", b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 6\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: close\r\n",
    b"Connection: a b\r\n", b"Connection: host\r\n", b"Expect: 100-continue\r\n", b"Expect: x\r\n", b"X-Y: z\r\n", b" x: y\r\n", b"0x",
]  # fmt: skip


def mutated(seeds: list[bytes], number: int, seed: int) -> Iterator[bytes]:
    """The seeds, then `number` variants of them with one to three slips; the same for the same `seed`."""
    chance = random.Random(seed)
    yield from seeds
    for _ in range(number):
        data = chance.choice(seeds)
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(data) + 1)
            lines = [place + 2 for place in range(len(data) - 1) if data[place : place + 2] == b"\r\n"]
            slip = chance.choice(SLIPS)
            if slip.endswith(b"\r\n") and lines and chance.random() < 0.8:
                at = chance.choice(lines)
            end = min(len(data), at + chance.choice((0, 0, 1, 1, 2)))
            data = data[:at] + (slip if chance.random() < 0.8 else b"") + data[end:]
        yield data
