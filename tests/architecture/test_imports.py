"""Imports go downwards only: what import-linter cannot read (.pyx, .pxd) and what it cannot know (processes).

The layers of the Python packages are in pyproject.toml ([tool.importlinter]) and checked by `make lint`.
"""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from tests.architecture.sources import (
    ROOT,
    SOURCE,
    cython_files,
    is_probe,
    module_name,
    python_files,
    shown,
    statements,
)

IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\b|c?import\s+(.+)$)")
INCLUDE = re.compile(r"^\s*include\s+\"")
# The engine knows numbers and tables. Of Limen it may see itself and the vocabulary below it.
ENGINE_MAY = ("limen.engine", "limen.terms", "limen.faults", "limen.errors")
# Of other libraries none: the standard library, libc and CPython's interface are enough.
CODEC = re.compile(r"limen\.engine\.(?:http\d\.(?:parse|chunked|names|authority|persistence|frames|hpack)|socks)$")
# Codecs are sans-I/O: types, bytes and addresses, never a descriptor, a loop or a connection.
CODEC_MAY = re.compile(r"limen\.engine\.(?:types|bytes|text|fields|addresses|http\d(?:\.\w+)?)$")
# Writers know the heads that they write, but no more than the codecs whether anybody reads them.
WRITER = re.compile(r"limen\.engine\.http\d\.write$")
WRITER_MAY_NOT = re.compile(r"limen\.engine\.(?:reactor|connection|relay|dial|upstream|http\d\.(?:client|origin))$")
# Tables are immutable and evaluated anywhere: they read heads, but parse none.
TABLES = {
    f"limen.engine.{name}"
    for name in (
        "tables",
        "access",
        "addresses",
        "certificates",
        "identity",
        "paths",
        "keys",
        "lists",
        "host_lists",
        "places",
        "rules",
        "names",
    )
}
TABLES_MAY = re.compile(
    r"limen\.engine\.(?:types|bytes|text|fields|tables|access|addresses|certificates|identity|seal|paths|keys|lists|host_lists|effects|places|rules|names)$"
)


def imported(path):
    """(line, module) of every import and cimport."""
    for number, statement, _ in statements(path):
        if found := IMPORT.match(statement):
            names = [found[1]] if found[1] else [name.split(" as ")[0].strip() for name in found[2].split(",")]
            yield from ((number, name) for name in names)


CYTHON = [pytest.param(path, id=shown(path)) for path in cython_files() if not is_probe(path)]


@pytest.mark.parametrize("path", CYTHON)
def test_engine_imports_nothing_from_above(path):
    wrong = []
    for number, name in imported(path):
        root = name.split(".")[0]
        if root == "limen":
            allowed = any(name == may or name.startswith(may + ".") for may in ENGINE_MAY)
        else:
            allowed = root in {"libc", "posix", "cpython", "cython"} or root in sys.stdlib_module_names
        if not allowed:
            wrong.append(f"{shown(path)}:{number}: {name}")
    assert not wrong


@pytest.mark.parametrize("path", CYTHON)
def test_codecs_have_no_descriptor_and_tables_no_codec(path):
    module = module_name(path)
    names = [(number, name) for number, name in imported(path) if name.startswith("limen.engine")]
    if CODEC.match(module):
        names = [(number, name) for number, name in names if not CODEC_MAY.match(name)]
    elif module in TABLES:
        names = [(number, name) for number, name in names if not TABLES_MAY.match(name)]
    elif WRITER.match(module):
        names = [(number, name) for number, name in names if WRITER_MAY_NOT.match(name)]
    else:
        names = []
    assert not [f"{shown(path)}:{number}: {name}" for number, name in names]


@pytest.mark.parametrize("path", CYTHON)
def test_engine_never_names_a_probe_and_includes_no_code(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"import\s+_\w*probe|from\s+\S*_\w*probe", text)
    assert not any(INCLUDE.match(line) for line in text.splitlines()), "a module cannot be read alone with include"


# Packages whose import name differs, or that come along with another one that is declared.
DISTRIBUTIONS = {"yaml": "pyyaml", "dns": "dnspython", "pydantic_core": "pydantic", "multidict": "aiohttp"}
DISTRIBUTIONS |= {"mmdb_writer": "mmdb-writer", "netaddr": "mmdb-writer"}
DISTRIBUTIONS |= {"argon2": "argon2-cffi", "jwt": "pyjwt"}
# The room in which each library lives: its types do not leave it.
ROOMS = {
    "maxminddb": "limen.runtime",
    "pyyaml": "limen.config",
    "idna": "limen.config",
    "dnspython": "limen.egress",
    "pydantic": "limen.config",
    # the doors of an instance, registries that discovery asks, services that check credentials, lists behind URLs
    "aiohttp": (
        "limen.control",
        "limen.egress.fetching",
        "limen.egress.discovery",
        "limen.runtime.identity.check",
        "limen.runtime.list_fetcher",
    ),
    "bcrypt": "limen.runtime.identity.basic",
    "argon2-cffi": "limen.runtime.identity.basic",
    "pyjwt": ("limen.runtime.identity.bearer", "limen.runtime.identity.fetched_keys"),
    "ldap3": "limen.runtime.identity.directory",
    "gssapi": "limen.runtime.identity.negotiate",
    "h2": "limen.egress.sealed_https",
}


def test_libraries_are_declared_and_stay_in_their_room():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [
        *project["dependencies"],
        *project["optional-dependencies"]["ldap"],
        *project["optional-dependencies"]["kerberos"],
        *project["optional-dependencies"]["doh"],
    ]
    declared = {re.split(r"[<>=~!; \[]", text, maxsplit=1)[0].lower() for text in texts}
    wrong = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for root in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"limen"}:
                library = DISTRIBUTIONS.get(root, root)
                if library not in declared or not module_name(path).startswith(ROOMS.get(library, "limen.")):
                    wrong.append(f"{shown(path)}:{node.lineno}: {root}")
    assert not wrong


def test_libraries_of_the_tests_are_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # (tickets need a library of the system: tests of them are skipped without)
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *extras["test"], *extras["kerberos"]]
    declared = {re.split(r"[<>=~!; \[]", text, maxsplit=1)[0].lower() for text in texts}
    wrong = set()
    for path in [file for folder in ("tests", "fuzz", "bench") for file in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for root in (
                {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"limen", "tests", "bench", "fuzz"}
            ):
                if DISTRIBUTIONS.get(root, root) not in declared:
                    wrong.add(f"{shown(path)}: {root}")
    assert not wrong


def test_all_cython_is_in_the_engine():
    outside = [shown(path) for path in cython_files() if not module_name(path).startswith("limen.engine")]
    assert not outside, "compiled code lives in engine/, plain Python everywhere else, nothing in between"


def test_supervisor_process_loads_no_engine():
    """The process that must outlive every worker runs plain Python: it imports no compiled module of ours."""
    pytest.importorskip("limen.runtime.supervisor")
    program = (
        "import sys, limen.runtime.supervisor\n"
        "print(*sorted(n for n, m in sys.modules.items() if n.startswith('limen.')\n"
        "      and (getattr(m, '__file__', None) or '').endswith('.so')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []
