"""Load reports: what is read of them, and what they change."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from limen.egress.probes.load import parse_load
from limen.engine import _engine_probe as probe
from limen.engine.balance import Balancer
from limen.engine.board import Board
from limen.engine.engine import Engine
from limen.engine.upstream import Endpoint, Upstream
from limen.observe import board as layout

NOW = 1_000_000_000_000
SECOND = 1_000_000_000
READABLE = {
    "0": 0,
    "0.7": 700,
    "1": 1000,
    "7.5": 1000,
    "70%": 700,
    "0.05%": 1,
    "7e-1": 700,
    "1e400": 1000,
    "1e-400": 0,
    "9" * 400: 1000,
    "TEXT cpu_utilization=0.7": 700,
    "TEXT cpu_utilization=0.7,mem_utilization=0.2": 700,
    "TEXT cpu_utilization=0.7, application_utilization=0.3, named_metrics.x=12": 300,
    "TEXT application_utilization=0,cpu_utilization=0.4": 400,
    'JSON {"cpu_utilization": 0.7}': 700,
    'JSON {"cpu_utilization":0.7,"application_utilization":0.25,"rps_fractional":1e3}': 250,
    'JSON {"named_metrics": {"a": [1, -2, "x\\"}", {"b": null}], "c": true}, "cpu_utilization": 0}': 0,
    "JSON { }": -1,
}
UNREADABLE = [
    *("", "-0.1", "+0.1", ".5", "5.", "0x1", "nan", "inf", "70 %", "0.7 ", "0.7,0.8", "1e", "1e+", "CPU 0.7", "TEXT"),
    *("TEXT ", "TEXT cpu_utilization", "TEXT cpu_utilization=", "TEXT =1", "TEXT cpu_utilization=1,", "TEXT a=-1"),
    *("TEXT mem_utilization=0.5", "TEXT cpu_utilization=0.5;x=1", "JSON", "JSON ", "JSON 0.7", "JSON []", "JSON {"),
    *('JSON {"cpu_utilization": 0.7', 'JSON {"cpu_utilization": 0.7}}', 'JSON {"cpu_utilization": "0.7"}'),
    *('JSON {"cpu_utilization": 0.7,}', "JSON {'cpu_utilization': 0.7}", 'JSON {"a": ' + "[" * 20 + "]" * 20 + "}"),
    *('JSON {"cpu_utilization": -0.7}', 'JSON {"cpu_utilization" 0.7}', 'JSON {"cpu_utilization\\', 'JSON {"a": tru}'),
    "TEXT cpu_utilization=0.5," + ",".join(f"m{number}=1" for number in range(1000)),
]


@pytest.mark.parametrize("text", READABLE, ids=lambda text: text[:40])
def test_what_is_read(text):
    assert probe.parsed_report(text.encode()) == READABLE[text]


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: text[:40])
def test_what_is_none(text):
    assert probe.parsed_report(text.encode()) == -1


METRICS = some.dictionaries(
    some.sampled_from(["cpu_utilization", "application_utilization", "mem_utilization", "eps", 'odd"\\name']),
    some.floats(0, 4, allow_nan=False),
)


@given(
    METRICS,
    some.dictionaries(
        some.text(max_size=5),
        some.recursive(some.none() | some.booleans() | some.integers(), some.lists, max_leaves=7),
        max_size=3,
    ),
)
def test_json_is_read_as_probes_read_it(metrics, others):
    value = "JSON " + json.dumps({**{f"x{name}": found for name, found in others.items()}, **metrics})
    assume(len(value) <= 4096)
    expected = parse_load(value)
    found = probe.parsed_report(value.encode())
    assert found == -1 if expected is None else math.isclose(found, expected * 1000, abs_tol=0.51)


@given(some.binary(max_size=200))
def test_nothing_breaks_it(data):
    for prefix in (b"", b"TEXT ", b"JSON ", b'JSON {"cpu_utilization":'):
        assert -1 <= probe.parsed_report(prefix + data) <= 1000


def upstream_of(engine, count, slots=False, **options):
    members = [
        Endpoint(engine, key=str(i), host="10.0.0.1", port=80 + i, slot=i if slots else 0xFFFFFFFF)
        for i in range(count)
    ]
    return Upstream("web", members, balancer=Balancer([member.label for member in members], **options))


HOURS = itertools.count()


@pytest.fixture
def now():
    """Later than what other tests have told of: how soon balancers look again is counted for the whole process."""
    return NOW + next(HOURS) * 3600 * SECOND


def spread(upstream, times, now):
    found = Counter(probe.choose(upstream, now) for _ in range(times))
    return [found[member] for member in upstream.members]


def test_the_share_shrinks_by_what_it_is_busy(now):
    upstream = upstream_of(Engine(), 3)
    assert spread(upstream, 30, now) == [10, 10, 10]
    probe.noted_busy(upstream.members[0], now, 500)
    assert spread(upstream, 50, now) == [10, 20, 20]
    probe.noted_busy(upstream.members[0], now + SECOND, 1000)
    found = spread(upstream, 41, now + SECOND)
    assert found[0] == 1, "a twentieth is left, or it could never say otherwise"
    # and it is forgotten when nothing follows
    assert spread(upstream, 41, now + 10 * SECOND)[0] == 1
    assert spread(upstream, 30, now + 12 * SECOND) == [10, 10, 10]


def test_small_changes_add_up(now):
    upstream = upstream_of(Engine(), 2)
    for number in range(51):
        probe.noted_busy(upstream.members[0], now + number * SECOND, 10 * number)
        probe.choose(upstream, now + number * SECOND)
    assert spread(upstream, 30, now + 50 * SECOND) == [10, 20]


def test_all_workers_hear_of_it(now):
    descriptor, header = layout.create(2)
    try:
        workers = [Engine(board=Board(descriptor, number)) for number in range(2)]
        upstreams = [upstream_of(worker, 2, slots=True) for worker in workers]
        assert spread(upstreams[1], 20, now) == [10, 10]
        probe.noted_busy(upstreams[0].members[0], now, 500)
        # the other one takes it into account when it hears of the endpoint itself
        probe.noted_busy(upstreams[1].members[1], now + SECOND, 0)
        fresh = upstream_of(workers[1], 2, slots=True)
        assert spread(fresh, 30, now + SECOND) == [10, 20]
    finally:
        header.close()
        os.close(descriptor)
