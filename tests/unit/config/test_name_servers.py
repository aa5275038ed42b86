"""Name servers as people write them, and back; what an installation without h2 is told."""

import importlib.util

import pytest

from limen.config import read, reads
from limen.config.name_servers import parse_name_server
from limen.config.refusal import Refused
from tests.unit.config.samples import ROOT


@pytest.mark.parametrize(
    ("text", "kind", "address", "name", "path"),
    [
        ("192.0.2.53", "plain", "192.0.2.53:53", "", ""),
        ("192.0.2.53:54", "plain", "192.0.2.53:54", "", ""),
        ("2001:DB8::1", "plain", "[2001:db8::1]:53", "", ""),
        ("[2001:db8::1]:54", "plain", "[2001:db8::1]:54", "", ""),
        ("tls://192.0.2.53", "tls", "192.0.2.53:853", "192.0.2.53", ""),
        ("TLS://192.0.2.53/#DNS.example", "tls", "192.0.2.53:853", "dns.example", ""),
        ("tls://[2001:db8::1]:8853#dns.example", "tls", "[2001:db8::1]:8853", "dns.example", ""),
        ("tls://192.0.2.53#2001:db8::1", "tls", "192.0.2.53:853", "2001:db8::1", ""),
        ("tls://dns.example.", "tls", "dns.example:853", "dns.example", ""),
        ("https://dns.example", "https", "dns.example:443", "dns.example", "/dns-query"),
        ("https://dns.example/", "https", "dns.example:443", "dns.example", "/dns-query"),
        ("https://dns.example/dns-query{?dns}", "https", "dns.example:443", "dns.example", "/dns-query"),
        ("https://192.0.2.53:444/a/b?c#dns.example", "https", "192.0.2.53:444", "dns.example", "/a/b?c"),
    ],
)
def test_spellings(text: str, kind: str, address: str, name: str, path: str) -> None:
    server = parse_name_server(text)
    assert (server.kind, str(server.address), server.name, server.path) == (kind, address, name, path)
    assert parse_name_server(str(server)) == server
    assert "/a/b" not in server.label  # the path may tell who asks


@pytest.mark.parametrize(
    "text",
    ["", "dns.example", "192.0.2.53/24", "http://192.0.2.53/", "sdns://AgcAAAAAAAAA", "tls://", "tls://192.0.2.53#",
     "tls://192.0.2.53#a:1", "tls://192.0.2.53#*.example", "tls://192.0.2.53/x", "tls://192.0.2.53?x", "tls://a#b",
     "tls://user@192.0.2.53", "tls://192.0.2.53:0", "tls://192.0.2.53:65536", "tls://2001:db8::1", "tls://192.0.2.256",
     "https://192.0.2.53/a b", "https://192.0.2.53/{dns}", "https://192.0.2.53/\x7f", "https://192.0.2.53/é",
     "https://192.0.2.53/\r\nx: y", "tls://unix:/run/dns"],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_name_server(text)


def test_https_without_h2(monkeypatch: pytest.MonkeyPatch) -> None:
    # as in an installation without the extra
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (error,) = read(ROOT / "examples" / "resolver.yaml").check().errors
    assert str(error).endswith(
        "resolver.yaml:5:7: resolver.servers[1]: asking name servers over HTTPS needs h2; "
        "pip install 'limen[doh]', or ask by tls://"
    )
    text = "resolver: {servers: 'tls://192.0.2.53'}\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]\n"
    assert reads(text).check().errors == ()
