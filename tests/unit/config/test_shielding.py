"""Rates, limits, lists and pages as they are written, and what is wrong with them together."""

import pytest

from limen.config import reads
from limen.config.pages import PageText, parse_status, read_page
from limen.config.rates import Rate, parse_rate
from limen.config.refusal import Refused
from limen.errors import ConfigErrors


@pytest.mark.parametrize(
    ("text", "rate", "interval"),
    [
        ("100/s", Rate(100, 1.0), 10_000_000),
        ("1/h", Rate(1, 3600.0), 3_600_000_000_000),
        ("5/10s", Rate(5, 10.0), 2_000_000_000),
        ("3/m", Rate(3, 60.0), 20_000_000_000),
        ("1000000/s", Rate(1_000_000, 1.0), 1000),
        ("10/250ms", Rate(10, 0.25), 25_000_000),
        ("2/d", Rate(2, 86400.0), 43_200_000_000_000),
    ],
)
def test_rates(text, rate, interval):
    assert parse_rate(text) == rate
    assert rate.interval == interval
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    "text", ["100", "100/", "/s", "0/s", "1.5/s", "-1/s", "10/y", "10/0s", "1000001/s", "1/400d", "1/s/s"]
)
def test_what_is_no_rate(text):
    with pytest.raises(Refused):
        parse_rate(text)


def refused(text):
    try:
        return " ".join(str(error) for error in reads(text).check().errors)
    except ConfigErrors as errors:
        return str(errors)


def route(text, root="", listener=""):
    return (
        f"{root}\nlisteners:\n  - bind: 127.0.0.1:8080\n    {listener or 'name: front'}\n"
        f"    routes:\n      - respond: {{body: ok}}\n        {text}\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limit: {}", "needs exactly one of rate, concurrent, bandwidth, quota or life"),
        ("limit: {rate: 1/s, concurrent: 1}", "exactly one"),
        ("limit: {rate: 1}", "did you mean 1/s?"),
        ("limit: {concurrent: 1, burst: 2}", "no `burst`"),
        ("limit: {life: 1h, by: host}", "a life is that of each tunnel by itself"),
        ("limit: {life: 1h, dry_run: true}", "a life is that of each tunnel by itself"),
        ("limit: {life: 0s}", "1s"),
        ("limit: {concurrent: 1, fields: true}", "no RateLimit fields"),
        ("limit: {rate: 1/s, by: user}", "is not known here"),
        ("limit: {rate: 1/s, by: {field: A, cookie: b}}", "exactly one"),
        ("limit: [{name: a, rate: 1/s}, {name: a, rate: 1/s}]", "stands twice"),
        ("limit: [" + ", ".join(["{rate: 1/s}"] * 9) + "]", "9 limits at one place"),
        ("deny: {}", "no addresses are named"),
        ("deny: {lists: [nope]}", "unknown list 'nope'"),
        ("match: {client_lists: [nope]}", "unknown list"),
        ("errors: {200: {text: x}}", "is no status of an error"),
        ("errors: {6xx: {text: x}}", "is no status of an error"),
        ("errors: {500: {}}", "no page is given"),
        ("errors: {500: {file: absent.html}}", "cannot read"),
        ("errors: {500: {file: page.pdf}}", "no kind of page"),
        ("maintenance: maybe", "expected true or false or a mapping"),
        ("maintenance: {allow: [here]}", "is not a network"),
        ("mask: yes-please", "expected true or a mapping"),
    ],
)
def test_what_is_refused(text, message):
    assert message in refused(route(text))


def test_limits_of_one_name_must_agree():
    text = route("limit: {name: a, rate: 1/s}") + "      - {respond: {body: b}, limit: {name: a, rate: 2/s}}\n"
    assert "the limit 'a' says something else elsewhere" in refused(text)


def test_a_list_that_is_not_used_is_told():
    document = reads(route("name: x", root="lists: {bad: {file: bad.txt}}"))
    assert [warning.message for warning in document.check().warnings] == ["the list 'bad' is not used"]


def test_a_mask_without_an_origin_is_told():
    assert any("`mask` has no effect" in warning.message for warning in reads(route("mask: true")).check().warnings)


def test_statuses_and_pages(tmp_path):
    assert [parse_status(value) for value in (404, "503", "4XX")] == [404, 503, "4xx"]
    for value in (399, 600, "5x", "", True, "4e2"):
        with pytest.raises(Refused):
            parse_status(value)
    page = tmp_path / "a.HTML"
    page.write_bytes(b"\xef\xbb\xbf<p>\xc3\xa4</p>")
    assert read_page(page) == PageText("html", "<p>\u00e4</p>")
    page.write_bytes(b"\xff")
    with pytest.raises(Refused, match="UTF-8"):
        read_page(page)
    page.write_bytes(b"x" * 65537)
    with pytest.raises(Refused, match="64 KiB"):
        read_page(page)
