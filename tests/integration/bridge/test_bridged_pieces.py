"""Whole tunnels with TLS inside in random pieces, with changed bytes, with an end anywhere."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.integration.bridge.conftest import connect
from tests.integration.tls.test_pieces import OFFSETS, REQUEST, SIZES, quick
from tests.support import Reply, ScriptedOrigin
from tests.support.sealed import Pieces, SealedClient


@pytest.mark.sanitize
def test_inside_a_bridge(start_bridge, organisation, internet):
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({"pinned": {"learn": "none"}})
        target = f"a.example:{origin.port}"
        context = organisation.trusting()

        @quick
        @given(SIZES, some.dictionaries(OFFSETS, some.integers(1, 255), max_size=2), some.none() | OFFSETS)
        def check(sizes, flips, end_at):
            with connect(proxy, target) as client:
                send = Pieces(client, sizes, flips, end_at)
                sealed = SealedClient(client, context, "a.example", send=send)
                try:
                    sealed.shake()
                    sealed.send(REQUEST % target.encode())
                    answer = sealed.read_to_end()
                except (ssl.SSLError, ConnectionError):
                    answer = b""
                if not flips and end_at is None:
                    assert answer.startswith(b"HTTP/1.1 200 ")
                if send.ended:
                    client.half_close()
                    client.read_to_end()

        check()
        with connect(proxy, target) as client:
            sealed = SealedClient(client, context, "a.example")
            sealed.shake()
            sealed.send(REQUEST % target.encode())
            assert sealed.read_to_end().startswith(b"HTTP/1.1 200 ")
