"""errors.py: the texts that users see, and errors that travel between processes."""

import pickle

import pytest

from limen import errors
from limen.errors import ConfigError, ConfigErrors, HookError, LimenError, NetworkError, PolicyDenied, ProtocolError


def test_config_error_names_place_path_and_hint():
    error = ConfigError(
        "unknown upstream 'wbe'",
        file="limen.yaml",
        line=12,
        column=7,
        path="listeners[0].routes[1].upstream",
        hint="did you mean 'web'?",
    )
    assert str(error) == (
        "limen.yaml:12:7: listeners[0].routes[1].upstream: unknown upstream 'wbe'; did you mean 'web'?"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "wrong"),
        ({"file": "a.yaml"}, "a.yaml: wrong"),
        ({"line": 2, "column": 3}, "<config>:2:3: wrong"),
        ({"path": "workers"}, "workers: wrong"),
        ({"hint": "mend it"}, "wrong; mend it"),
    ],
)
def test_config_error_leaves_out_what_is_not_known(arguments, text):
    assert str(ConfigError("wrong", **arguments)) == text


def test_config_errors_are_in_the_order_of_the_file_one_per_line():
    found = ConfigErrors([ConfigError("b", file="f", line=9, column=1), ConfigError("a", file="f", line=2, column=1)])
    assert str(found) == "f:2:1: a\nf:9:1: b"
    assert len(found) == 2
    assert [error.message for error in found] == ["a", "b"]


def test_config_errors_do_not_flood():
    found = ConfigErrors(ConfigError("x", line=line, column=1) for line in range(1, 501))
    lines = str(found).splitlines()
    assert len(lines) == ConfigErrors.SHOWN + 1
    assert lines[-1] == "... and 400 more problems"


def test_errors_travel():
    error = ConfigError("wrong", file="f", line=1, column=2, path="a.b", hint="mend")
    again = pickle.loads(pickle.dumps(ConfigErrors([error])))  # noqa: S301 what was just written
    assert str(again) == str(error)


def test_all_are_limen_errors():
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) >= 8
    assert all(issubclass(one, LimenError) for one in classes)


def test_exchange_errors_know_side_status_and_retry():
    assert (ProtocolError("x").side, ProtocolError("x").status) == ("client", 400)
    assert (NetworkError("x").side, NetworkError("x").retry) == ("origin", "idempotent")
    assert PolicyDenied("x").status == 403
    assert HookError("x").status == 500
    changed = NetworkError("x", status=504, token="connection_timeout", retry="always", phase="egress", side="internal")
    assert (changed.status, changed.token, changed.retry, changed.phase, changed.side) == (
        504,
        "connection_timeout",
        "always",
        "egress",
        "internal",
    )
