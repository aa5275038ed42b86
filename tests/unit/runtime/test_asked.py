import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.runtime.explain.asked import AskedWrongly, Shown, ask, asked_of, decoded, encoded


def test_a_question_travels():
    asked = ask(
        "https://user:pw@Example.COM:8443/a?b=c",
        client="2001:DB8::1",
        method="PURGE",
        fields=["X-A: 1", "x-b:two words"],
        listener="front",
        shown=Shown(b"\x30\x82\xfb\xff", "t13d1516h2_8daaf6152771_02713d6af862", "b.example"),
    )
    assert decoded(encoded(asked)) == asked
    assert asked_of(asked.query()) == asked
    assert (asked.hostname, asked.port, asked.authority) == ("example.com", 8443, "Example.COM:8443")
    assert asked.client == "2001:db8::1"
    assert (asked.server_name, ask("https://[::1]/").server_name, ask("https://a/").server_name) == (
        "b.example",
        "",
        "a",
    )
    assert asked.head(proxied=False) == (
        b"PURGE /a?b=c HTTP/1.1\r\nHost: Example.COM:8443\r\nX-A: 1\r\nx-b: two words\r\n\r\n"
    )


def test_heads_for_a_proxy():
    assert ask("http://a.example").head(proxied=True) == b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"
    connect = ask("https://a.example/x", method="CONNECT")
    assert connect.head(proxied=True) == b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    assert ask("https://[::1]", method="CONNECT").head(proxied=True).startswith(b"CONNECT [::1]:443 ")


def test_a_url_without_a_scheme_and_a_host_of_ones_own():
    asked = ask("a.example/x", fields=["Host: other.example"])
    assert asked.url == "http://a.example/x"
    assert asked.head(proxied=False) == b"GET /x HTTP/1.1\r\nHost: other.example\r\n\r\n"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"url": ""}, "URL is needed"),
        ({"url": "ftp://a"}, "scheme"),
        ({"url": "http://"}, "no host"),
        ({"url": "http://a:0/"}, "port 0"),
        ({"url": "http://a:99999/"}, "not a URL"),
        ({"url": "http://[::1/"}, "not a URL"),
        ({"url": "http://a/ b"}, "percent-encoded"),
        ({"url": "http://a/\r\nX: y"}, "percent-encoded"),
        ({"url": "http://ä.example/"}, "percent-encoded"),
        ({"url": "http://a/" + "x" * 9000}, "characters"),
        ({"url": "http://a/", "client": "localhost"}, "IP address"),
        ({"url": "http://a/", "method": "GET /x"}, "method"),
        ({"url": "http://a/", "fields": ["no colon"]}, "no field"),
        ({"url": "http://a/", "fields": ["na me: x"]}, "no field"),
        ({"url": "http://a/", "fields": ["X: a\r\nY: b"]}, "forbidden"),
        ({"url": "http://a/", "fields": ["X: y"] * 200}, "at most"),
        ({"url": "http://a/", "shown": Shown(b"0" * 5000)}, "at most"),
        ({"url": "http://a/", "shown": Shown(ja4="T13 x")}, "no JA4"),
    ],
)
def test_wrong_questions_are_told(options, word):
    with pytest.raises(AskedWrongly, match=word):
        ask(**options)


def test_parameters_are_known_and_single():
    with pytest.raises(AskedWrongly, match="unknown parameter 'uri'"):
        asked_of([("uri", "http://a/")])
    with pytest.raises(AskedWrongly, match="twice"):
        asked_of([("url", "http://a/"), ("url", "http://b/")])
    with pytest.raises(AskedWrongly, match="base64"):
        asked_of([("url", "http://a/"), ("certificate", "%%")])


@given(st.text(max_size=60), st.lists(st.text(max_size=30), max_size=3), st.text(max_size=10))
def test_whatever_is_asked_is_one_head_or_refused(url, fields, method):
    try:
        asked = ask(url, fields=fields, method=method)
    except AskedWrongly:
        return
    for proxied in (False, True):
        head = asked.head(proxied=proxied)
        assert head.count(b"\r\n\r\n") == 1 and head.endswith(b"\r\n\r\n")
        assert (
            head.count(b"\n")
            == head.count(b"\r\n")
            == 2
            + len(fields)
            + (b"\r\nhost:" in head.lower())
            - any(field.partition(":")[0].strip().lower() == "host" for field in fields)
        )
