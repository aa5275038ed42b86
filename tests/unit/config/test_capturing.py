"""Captures as they are written, and places where they would be empty or tell too much."""

import pytest

from limen.config import reads
from limen.errors import ConfigErrors

CAPTURES = "captures: {flows: {path: flows.jsonl}}\n"
ALLOW = "listeners: [{bind: 127.0.0.1:80, forward: {access: [{allow: {}, capture: flows}]}}]\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Relative paths lead where files may be made, whoever runs this and wherever."""
    monkeypatch.chdir(tmp_path)


def refused(text: str) -> str:
    try:
        return " ".join(str(error) for error in reads(text).check().errors)
    except ConfigErrors as errors:
        return str(errors)


@pytest.mark.parametrize(
    "text",
    [
        CAPTURES + ALLOW,
        CAPTURES + "listeners: [{bind: 127.0.0.1:80, forward: {capture: flows, socks: true}}]",
        CAPTURES + "listeners: [{bind: 127.0.0.1:80, routes: [{respond: {status: 200}, capture: flows}]}]",
        CAPTURES + ALLOW + "log: {privacy: {clients: none, users: none}}",
        "captures: {flows: {path: a, secrets: true}, b: {path: b, body: 0B}}\n" + ALLOW,
    ],
)
def test_what_is_taken(text):
    assert refused(text) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALLOW, "listeners[0].forward.access[0].capture: unknown capture 'flows'; there are no `captures`"),
        (
            "captures: {flow: {path: a}}\n" + ALLOW,
            "listeners[0].forward.access[0].capture: unknown capture 'flows'; did you mean 'flow'?",
        ),
        (CAPTURES + ALLOW.replace("allow: {}", "deny: {}"), "a rule that denies has nothing to record"),
        (CAPTURES + ALLOW.replace("allow: {}", "allow: {}, dry_run: true"), "a rule with `dry_run` does nothing"),
        (
            CAPTURES + ALLOW.replace("allow: {}", "allow: {schemes: tunnel}"),
            "listeners[0].forward.access[0].capture: of tunnels nothing is seen",
        ),
        (
            CAPTURES + "listeners: [{bind: 127.0.0.1:80, socks: {capture: flows}}]",
            "what goes through SOCKS is not read",
        ),
        (CAPTURES + ALLOW.replace("bind:", "log: false, bind:"), "a listener with `log: false` keeps nothing"),
        (CAPTURES + ALLOW + "log: {privacy: {targets: host}}", "captures.flows: a capture is nothing but where"),
        (
            "captures: {flows: {path: a, secrets: true}}\n" + ALLOW + "log: {privacy: {users: pseudonym}}",
            "captures.flows.secrets: cookies and credentials tell",
        ),
        (
            CAPTURES + ALLOW + "log: {access: flows.jsonl}",
            "is written by `log.access.path` too; name a file of its own",
        ),
        (
            "captures: {flows: {path: a}, twin: {path: a}}\n" + ALLOW,
            "is written by `captures.flows.path` too; name a file of its own",
        ),
        ("captures: {flows: {path: a, body: 16MiB, memory: 31MiB}}\n" + ALLOW, "at least twice `body`"),
        ("captures: {flows: {path: a, files: 0}}\n" + ALLOW, "captures.flows.files"),
        ("captures: {flows: {path: a, body: 17MiB}}\n" + ALLOW, "captures.flows.body"),
        ("captures: {flows: {path: /nonexistent/flows}}\n" + ALLOW, "captures.flows.path: the directory"),
    ],
)
def test_what_is_refused(text, message):
    assert message in refused(text)


def test_a_capture_that_is_not_used_is_told():
    text = CAPTURES + "listeners: [{bind: 127.0.0.1:80, forward: {}}]"
    assert "the capture 'flows' is not used" in str(reads(text).check().warnings[0])
