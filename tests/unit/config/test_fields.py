"""fields.py: what may stand in a message head, and what is matched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.config import fields
from limen.config.refusal import Refused


@pytest.mark.parametrize(
    "name", ["Connection", "content-length", "TRANSFER-ENCODING", "Host", "TE", "Upgrade", "Keep-Alive"]
)
def test_framing_fields_are_not_editable(name):
    with pytest.raises(Refused):
        fields.parse_editable_field(name)


@pytest.mark.parametrize("name", ["X-Tenant", "Authorization", "Set-Cookie", "x_y", "Content-Type"])
def test_other_fields_are(name):
    assert fields.parse_editable_field(name) == name


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\n", "ä", "(x)"])
def test_no_field_names(name):
    with pytest.raises(Refused):
        fields.parse_editable_field(name)


@given(st.text(max_size=60))
def test_no_field_value_can_split_a_head(text):
    try:
        value = fields.parse_field_value(text)
    except Refused:
        return
    assert not set(value) & {"\r", "\n", "\0"}
    assert value == value.strip(" \t")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("API.Example.com", "api.example.com"),
        ("example.com.", "example.com"),
        ("*.example.com", "*.example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_hosts_of_matches(text, host):
    assert fields.parse_match_host(text) == host


@pytest.mark.parametrize("text", ["", "*", "a*.example.com", "*.*.com", "a:80", "[::1]:80", "http://a", "a/b", "*."])
def test_no_hosts_of_matches(text):
    with pytest.raises(Refused):
        fields.parse_match_host(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (".Example.com", ".example.com"),
        ("CDN*.example.com", "cdn*.example.com"),
        ("a.example.com", "a.example.com"),
        ("[::1]", "[::1]"),
    ],
)
def test_hosts_of_rules(text, host):
    assert fields.parse_target_host(text) == host


@pytest.mark.parametrize("text", ["", ".", "a:443", "a b*", "http://a"])
def test_no_hosts_of_rules(text):
    with pytest.raises(Refused):
        fields.parse_target_host(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("pass", "pass"),
        ("endpoint", "endpoint"),
        ("Api.Internal", "api.internal"),
        ("api:8080", "api:8080"),
        ("[::1]:80", "[::1]:80"),
        ("[::1]", "[::1]"),
    ],
)
def test_hosts_towards_origins(text, host):
    assert fields.parse_origin_host(text) == host


@pytest.mark.parametrize("text", ["", "a b", "unix:/x", "http://a", "a\r\nb"])
def test_no_hosts_towards_origins(text):
    with pytest.raises(Refused):
        fields.parse_origin_host(text)


@pytest.mark.parametrize(
    "text", ["https://{host}{path}{query}", "http://a.example/x", "/new", "{path}?moved=1", "https://{host}:8443{path}"]
)
def test_redirect_targets(text):
    assert fields.parse_redirect_target(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "a.example", "ftp://a/", "https://", "{host}/x", "/{id}", "/a b", "/{", "/}", "/\r\nX: y", "javascript:x"],
)
def test_no_redirect_targets(text):
    with pytest.raises(Refused):
        fields.parse_redirect_target(text)


@pytest.mark.parametrize("text", ["/", "/v1", "/v1/", "/a%20b", "/ä"])
def test_paths(text):
    assert fields.parse_path(text) == text


@pytest.mark.parametrize("text", ["", "v1", "/a?b", "/a#b", "/a b", "/a\n"])
def test_no_paths(text):
    with pytest.raises(Refused):
        fields.parse_path(text)


@pytest.mark.parametrize("text", ["myrules:add", "a.b.c:d", "_a:_b"])
def test_hooks(text):
    assert fields.parse_hook(text) == text


@pytest.mark.parametrize("text", ["", "myrules", "myrules:", ":add", "my-rules:add", "a.b", "a:b:c", "a:b.c", "a/b:c"])
def test_no_hooks(text):
    with pytest.raises(Refused):
        fields.parse_hook(text)


@pytest.mark.parametrize("text", ["*.", "*..example", ".", "*.192.0.2.1", ".192.0.2.1", ".0.0.0.0"])
def test_target_hosts_that_no_table_takes(text):
    with pytest.raises(Refused):
        fields.parse_target_host(text)
