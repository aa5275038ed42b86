import copy

import pytest

from limen.control.rates import percentile, rates
from limen.control.top_text import drawn

BOUNDS = [0.001, 0.01, 0.1]


def sample(at, requests, **endpoint):
    return {
        "at": at,
        "version": "1.2",
        "pid": 7,
        "state": "running",
        "uptime": 60.0,
        "revision": {"number": 3, "digest": "abc"},
        "bounds": BOUNDS,
        "traffic": {
            "exchanges": requests,
            "classes": {"2xx": requests, "5xx": 0},
            "received": 10 * requests,
            "sent": 2_000_000 * requests,
            "tunnel_bytes": 0,
            "connections": 5,
            "in_flight": 2,
            "tunnels": 1,
            "seconds": 0.0,
            "buckets": [0, requests, 0, 0],
        },
        "routes": [{"name": "web", "exchanges": requests, "classes": {"4xx": 1}, "buckets": [requests, 0, 0, 0]}],
        "listeners": [
            {"name": "front", "address": "127.0.0.1:80", "kind": "routes", "connections": 5, "accepted": requests}
        ],
        "upstreams": [
            {
                "name": "web",
                "balance": "round_robin",
                "endpoints": [
                    {"address": "127.0.0.1:1", "weight": 1, "requests": requests, "active": 9, "out": 0},
                    {"address": "127.0.0.1:2", "weight": 1, "requests": 0, "active": 0, "out": 2, **endpoint},
                ],
            }
        ],
        "faults": {"dial_refused": {"count": requests, "side": "origin"}},
        "workers": [{"number": 0, "pid": 8, "state": "ready", "restarts": 0, "live": {"connections": 5}}],
        "certificates": [],
    }


def test_rates_are_differences_by_time():
    found = rates(sample(10.0, 100), sample(12.0, 300))
    assert found["traffic"]["requests"] == 100
    assert found["traffic"]["sent"] == 200_000_000
    assert (found["traffic"]["connections"], found["traffic"]["tunnels"]) == (5, 1)
    assert found["traffic"]["p50"] == pytest.approx(0.0055)
    assert found["routes"][0]["requests"] == 100
    assert found["routes"][0]["classes"]["4xx"] == 0
    assert found["listeners"][0]["accepted"] == 100
    assert found["faults"] == [{"name": "dial_refused", "side": "origin", "rate": 100}]
    assert [one["requests"] for one in found["upstreams"][0]["endpoints"]] == [100, 0]


def test_endpoints_have_their_mean_of_the_moment():
    before = sample(10.0, 100, responses=100, response_seconds=10.0, ejections=1, load=0.5)
    after = sample(12.0, 300, responses=150, response_seconds=10.2, ejections=2, load=0.75)
    quiet, found = rates(before, after)["upstreams"][0]["endpoints"]
    assert (found["mean"], found["ejections"], found["load"]) == (0.004, 2, 0.75)
    assert quiet["mean"] is None
    text = "\n".join(drawn(rates(before, after)))
    assert "  4.0ms  " in text
    assert "  2          75%" in text


def test_after_a_restart_rates_are_those_since_it():
    assert rates(sample(10.0, 1000), sample(12.0, 30))["traffic"]["requests"] == 15


def test_a_state_is_derived_where_none_is_told():
    def states(**endpoint):
        endpoints = rates(sample(1, 1), sample(2, 1, **endpoint))["upstreams"][0]["endpoints"]
        return [(one["state"], one["reason"]) for one in endpoints]

    assert states() == [("usable", ""), ("out", "cannot be dialled")]
    assert states(state="ejected", reason="5 failures in a row")[1] == ("ejected", "5 failures in a row")
    assert states(state="draining")[1] == ("draining", "")


def test_what_is_new_or_missing_does_no_harm():
    after = sample(2, 50)
    assert rates({}, after)["traffic"]["requests"] > 0
    assert rates(after, {})["traffic"]["requests"] == 0
    assert drawn(rates({}, {}))
    odd = copy.deepcopy(after)
    odd["upstreams"].append(None)
    odd["routes"] = "none"
    assert drawn(rates(after, odd))


def test_percentiles():
    assert percentile([0, 0, 0, 0], BOUNDS, 0.5) is None
    assert percentile([10, 0, 0, 0], BOUNDS, 1.0) == 0.001
    assert percentile([1, 0, 0, 9], BOUNDS, 0.99) is None
    assert 0.001 < percentile([50, 50, 0, 0], BOUNDS, 0.75) < 0.01


def test_what_is_not_well_comes_first():
    found = rates(sample(10.0, 100), sample(12.0, 300))
    rows = [line.split()[1] for line in drawn(found) if line.startswith("web ") and ":" in line]
    assert rows == ["127.0.0.1:2", "127.0.0.1:1"]
    rows = [line.split()[1] for line in drawn(found, sort="requests") if line.startswith("web ") and ":" in line]
    assert rows == ["127.0.0.1:1", "127.0.0.1:2"]


def test_a_terminal_gets_no_control_characters_and_no_more_than_fits():
    hostile = sample(12.0, 300)
    hostile["routes"][0]["name"] = "\x1b[2Jgone\x9b"
    lines = drawn(rates(sample(10.0, 100), hostile))
    assert any("?[2Jgone?" in line for line in lines)
    assert not any(c in line for line in lines for c in "\x1b\x9b")
    assert len(drawn(rates(sample(10.0, 100), hostile), height=10)) == 9
