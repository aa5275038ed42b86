"""Loads as endpoints write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.egress.probes.load import parse_load


@pytest.mark.parametrize(
    ("value", "load"),
    [
        ("0.7", 0.7),
        ("0", 0.0),
        ("3", 1.0),
        ("70%", 0.7),
        ("250%", 1.0),
        ("TEXT cpu_utilization=0.3,mem_utilization=0.8", 0.3),
        ("TEXT cpu_utilization=0.3, application_utilization=0.6", 0.6),
        ("TEXT application_utilization=0,cpu_utilization=0.4", 0.4),
        ('JSON {"cpu_utilization": 0.3, "application_utilization": 1.7}', 1.0),
        ('JSON {"cpu_utilization": 0}', 0.0),
        ("TEXT mem_utilization=0.8", None),
        ("JSON [1]", None),
        ("JSON {", None),
        ('JSON {"cpu_utilization": true}', None),
        ("BIN CgAAAA==", None),
        ("-0.1", None),
        ("nan", None),
        ("busy", None),
        ("", None),
        ("%", None),
    ],
)
def test_loads(value, load):
    assert parse_load(value) == load


@given(st.one_of(st.text(), st.text().map("TEXT {}".format), st.text().map("JSON {}".format)))
def test_nothing_is_raised(value):
    load = parse_load(value)
    assert load is None or 0 <= load <= 1
