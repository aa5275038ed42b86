"""The OpenAPI document, the server's resources and the manual say the same."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from limen.control.admin.openapi import PATHS, document
from limen.control.admin.page import FILES, POLICY, page
from limen.control.admin.server import Doors

MANUAL = Path(__file__).parents[3] / "docs" / "admin.md"


def resources():
    """(method, path) of everything that the server answers; HEAD comes with every GET."""
    found = set()
    for resource in Doors(None)._application([]).router.resources():
        for route in resource:
            if route.method != "HEAD":
                found.add((route.method.lower(), resource.canonical))
    return found


def documented():
    return {(method, path) for path, item in PATHS.items() for method in item if method != "parameters"}


def test_every_resource_is_documented_and_none_else():
    assert resources() == documented()


def test_the_manual_names_every_resource_and_none_else():
    named = set(re.findall(r"^\| `(GET|POST|DELETE|PUT) (/[^`?]*)`", MANUAL.read_text(encoding="utf-8"), re.MULTILINE))
    assert {(method.lower(), path) for method, path in named} == documented()


def test_every_operation_has_a_summary_answers_and_its_parameters():
    for path, item in PATHS.items():
        names = {one["name"] for one in item.get("parameters", ())}
        assert names == set(re.findall(r"\{(\w+)\}", path)), path
        for method, operation in item.items():
            if method != "parameters":
                assert operation["summary"], path
                assert any(code.startswith("2") for code in operation["responses"]), path


def test_every_reference_leads_somewhere_and_schemas_are_schemas():
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
        assert set(schema["required"]) <= set(schema["properties"])


@pytest.mark.parametrize("file", FILES.values())
def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline(file):
    text = page(file).content.decode()
    assert not re.search(r"(?:src|href)=\"(?![/#])", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg|www\.example\.com)", text)
    assert not re.search(r"@import|url\(", text)
    if file == "index.html":
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?! src=\"/)", text)
    if file == "page.js":
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|DOMParser|Function\(", text
        )


def test_the_policy_lets_nothing_in_from_elsewhere():
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY and "*" not in POLICY and "http" not in POLICY
