import json

import pytest

from limen.engine.engine import Engine
from limen.engine.explain import Question
from limen.engine.service import Action, Service
from limen.engine.tables import RouteTable
from limen.policy.specs import AccessSpec, CertificateSpec, PathKind, RouteSpec, Window
from limen.runtime.explain.conditions import MOST, conditions, routes_passed_over, rules_passed_over
from limen.runtime.pacing import at_once


@pytest.fixture(scope="module")
def question():
    service = Service("front", target_source=0, routes=RouteTable([RouteSpec(Action("a"))]))
    head = b"GET /a/b?x=1&y HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\n\r\n"
    return Question(Engine(), service, head, "192.0.2.1")


FAILING = {
    "host": {"hosts": ("b.example", "*.example.com")},
    "path": {"path_kind": PathKind.EXACT, "path": "/a"},
    "method": {"methods": ("POST", "PURGE")},
    "fields": {"fields": (("X-A", "2"),)},
    "query": {"query": (("z", True),)},
    "clients": {"clients": ("10.0.0.0/8",)},
    "client_certificate": {"certificate": True},
    "ja4": {"ja4": ("t13*",)},
}
HOLDING = {
    "hosts": ("*.example",),
    "path_kind": PathKind.PATTERN,
    "path": "/a/*",
    "methods": ("GET",),
    "fields": (("x-a", True), ("X-B", False)),
    "query": (("y", ""),),
    "clients": ("192.0.2.0/24",),
    "certificate": False,
}


@pytest.mark.parametrize("name", FAILING)
def test_the_condition_that_fails_is_named(question, name):
    spec = RouteSpec(Action("x"), **{**HOLDING, **FAILING[name]})
    (row,) = at_once(routes_passed_over(question, [("x", spec)]))
    assert row["failed"] == name
    assert row["wanted"] or name == "client_certificate"
    json.dumps(row)


def test_what_holds_is_not_named(question):
    (row,) = at_once(routes_passed_over(question, [("x", RouteSpec(Action("x"), **HOLDING))]))
    assert row["failed"] is None


def test_a_million_values_are_neither_compiled_nor_told(question):
    many = tuple(f"h{number}.example" for number in range(1_000_000))
    specs = [("list", AccessSpec(False, hosts=many)), ("post", AccessSpec(False, hosts=many, methods=("POST",)))]
    rows = at_once(rules_passed_over(question, specs, None))
    assert [row["failed"] for row in rows] == ["host", "method"]
    assert rows[0]["wanted"][-1] == "and 999992 more"


def test_rows_have_a_bound(question):
    spec = RouteSpec(Action("x"), hosts=tuple("x" * 60 + f".{n}." + "y" * 60 for n in range(100)))
    rows = at_once(routes_passed_over(question, [("x", spec)] * (MOST + 50)))
    assert len(rows) == MOST
    assert len(json.dumps(rows)) < 500_000


def test_words_for_every_kind_of_value():
    window = Window(frozenset({0, 4}), 480, 1080, "Europe/Berlin")
    rule = AccessSpec(True, "x", ports=((80, 80), (1025, 65535)), windows=(window,))
    assert {one.name: one.wanted for one in conditions(rule)} == {
        "ports": ["80", "1025-65535"],
        "times": ["mon,fri 08:00-18:00 Europe/Berlin"],
    }
    route = RouteSpec(Action(""), certificate=CertificateSpec(subjects=("CN=a",)), fields=(("A", True), ("B", False)))
    assert {one.name: one.wanted for one in conditions(route)} == {
        "fields": ["any A", "no B"],
        "client_certificate": {"subjects": ["CN=a"]},
    }
