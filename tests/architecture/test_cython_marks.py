"""What keeps compiled code honest: no lost exception, and every pointer says whose it is.

Cython 3 lets exceptions of unmarked C functions propagate, at the price of a check per call that nobody asked for:
hence a mark on each one that returns a C value. A pointer member without an owner is the next use after free.
"""

import re

import pytest

from tests.architecture.sources import cython_files, shown, statements

FUNCTION = re.compile(
    r"^\s*c?p?def\s+(?!class\b|extern\b|struct\b|enum\b|union\b|packed\b)(?P<type>[^()=]*?)(?P<name>\w+)\s*\("
)
CLASS = re.compile(r"^(?:cdef|ctypedef)\s+(?:public\s+)?class\s+([\w.]+)")
POINTER = re.compile(r"^\s+cdef\s+(?:readonly\s+|public\s+)?(?P<type>[\w. ]+?\*+)\s*(?P<name>\w+)[^(]*$")
OWNERSHIP = re.compile(r"\b(?:own\w*|borrow\w*|static|shared|until|belongs?|freed|mapped|lives?)\b", re.IGNORECASE)
OBJECTS = {"object", "bytes", "str", "list", "tuple", "dict", "set", "bytearray", "memoryview", "frozenset", "type"}


def object_types():
    """The names of the Python classes known to the tree: a function returning one raises as Python does."""
    found = set(OBJECTS)
    for path in cython_files():
        for _, statement, _ in statements(path):
            if match := CLASS.match(statement):
                found.add(match[1].split(".")[-1])
    return found


CYTHON = [pytest.param(path, id=shown(path)) for path in cython_files()]


@pytest.mark.parametrize("path", CYTHON)
def test_every_c_function_is_marked(path):
    objects = object_types()
    wrong = []
    for number, statement, _ in statements(path):
        if not re.match(r"^\s*c(?:p)?def\b", statement) or re.match(r"^\s*cdef\s+extern\b", statement):
            continue
        found = FUNCTION.match(statement)
        if not found or re.search(r"\(\s*\*", statement[: found.end() + 2]):  # a pointer to a function is no function
            continue
        kind = re.sub(r"\b(?:inline|api|public|const)\b", "", found["type"]).strip()
        if not kind or kind in objects:  # without a type it returns an object
            continue
        after = statement[statement.rindex(")") :] if statement.rstrip().endswith(")") else statement
        if not re.search(r"\b(?:noexcept|except)\b", after):
            wrong.append(f"{shown(path)}:{number}: {found['name']}")
    assert not wrong, "mark each noexcept (with a status) or except VALUE"


@pytest.mark.parametrize("path", CYTHON)
def test_every_pointer_member_has_an_owner(path):
    wrong = []
    inside, previous = "", ""
    for number, statement, comment in statements(path):
        if statement and not statement[0].isspace():
            found = CLASS.match(statement)
            inside = found[1] if found else ""
        # members only: a local of a method is indented deeper
        member = POINTER.match(statement) if inside and re.match(r"^ {4}cdef\b", statement) else None
        if member:
            # a pair of the same type may share the comment of its first line
            stated = OWNERSHIP.search(comment) or (not comment and previous == member["type"])
            if not stated:
                wrong.append(
                    f"{shown(path)}:{number}: {inside}.{member['name']}: owned by / borrowed from ... until ..."
                )
            previous = member["type"] if stated else ""
        else:
            previous = ""
    assert not wrong
