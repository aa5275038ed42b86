"""One word per concept: clear synonyms of the vocabulary in DESIGN.md (CONTRIBUTING.md has the list) are refused.

Looked at are names we choose: modules, classes, functions, parameters, attributes and variables, and the keys of the
configuration. Text for people, names of other libraries and of protocols are free.
"""

import ast
import re

import pytest

from tests.architecture.sources import PACKAGE, cython_files, is_probe, python_files, shown, without_strings

SYNONYMS = {
    "backend": "origin, upstream or endpoint",
    "frontend": "listener",
    "entrypoint": "listener",
    "downstream": "client",
    "middleware": "phase or hook",
    "addon": "plugin",
    "filter": "hook, matcher or rule",
    "callback": "hook, or what it is for",
    "predicate": "matcher",
    "acl": "access rules",
    "router": "routes",
    "transaction": "exchange",
    "hdr": "field",
    "hdrs": "fields",
    "header": "field (head for all of them)",
    "headers": "fields",
    "dest": "target",
    "destination": "target",
    "throttle": "limit",
    "snapshot": "revision",
    "quiesce": "drain",
    "master": "supervisor",
    "lb": "balancer",
    "healthcheck": "probe",
    "mitm": "bridge",
    "intercept": "bridge",
    "ctx": "what it is",
    "cfg": "config",
    "conf": "config",
    "req": "request",
    "resp": "response",
    "conn": "connection",
    "addr": "address",
}
# Names for modules and classes that say nothing.
EMPTY = {"util", "utils", "helper", "helpers", "manager", "common", "misc", "stuff", "context", "data", "info", "base"}
# file (or folder): word → why it may stand there
EXCEPTIONS = {
    ("src/limen/engine/sys.pxd", "addr"): "names of the C library",
    ("src/limen/engine/board.pxd", "header"): "the head of a region of memory, not of HTTP",
    ("src/limen/engine/board.pyx", "header"): "as board.pxd",
    ("src/limen/observe/board.py", "header"): "as board.pxd",
    ("src/limen/runtime/metrics.py", "header"): "as board.pxd",
    ("src/limen/runtime/channel.py", "header"): "the length before a message of ours, not of HTTP",
}
# OpenSSL's names.
FOREIGN_PREFIXES = ("SSL_", "EVP_", "BIO_", "X509_", "PEM_", "ERR_", "OSSL_")
# Names that other libraries give and we must use (attributes, overridden methods, keyword arguments).
FOREIGN = {"header_value_parser", "entry_points", "getaddrinfo", "ip_address", "addr_spec"}


def words(name):
    """`HTTPConnHandler`, `read_conn` → {"http", "conn", "handler"}, {"read", "conn"}."""
    parts = re.sub(r"([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])", r"\1\3_\2\4", name).lower().split("_")
    return {part for part in parts if part}


def chosen_names(tree):
    """(line, name) of everything that the file itself names."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


def judge(path, names):
    return [
        f"{shown(path)}:{line}: {name}: say {SYNONYMS[word]}"
        for line, name in names
        for word in sorted(words(name) & set(SYNONYMS))
        if name not in FOREIGN and not name.startswith(FOREIGN_PREFIXES) and (shown(path), word) not in EXCEPTIONS
    ]


@pytest.mark.parametrize("path", [pytest.param(p, id=shown(p)) for p in python_files()])
def test_names_in_python(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not judge(path, chosen_names(tree))


CDEF = re.compile(r"^\s*(?:cdef|cpdef|ctypedef)\s+(?P<rest>.+)$")


@pytest.mark.parametrize("path", [pytest.param(p, id=shown(p)) for p in cython_files() if not is_probe(p)])
def test_names_in_cython(path):
    names = []
    for number, line in enumerate(without_strings(path.read_text(encoding="utf-8")).splitlines(), 1):
        code = line.split("#")[0]
        if found := CDEF.match(code):
            if "extern" not in found["rest"]:
                names += [(number, name) for name in re.findall(r"[A-Za-z_]\w*", found["rest"])]
        elif (found := re.match(r"^\s*(?:def|class)\s+(\w+)", code)) or (
            found := re.match(r"^\s*(?:for\s+)?([A-Za-z_]\w*)\s*(?:=[^=]|\s+in\b)", code)
        ):
            names.append((number, found[1]))
    assert not judge(path, names)


def test_names_of_modules():
    wrong = []
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in {".py", ".pyx", ".pxd"} or (path.is_dir() and path.name != "__pycache__"):
            wrong += judge(path, [(0, path.stem)])
            if path.stem.lower() in EMPTY:
                wrong.append(f"{shown(path)}: name its role")
    assert not wrong


def test_exceptions_are_still_needed():
    gone = [where for where, _ in EXCEPTIONS if not (PACKAGE.parent.parent / where).exists()]
    assert not gone
