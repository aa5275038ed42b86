"""shorthand.py: configurations of the command line."""

from pathlib import Path

import pytest

from limen.config.check import check
from limen.config.shorthand import forward, reverse
from limen.errors import ConfigErrors


def test_reverse():
    config = reverse("127.0.0.1:8080", ["127.0.0.1:9001", "http://Web.Example", "http://[::1]:9002/"])
    assert [str(endpoint.address) for endpoint in config.upstreams["origin"].endpoints] == [
        "127.0.0.1:9001",
        "web.example:80",
        "[::1]:9002",
    ]
    assert str(config.listeners[0].bind) == "127.0.0.1:8080"
    assert config.listeners[0].routes[0].upstream == "origin"
    assert config.listeners[0].routes[0].rewrite is None
    assert check(config).warnings == ()


def test_reverse_with_a_prefix():
    config = reverse("8080", ["http://127.0.0.1:9001/app/"])
    assert str(config.listeners[0].bind) == "127.0.0.1:8080"
    assert config.listeners[0].routes[0].rewrite.add == "/app"


def test_reverse_with_tls():
    assert reverse("8443", ["127.0.0.1:9001"], self_signed=True).listeners[0].tls.self_signed
    tls = reverse("8443", ["127.0.0.1:9001"], certificate="a/site.pem", key="/b/site.key").listeners[0].tls
    assert [(str(one.chain), str(one.key)) for one in tls.certificates] == [
        (str(Path("a/site.pem").absolute()), "/b/site.key")
    ]


def test_forward():
    config = forward("127.0.0.1:3128")
    assert config.listeners[0].forward.targets.private == "deny"
    assert forward("0.0.0.0:3128", allow_private=True).listeners[0].forward.targets.private == "allow"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: reverse("8443", ["127.0.0.1:1"], certificate="site.pem"),
            "--certificate and --key go together; name both files, in PEM",
        ),
        (
            lambda: reverse("8443", ["127.0.0.1:1"], certificate="a", key="b", self_signed=True),
            "--self-signed: there is a --certificate; name one of them",
        ),
        (lambda: reverse("x", ["127.0.0.1:1"]), "--listen: 'x' has no port; write host:port, such as x:8080"),
        (lambda: reverse("127.0.0.1:80", []), "--to is missing; name at least one, such as --to 127.0.0.1:9001"),
        (
            lambda: reverse("127.0.0.1:80", ["https://a.example", "http://b.example"]),
            "--to: some are https and some are not; use a configuration file",
        ),
        (
            lambda: reverse("127.0.0.1:80", ["ftp://a.example"]),
            "--to: 'ftp://a.example' is not an http URL; write host:port or http://host:port",
        ),
        (
            lambda: reverse("127.0.0.1:80", ["http://u:p@a.example"]),
            "--to: 'http://u:p@a.example' holds more than host, port and path; write http://host:port/path",
        ),
        (
            lambda: reverse("127.0.0.1:80", ["http://a/x", "http://b/y"]),
            "--to: the URLs have different paths; use a configuration file",
        ),
        (
            lambda: reverse("127.0.0.1:80", ["127.0.0.1:80"]),
            ("upstreams.origin.endpoints[0]: 127.0.0.1:80 is the own listener listeners[0]: a loop; "
            "name the origin's address"),
        ),
        (
            lambda: reverse("127.0.0.1:80", ["a.example:1", "a.example:1"]),
            "upstreams.origin.endpoints[1]: the endpoint a.example:1 stands twice; give it a `weight` instead",
        ),
        (
            lambda: reverse("127.0.0.1:80", ["unix:/run/x"]),
            ("upstreams.origin.endpoints[0].address: an endpoint on a Unix socket is not available in this version; "
            "write host:port"),
        ),
        (lambda: forward("http://127.0.0.1:1"), ("--listen: 'http://127.0.0.1:1' is a URL, not an address; "
         "did you mean 127.0.0.1:1?")),
    ],
)  # fmt: skip
def test_bad_arguments(make, message):
    with pytest.raises(ConfigErrors) as caught:
        make()
    assert str(caught.value) == message
