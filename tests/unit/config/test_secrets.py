"""secrets.py: environment variables and files in place of text, and no secret in any message."""

import pytest

from limen.config import loads
from limen.config.refusal import Expanded, Refused, shown
from limen.config.secrets import expand, read_file
from limen.errors import ConfigErrors

VARIABLES = {"A": "x", "B": "y", "EMPTY": "", "NESTED": "${A}"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$A", "$A"),
        ("${A}", "x"),
        ("${A}${B}-${A}", "xy-x"),
        ("${EMPTY}", ""),
        ("$${A}", "${A}"),
        ("$$", "$$"),
        ("a$${b}c${B}", "a${b}cy"),
        ("${NESTED}", "${A}"),
    ],
)
def test_expansion(text, value):
    assert expand(text, VARIABLES) == value


@pytest.mark.parametrize("text", ["${MISSING}", "${}", "${A", "${1}", "${A B}", "${A:-x}"])
def test_no_expansion(text):
    with pytest.raises(Refused):
        expand(text, VARIABLES)


def test_expanded_text_shows_its_source():
    value = expand("token ${A}", VARIABLES)
    assert isinstance(value, Expanded)
    assert shown(value) == "'token ${A}'"


@pytest.mark.parametrize(
    ("content", "text"), [("s3cret\n", "s3cret"), ("a\n\n", "a\n"), ("a\r\n", "a"), ("a", "a"), ("", "")]
)
def test_files_lose_one_line_break(tmp_path, content, text):
    (tmp_path / "secret").write_bytes(content.encode())
    assert read_file({"file": "secret"}, tmp_path) == text
    assert read_file({"file": str(tmp_path / "secret")}, tmp_path / "elsewhere") == text


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"a" * (1024 * 1024 + 1))
    for name in ("missing", "binary", "large", ".", "", "a\0b"):
        with pytest.raises(Refused):
            read_file({"file": name}, tmp_path)


ROUTE = """
listeners:
  - bind: 127.0.0.1:80
    routes:
      - match: {{query: {{file: abc}}}}
        respond: {respond}
"""


def test_secrets_in_a_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMEN_TEST_TOKEN", "s3cret")
    monkeypatch.setenv("LIMEN_TEST_STATUS", "404")
    (tmp_path / "body.txt").write_text("hello\n")
    text = ROUTE.format(
        respond="{status: '${LIMEN_TEST_STATUS}', body: {file: body.txt}, fields: {X-Token: 'a ${LIMEN_TEST_TOKEN}'}}"
    )
    route = loads(text, base=tmp_path).listeners[0].routes[0]
    assert route.respond.body == "hello"
    assert type(route.respond.body) is str
    assert route.respond.status == 404
    assert route.respond.fields == {"X-Token": "a s3cret"}
    # A query parameter called `file` is no reference.
    assert route.match.query == {"file": "abc"}


def test_no_secret_in_a_message(monkeypatch):
    monkeypatch.setenv("LIMEN_TEST_TOKEN", "s3cret ")
    for respond in (
        "{fields: {X-Token: '${LIMEN_TEST_TOKEN}'}}",
        "{status: '${LIMEN_TEST_TOKEN}'}",
        "'${LIMEN_TEST_TOKEN}'",
    ):
        with pytest.raises(ConfigErrors) as caught:
            loads(ROUTE.format(respond=respond))
        assert "s3cret" not in str(caught.value)


def test_a_missing_variable_is_one_problem_beside_the_others():
    text = "workers: ${LIMEN_TEST_MISSING}\nlisteners: [{bind: 127.0.0.1:80, forward: {}, x: y}]\n"
    with pytest.raises(ConfigErrors) as caught:
        loads(text, "f.yaml")
    first, second = str(caught.value).splitlines()
    assert first.startswith("f.yaml:1:10: workers: the environment variable LIMEN_TEST_MISSING is not set")
    assert second.startswith("f.yaml:2:47: listeners[0].x: unknown key 'x'")
