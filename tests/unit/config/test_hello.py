"""Routes by client hello and conditions on clients' certificates: what may be written, and what is refused."""

import pytest

from limen.config import reads
from limen.control.unreachable import unreachable_routes
from limen.errors import ConfigErrors

UPSTREAM = "\nupstreams: {a: {endpoints: [127.0.0.1:9001]}}\n"


def listener(text, tmp_path):
    return reads(f"listeners:\n  - bind: 127.0.0.1:8443\n    {text}{UPSTREAM}", "f.yaml", tmp_path).config.listeners[0]


def checked(text, tmp_path):
    """Raises also what only a check finds."""
    if errors := reads(text, "f.yaml", tmp_path).check().errors:
        raise ConfigErrors(errors)


def test_what_may_be_written(tmp_path):
    stream = listener(
        "stream: {routes: [{match: {sni: WWW.Ä.example}, upstream: a}, {name: b, match: {sni: ['*.b', .c], alpn: h2, "
        "ja4: 't13*'}, upstream: a}, {upstream: a}]}",
        tmp_path,
    )
    labels = [label for _, label, _ in stream.opaque_routes()]
    assert labels == ["127.0.0.1:8443#0", "b", "127.0.0.1:8443#2"]
    assert [route.match and route.match.sni for _, _, route in stream.opaque_routes()] == [
        ("www.xn--4ca.example",), ("*.b", ".c"), None,
    ]  # fmt: skip
    both = listener(
        "{name: n, tls: {self_signed: true, pass: [{match: {alpn: [x]}, upstream: a}]}, routes: [{upstream: a}]}"[1:-1]
        .replace(", tls", "\n    tls")
        .replace(", routes", "\n    routes"),
        tmp_path,
    )
    assert [(place, label) for place, label, _ in both.opaque_routes()] == [(("tls", "pass", 0), "n#pass0")]


def test_certificates_as_words_and_sections(tmp_path):
    route = listener(
        "tls: {self_signed: true, client: {ca: c.pem}}\n    routes: [{match: {client_certificate: false}, upstream: a},"
        " {match: {client_certificate: true}, client_certificate: {subject: CN=a, fingerprint: '"
        + ":".join(["AB"] * 32)
        + "'}, upstream: a}]",
        tmp_path,
    ).routes
    assert [one.match.client_certificate.presented for one in route] == [False, True]
    assert route[0].client_certificate is None
    assert route[1].client_certificate.fingerprint == ("ab" * 32,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stream: {upstream: a, routes: [{upstream: a}]}", "exactly one of upstream or routes"),
        ("stream: {}", "exactly one of upstream or routes"),
        ("stream: {routes: []}", "the list is empty"),
        ("stream: {routes: [{match: {}, upstream: a}]}", "no condition"),
        ("stream: {routes: [{match: {sni: 192.0.2.1}, upstream: a}]}", "is an address"),
        ("stream: {routes: [{match: {sni: '*'}, upstream: a}]}", "not a host"),
        ("stream: {routes: [{match: {sni: 'a*.example'}, upstream: a}]}", "not a host"),
        ("stream: {routes: [{match: {alpn: ''}, upstream: a}]}", "not a protocol"),
        ("stream: {routes: [{match: {ja4: T13}, upstream: a}]}", "not a JA4"),
        ("stream: {routes: [{upstream: b}]}", "unknown upstream 'b'"),
        ("stream: {routes: [{name: x, upstream: a}, {name: x, upstream: a}]}", "the route name 'x' is taken"),
        ("tls: {self_signed: true, hsts: true}\n    stream: {upstream: a}", "`hsts` has no meaning"),
        ("tls: {self_signed: true, tickets: false}\n    routes: [{upstream: a}]", "write none"),
        ("tls: {self_signed: true, pass: [{upstream: a}]}\n    routes: [{upstream: a}]", "leaves nothing to terminate"),
        ("routes: [{match: {client_certificate: true}, upstream: a}]", "no client is asked for a certificate"),
        ("routes: [{client_certificate: true, upstream: a}]", "no client is asked for a certificate"),
        ("forwarded: {client_certificate: true}\n    routes: [{upstream: a}]", "no client is asked for a certificate"),
        ("routes: [{match: {ja4: 't13*'}, upstream: a}]", "`ja4` without TLS"),
        (
            (
                "tls: {self_signed: true, client: {ca: c.pem}}\n    routes: [{client_certificate: {presented: false, san: x}, "
                "upstream: a}]"
            ),
            "a certificate that is not there",
        ),
        (
            (
                "tls: {self_signed: true, client: {ca: c.pem}}\n    routes: [{client_certificate: {fingerprint: ab}, "
                "upstream: a}]"
            ),
            "not the SHA-256",
        ),
    ],
)
def test_what_is_refused(text, message, tmp_path):
    with pytest.raises(ConfigErrors) as caught:
        checked(f"listeners:\n  - bind: 127.0.0.1:8443\n    {text}{UPSTREAM}", tmp_path)
    assert len(caught.value.errors) == 1, str(caught.value)
    assert message in str(caught.value)
    assert str(caught.value).startswith("f.yaml:")


def test_facts_of_tls_in_a_log_that_has_no_place_for_them(tmp_path):
    text = f"log: {{access: {{path: a.log, format: combined, ja4: true}}}}\nlisteners: [{{bind: 127.0.0.1:1, forward: {{}}}}]{UPSTREAM}"
    with pytest.raises(ConfigErrors, match="no place in the format combined"):
        reads(text, "f.yaml", tmp_path)


def test_routes_that_nothing_reaches(tmp_path):
    text = (
        "listeners:\n  - bind: 127.0.0.1:8443\n    stream:\n      routes:\n"
        "        - {match: {sni: .a.example}, upstream: a}\n"
        "        - {match: {sni: www.a.example, alpn: h2}, upstream: a}\n"
        "        - {match: {alpn: h2}, upstream: a}\n" + UPSTREAM
    )
    found = reads(text, "f.yaml", tmp_path).check([unreachable_routes]).warnings
    assert [str(one) for one in found] == [
        (
            "f.yaml:6:11: listeners[0].stream.routes[1]: no connection reaches the route '127.0.0.1:8443#1': "
            "'127.0.0.1:8443#0' before it takes all; put the narrower route first"
        )
    ]


def test_a_loop_through_a_route_by_hello(tmp_path):
    text = "listeners: [{bind: 127.0.0.1:9001, stream: {routes: [{match: {sni: a}, upstream: a}]}}]" + UPSTREAM
    assert "a loop" in str(reads(text, "f.yaml", tmp_path).check().errors[0])
