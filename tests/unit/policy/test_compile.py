"""From the configuration models to specs and tables."""

from __future__ import annotations

import pytest

from limen.config.models.forward import Forward
from limen.config.models.routes import Match
from limen.engine._tables_probe import decide, match
from limen.engine.access import AccessTable
from limen.engine.tables import RouteTable
from limen.policy.access import compile_access, default_access
from limen.policy.routes import compile_route_match
from limen.policy.specs import PathKind, RouteSpec, Window

DENY, ALLOW, NEED_ADDRESS = 0, 1, 2


def test_empty_match() -> None:
    assert compile_route_match(Match(), "act") == RouteSpec("act")


def test_whole_match() -> None:
    model = Match.model_validate(
        {
            "host": ["API.example.com", "*.example.net"],
            "path": "/v1/",
            "method": ["GET", "POST"],
            "fields": {"X-Tenant": "red", "X-Debug": False},
            "query": {"page": True},
            "clients": ["10.0.0.0/8"],
        }
    )
    spec = compile_route_match(model, 7)
    assert spec == RouteSpec(
        7,
        ("api.example.com", "*.example.net"),
        PathKind.PREFIX,
        "/v1/",
        ("GET", "POST"),
        (("X-Tenant", "red"), ("X-Debug", False)),
        (("page", True),),
        ("10.0.0.0/8",),
    )
    request = {
        "host": b"a.example.net",
        "path": b"/v1/x",
        "query": b"page",
        "fields": [(b"x-tenant", b"red")],
        "client": "10.0.0.1",
    }
    assert match(RouteTable([spec]), **request) == 0
    assert match(RouteTable([spec]), **(request | {"client": "11.0.0.1"})) == -1


@pytest.mark.parametrize("kind", list(PathKind)[1:])
def test_kinds_of_path(kind: PathKind) -> None:
    spec = compile_route_match(Match.model_validate({"path": {str(kind): "/a"}}))
    assert (spec.path_kind, spec.path) == (kind, "/a")


def test_ipv6_host_of_a_route() -> None:
    spec = compile_route_match(Match.model_validate({"host": "[2001:DB8::1]"}))
    assert match(RouteTable([spec]), host=b"2001:db8::1") == 0


def test_default_access() -> None:
    assert compile_access(Forward()) == default_access()
    table = AccessTable(default_access())
    for client in ("127.0.0.1", "192.168.1.1", "10.0.0.1", "172.16.0.1", "::1", "fd00::1", "fe80::1"):
        assert decide(table, client=client, port=443)[0] == ALLOW
        assert decide(table, client=client, port=22)[0] == DENY
        assert decide(table, client=client, port=80)[0] == DENY
        for port, verdict in (
            (80, ALLOW),
            (443, ALLOW),
            (8080, ALLOW),
            (65535, ALLOW),
            (22, DENY),
            (25, DENY),
            (1024, DENY),
        ):
            assert decide(table, client=client, method=b"GET", port=port)[0] == verdict
            assert decide(table, client=client, method=b"PURGE", port=port)[0] == verdict
    for client in ("8.8.8.8", "100.64.0.1", "2001:db8::1", "unix"):
        assert decide(table, client=client, port=443)[0] == DENY
        assert decide(table, client=client, method=b"GET", port=80)[0] == DENY


def test_rules() -> None:
    forward = Forward.model_validate(
        {
            "access": [
                {"deny": {"hosts": [".ads.example", "cdn*.example"]}, "name": "ads"},
                {"deny": {"addresses": "192.0.2.0/24", "ports": 25}},
                {
                    "allow": {
                        "clients": ["10.0.0.0/8"],
                        "ports": [80, "1025-65535"],
                        "methods": ["GET"],
                        "times": [{"days": ["mon", "fri"], "from": "08:00", "to": "18:30", "zone": "Europe/Paris"}],
                    }
                },
            ]
        }
    )
    specs = compile_access(forward)
    assert [(spec.allow, spec.name) for spec in specs] == [(False, "ads"), (False, ""), (True, "")]
    assert specs[2].windows == (Window(frozenset([0, 4]), 480, 1110, "Europe/Paris"),)
    table = AccessTable(specs)
    table.set_windows(b"\1")
    assert decide(table, host=b"x.ads.example", client="10.0.0.1") == (DENY, 0)
    assert decide(table, host=b"x", port=25) == (NEED_ADDRESS, 1)
    assert decide(table, host=b"x", port=1025, method=b"GET", client="10.0.0.1") == (ALLOW, 2)
    assert decide(table, host=b"x", port=1024, method=b"GET", client="10.0.0.1") == (DENY, -1)


def test_empty_list_denies_all() -> None:
    assert compile_access(Forward.model_validate({"access": []})) == []
