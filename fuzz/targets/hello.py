"""TLS client hellos: real ones, bent; the records that a hello comes in do not count."""

import contextlib
import ssl

from limen.engine.tls import _probe

HEAD = 5


def real_hello(name: str | None, protocols: list[str], most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What Python's own client would send."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = most
    if protocols:
        context.set_alpn_protocols(protocols)
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


def in_records(message: bytes, size: int) -> bytes:
    """A handshake message in records of `size` bytes."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


SEEDS = [
    real_hello("a.example.com", []),
    real_hello("b.example", ["h2", "http/1.1"]),
    real_hello(None, []),
    real_hello("c.example", ["http/1.1"], ssl.TLSVersion.TLSv1_2),
]
SEEDS.append(in_records(SEEDS[3][HEAD:], 50))


def judge(data: bytes) -> tuple[bytes, list[bytes], int] | bool | None:
    """What the parser says; False: no hello."""
    try:
        return _probe.read_hello(data)
    except ValueError:
        return False


def check(data: bytes) -> None:
    """One input."""
    whole = judge(data)
    cut = judge(data[: len(data) // 2])
    assert cut is None or cut == whole
    if not whole:
        return
    name, protocols, size = whole
    assert len(name) < 256
    assert all(protocols)
    assert size <= len(data)
    if len(data) >= HEAD + size and int.from_bytes(data[3:HEAD], "big") == size:
        # in one record: the same in several
        assert judge(in_records(data[HEAD : HEAD + size], 100)) == whole
