"""One place branches on the direction: where the target is found. Elsewhere nothing asks forward or reverse.

From `access` on both directions are the same exchange; a second branch would soon be two products.
"""

import ast
import re

import pytest

from tests.architecture.sources import cython_files, is_probe, python_files, shown, without_strings

# The word may appear where it is defined, configured, planned, shown or chosen by the user.
ALLOWED = {
    "src/limen/terms.py": "defines it",
    "src/limen/__init__.py": "names it for users",
    "src/limen/config/models/": "a listener is one or the other",
    "src/limen/config/check": "checks of a listener's kind",
    "src/limen/listeners/": "plans a listener",
    "src/limen/exchange/target.py": "the one branch",
    "src/limen/exchange/exchange.py": "shows it to hooks",
    "src/limen/observe/": "shows it in logs and metrics",
    "src/limen/runtime/assemble": "hands the engine a target source",
    "src/limen/control/": "limen reverse, limen forward",
    "src/limen/engine/journal": "writes the word into the access log, prepared by assemble",
    "src/limen/engine/engine.py": "takes that word",
}
WORD = re.compile(
    r"\b(?:direction|directions)\b|\bis_(?:forward|reverse|gateway|proxy)\b|\bDIRECTION_\w+", re.IGNORECASE
)


def is_allowed(path):
    return any(shown(path).startswith(prefix) for prefix in ALLOWED)


@pytest.mark.parametrize("path", [pytest.param(p, id=shown(p)) for p in python_files() if not is_allowed(p)])
def test_python_does_not_ask_for_the_direction(path):
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if WORD.fullmatch(name):
            wrong.append(f"{shown(path)}:{node.lineno}: {name}")
        if isinstance(node, ast.Compare):
            words = [part.value for part in (node.left, *node.comparators) if isinstance(part, ast.Constant)]
            if {"forward", "reverse"} & set(words):
                wrong.append(f"{shown(path)}:{node.lineno}: compares with {words}")
    assert not wrong


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=shown(p)) for p in cython_files() if not is_allowed(p) and not is_probe(p)]
)
def test_engine_has_no_direction_flag(path):
    wrong = []
    for number, line in enumerate(without_strings(path.read_text(encoding="utf-8")).splitlines(), 1):
        code = line.split("#")[0]
        if (found := WORD.search(code)) and not re.search(r"\.direction\b", code):  # record.direction: the log's word
            wrong.append(f"{shown(path)}:{number}: {found[0]}")
    assert not wrong
