"""What a hook learns of a client's TLS."""

from limen.exchange import ClientCertificate, ClientTls, Exchange
from tests.support.handles import MemoryHandle

SHOWN = ("CN=alice", "CN=ca", "0a1b", "ab" * 32, ["alice", "10.0.0.1"], b"der")


def exchange_with(facts):
    handle = MemoryHandle()
    handle.tls_facts = facts
    return Exchange(handle), handle


def test_nothing_on_a_plain_connection():
    assert exchange_with(None)[0].tls is None


def test_absent_texts_are_none():
    exchange, _ = exchange_with(("TLSv1.2", "C", "", "", True, "", None))
    assert exchange.tls == ClientTls("TLSv1.2", "C", None, None, True, None, None)


def test_a_certificate_read_once():
    exchange, handle = exchange_with(("TLSv1.3", "C", "a.example", "h2", False, "t13d", SHOWN))
    assert handle.looks == 0
    shown = exchange.tls.certificate
    assert shown == ClientCertificate("CN=alice", "CN=ca", 0x0A1B, "ab" * 32, ("alice", "10.0.0.1"), b"der")
    assert exchange.tls is exchange.tls
    assert handle.looks == 1
    assert "der" not in repr(shown)
