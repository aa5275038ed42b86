"""How upstreams choose: spellings, refusals, and what `limen check` finds."""

import pytest

from limen.config import reads
from limen.errors import ConfigErrors

TEXT = """\
listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]
upstreams:
  web:
    endpoints: %s
    %s
"""
TWO = "[127.0.0.1:9001, 127.0.0.1:9002]"


def upstream(keys, endpoints=TWO):
    return reads(TEXT % (endpoints, keys), "f.yaml").config.upstreams["web"]


@pytest.mark.parametrize(
    ("keys", "policy", "by", "bound"),
    [
        ("", "round_robin", None, None),
        ("balance: two_choices", "two_choices", None, None),
        ("balance: hash", "hash", None, None),
        ("balance: {hash: path}", "hash", "path", None),
        ("balance: {hash: {by: cookie, name: session}, bound: 1.25}", "hash", "cookie", 1.25),
        ("balance: {policy: hash, bound: 2}", "hash", None, 2.0),
    ],
)
def test_spellings(keys, policy, by, bound):
    balance = upstream(keys).balance
    assert (balance.policy, balance.hash and balance.hash.by, balance.bound) == (policy, by, bound)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("balance: {hash: cookie}", "`by: cookie` needs a `name`"),
        ("balance: {hash: {by: host, name: a}}", "`by: host` has no name"),
        ("balance: {policy: random, hash: path}", "the policy random has no `hash`"),
        ("balance: {policy: random, bound: 2}", "the policy random has no `bound`"),
        ("balance: {policy: first, decay: 1s}", "the policy first has no `decay`"),
        ("balance: {policy: hash, bound: 1}", "out of range; from 1.05 to 10"),
        ("balance: {policy: hash, bound: much}", "expected a number"),
        ("balance: hush", "did you mean 'hash'?"),
        ("spill_below: 2", "out of range; from 0 to 1"),
        ("queue: {size: 0}", "out of range"),
    ],
)
def test_refusals(keys, message):
    with pytest.raises(ConfigErrors, match=r"upstreams\.web") as caught:
        upstream(keys)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "endpoints", "found"),
    [
        ("queue: {size: 5}", TWO, "the queue is never used"),
        ("balance: first", TWO, "those behind it are never used"),
        ("balance: hash\n    slow_start: 30s", TWO, "`slow_start` has no effect"),
        ("balance: first", "[{address: 127.0.0.1:9001, max_requests: 5}, 127.0.0.1:9002]", ""),
        ("queue: {size: 5}", "[{address: 127.0.0.1:9001, max_requests: 5}]", ""),
        ("queue: {size: 5}\n    max_requests: 9", TWO, ""),
        ("queue: {size: 5}\n    max_connections: 9", TWO, ""),
    ],
)
def test_findings(keys, endpoints, found):
    report = reads(TEXT % (endpoints, keys), "f.yaml").check()
    assert report.errors == ()
    assert len(report.warnings) == bool(found)
    assert not found or found in str(report.warnings[0])


@pytest.mark.parametrize("policy", ["hash", "first"])
def test_policies_that_cannot_go_by_load(policy):
    text = f"balance: {policy}\n    probe: {{load: X-Load}}"
    endpoints = "[{address: 127.0.0.1:9001, max_requests: 5}, {address: 127.0.0.1:9002, max_requests: 5}]"
    report = reads(TEXT % (endpoints, text), "f.yaml").check()
    assert f"f.yaml:6:13: upstreams.web.probe.load: the policy {policy} cannot go by" in str(report.errors[0])


@pytest.mark.parametrize("policy", ["hash", "first"])
def test_nor_by_what_responses_say(policy):
    endpoints = "[{address: 127.0.0.1:9001, max_requests: 5}, {address: 127.0.0.1:9002, max_requests: 5}]"
    report = reads(TEXT % (endpoints, f"balance: {policy}\n    load: X-Load"), "f.yaml").check()
    assert f"f.yaml:6:5: upstreams.web.load: the policy {policy} cannot go by" in str(report.errors[0])


@pytest.mark.parametrize(("queue", "warned"), [("", True), ("queue: {size: 5}\n    max_requests: 9", False)])
def test_urgent_where_nobody_waits(queue, warned):
    text = TEXT.replace("upstream: web", "upstream: web, urgent: true") % (TWO, queue)
    report = reads(text, "f.yaml").check()
    assert report.errors == ()
    assert [str(one).partition("routes[0].")[2][:24] for one in report.warnings] == (
        ["urgent: `urgent` has no "] if warned else []
    )


def test_backups_alone_are_refused():
    report = reads(TEXT % ("[{address: 127.0.0.1:9001, backup: true}]", ""), "f.yaml").check()
    assert "are backups" in str(report.errors[0])
