"""diff.py: what a reload touches."""

import pytest

from limen.config import loads
from limen.config.diff import diff

OLD = """
workers: 2
listeners:
  - bind: 127.0.0.1:80
    name: site
    routes:
      - {name: a, match: {path: /a}, upstream: web}
      - {match: {path: /b}, upstream: web}
      - {match: {path: /c}, upstream: api}
  - bind: 127.0.0.1:3128
    forward: {}
upstreams:
  web: {endpoints: [10.0.0.1:80, 10.0.0.2:80]}
  api: {endpoints: [10.0.0.3:80]}
"""


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ([], []),
        ([("workers: 2", "workers: 3")], ["setting workers changed"]),
        ([("forward: {}", "forward: {anonymity: elite}")], ["listener 127.0.0.1:3128 changed"]),
        ([("name: site", "name: site\n    via: x")], ["listener site changed"]),
        ([("127.0.0.1:80\n", "127.0.0.1:8080\n")], ["listener site changed"]),
        (
            [("127.0.0.1:3128", "127.0.0.1:3129")],
            ["listener 127.0.0.1:3128 removed", "listener 127.0.0.1:3129 added"],
        ),
        ([("path: /a}", "path: /x}")], ["route a changed"]),
        ([("path: /b}", "path: /x}")], ["route site#1 removed", "route site#1 added"]),
        ([("      - {match: {path: /c}, upstream: api}\n", "")], ["route site#2 removed"]),
        (
            [("      - {name: a", "      - {match: {path: /new}, upstream: web}\n      - {name: a")],
            ["route site#0 added"],
        ),
        (
            [("path: /b}, upstream: web", "path: /T}, upstream: T"), ("path: /c}, upstream: api", "path: /b}, upstream: web"),
             ("path: /T}, upstream: T", "path: /c}, upstream: api")],
            ["route site#* moved"],
        ),
        ([("web: {endpoints", "web: {balance: least_requests, endpoints")], ["upstream web changed"]),
        (
            [("10.0.0.2:80]", "10.0.0.4:80]")],
            ["endpoint web/10.0.0.2:80 removed", "endpoint web/10.0.0.4:80 added"],
        ),
        ([("10.0.0.2:80]", "{address: 10.0.0.2:80, weight: 5}]")], ["endpoint web/10.0.0.2:80 changed"]),
        (
            [("api: {endpoints", "new: {endpoints: [10.0.0.9:80]}\n  api: {endpoints")],
            ["upstream new added"],
        ),
    ],
)  # fmt: skip
def test_changes(changes, found):
    new = OLD
    for old, replacement in changes:
        assert old in new
        new = new.replace(old, replacement)
    assert [str(change) for change in diff(loads(OLD), loads(new))] == found


def test_equal_routes_are_counted():
    one = "      - {match: {path: /b}, upstream: web}\n"
    twice = OLD.replace(one, one + one)
    assert [str(change) for change in diff(loads(OLD), loads(twice))] == ["route site#2 added"]
    assert [str(change) for change in diff(loads(twice), loads(OLD))] == ["route site#2 removed"]
