"""Whole handshakes, with requests behind them, in random pieces, with changed bytes, with an end anywhere."""

import contextlib
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.integration.tls.test_terminate import certificates
from tests.support import Reply
from tests.support.sealed import Pieces, SealedClient

VERSIONS = some.sampled_from([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
SIZES = some.lists(some.integers(1, 700), min_size=1, max_size=12)
REQUEST = b"POST / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
# A handshake, a request of 5000 bytes in records of up to 16 KiB: offsets beyond are never reached.
OFFSETS = some.integers(0, 6200)
quick = settings(
    deadline=None, max_examples=60, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@pytest.fixture
def proxy(start_tls, start_origin, authority, tmp_path):
    clients = type(authority)(tmp_path, "clients")
    tls = {**certificates(authority.issue("a.example")), "client": {"ca": str(clients.file)}}
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=tls)
    proxy.contexts = {}
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        # with a client certificate of its own the client says more
        proxy.contexts[version] = context = authority.trusting(clients.issue("alice", client=True))
        context.maximum_version = version
    return proxy


def is_well(proxy):
    """A whole exchange, in one piece."""
    with proxy.connect() as client:
        sealed = SealedClient(client, proxy.contexts[ssl.TLSVersion.TLSv1_3], "a.example")
        sealed.shake()
        sealed.send(REQUEST % b"a.example")
        return sealed.read_to_end().startswith(b"HTTP/1.1 200 ")


@pytest.mark.sanitize
def test_in_pieces(proxy):
    @quick
    @given(VERSIONS, SIZES)
    def check(version, sizes):
        with proxy.connect() as client:
            sealed = SealedClient(client, proxy.contexts[version], "a.example", send=Pieces(client, sizes))
            sealed.shake()
            sealed.send(REQUEST % b"a.example")
            assert sealed.read_to_end().startswith(b"HTTP/1.1 200 ")

    check()


@pytest.mark.sanitize
def test_changed_and_cut(proxy):
    @quick
    @given(
        VERSIONS,
        SIZES,
        some.dictionaries(OFFSETS, some.integers(1, 255), max_size=3),
        some.none() | OFFSETS,
        some.booleans(),
    )
    def check(version, sizes, flips, end_at, reset):
        with proxy.connect() as client:
            send = Pieces(client, sizes, flips, end_at)
            sealed = SealedClient(client, proxy.contexts[version], "a.example", send=send)
            # whatever it is, it ends: with an answer only if nothing was changed on the way
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                sealed.shake()
                sealed.send(REQUEST % b"a.example")
                answer = sealed.read_to_end()
                reached = [offset for offset in flips if offset < send._offset]
                assert not answer or not reached or b" 200 " not in answer[:20]
            if send.ended and not reset:
                client.half_close()
                client.read_to_end()
            elif reset:
                client.reset()

    check()
    assert is_well(proxy)
