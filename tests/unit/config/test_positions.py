"""positions.py: paths as text, and places of what is there and what is not."""

import pytest

from limen.config.positions import NOWHERE, Positions, path_text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("workers",), "workers"),
        (("listeners", 0, "routes", 1, "upstream"), "listeners[0].routes[1].upstream"),
        (("upstreams", "web-1", "endpoints", 0), "upstreams.web-1.endpoints[0]"),
        (("upstreams", "a.b"), "upstreams['a.b']"),
        (("set", "X Y"), "set['X Y']"),
        (("", "x"), "[''].x"),
    ],
)
def test_paths_as_text(path, text):
    assert path_text(path) == text


def test_without_a_text_nothing_has_a_place():
    positions = Positions(None)
    assert positions.find(("listeners", 0)) == (NOWHERE, ())
    assert positions.value(("listeners", 0)) is None
