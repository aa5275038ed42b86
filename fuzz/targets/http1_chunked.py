"""The chunked decoder: the same content and end, however the bytes are cut; then the trailers after it."""

from limen.engine.http1 import _probe

SEEDS = [
    b"0\r\n\r\n",
    b"3\r\nabc\r\n0\r\n\r\n",
    b'A;name="value\\""\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\nGET / HTTP/1.1\r\n',
    b"0000000003\r\nabc\r\n00\r\n\r\n",
    b"ffffffffffffffff\r\n",
]


def decode(pieces: list[bytes]) -> tuple[bytes, int, object]:
    """(content, bytes used, how it ended) of a body fed piece by piece."""
    chunks = _probe.Chunks()
    content, used, end = b"", 0, "more"
    rest = b""
    for piece in pieces:
        data = rest + piece
        got, took, end = chunks.feed(data)
        content += got
        used += took
        rest = data[took:]
        if end != "more":
            break
    return content, used, end


def check(data: bytes) -> None:
    """One input."""
    whole = decode([data])
    for width in (1, 3, 7):
        cut = decode([data[at : at + width] for at in range(0, len(data), width)])
        assert cut[2] == whole[2], (whole, cut)
        if whole[2] in {"more", "last"}:
            assert cut[0] == whole[0], (whole, cut)
        if whole[2] == "last":
            assert cut[1] == whole[1], (whole, cut)
    if whole[2] == "last":
        _probe.parse_trailers(data[whole[1] :])
