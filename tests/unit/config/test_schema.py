"""schema.py: what editors are told agrees with what is loaded."""

import json

import pytest

from limen.config import yaml12
from limen.config.schema import json_schema, schema_text
from tests.unit.config.samples import EXAMPLES


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def tree(text):
    outcome = yaml12.read(text, lambda value: value)
    assert outcome.problems == []
    return outcome.tree


def test_it_is_of_the_draft_and_described():
    schema = json.loads(schema_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["listeners"]
    assert schema["additionalProperties"] is False
    for section in (schema, *schema["$defs"].values()):
        for name, value in section.get("properties", {}).items():
            assert value.get("description"), name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_valid(validator, path):
    assert list(validator.iter_errors(tree(path.read_text()))) == []


ROUTE = "listeners: [{bind: 127.0.0.1:80, routes: [%s]}]"


@pytest.mark.parametrize(
    "text",
    [
        ROUTE % "{respond: {body: {file: x.txt}, fields: {A: {file: y}}}}",
        ROUTE % "{upstream: '${NAME}', hook_timeout: '${TIME}', body: {max: '${SIZE}'}, upgrade: '${FLAG}'}",
        ROUTE % "{upstream: web, body: {max: none}, match: {host: a, path: {regex: /a}}}",
        "workers: 4\nlisteners: [{bind: 127.0.0.1:80, via: none, min_rate: none, forward: {access: [{allow: {}}]}}]",
        "resolver: {servers: 192.0.2.53}\nlog: {access: '-'}\nlisteners: [{bind: 'unix:/run/x', forward: {}}]",
    ],
)
def test_valid(validator, text):
    assert list(validator.iter_errors(tree(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "workers: 4",
        "listeners: []",
        "listeners: [{bind: 127.0.0.1, forward: {}}]",
        "listeners: [{bind: 127.0.0.1:80}]",
        "listeners: [{bind: 127.0.0.1:80, forward: {}, stream: {upstream: a}}]",
        "workers: many\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]",
        "drain: {timeout: 5}\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]",
        "drain: {timeout: soon}\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]",
        "unknown: 1\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]",
        ROUTE % "{upstream: web, body: {max: 8k}}",
        ROUTE % "{upstream: web, upgrade: 'yes'}",
        ROUTE % "{upstream: web, retry: {methods: all}}",
        ROUTE % "{upstream: web, hooks: [myrules]}",
        ROUTE % "{upstream: web, match: {path: {prefix: /a, exact: /b}}}",
        ROUTE % "{match: {}}",
    ],
)
def test_not_valid(validator, text):
    assert list(validator.iter_errors(tree(text)))
