"""The documentation builds without a warning, every page can be found, and dependencies have their reasons."""

import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest

from tests.architecture.sources import ROOT, cython_files, is_probe, module_name

DOCS = ROOT / "docs"


def test_documentation_builds_strictly(tmp_path):
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed (make lint brings it)")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_page_is_in_the_nav():
    nav = set(re.findall(r"([\w/.-]+\.md)\b", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert pages == nav


def test_every_module_of_the_engine_is_on_its_page():
    text = (DOCS / "internals" / "engine.md").read_text(encoding="utf-8")
    modules = [module_name(path).removeprefix("limen.engine.") for path in cython_files() if not is_probe(path)]
    unnamed = {
        name
        for name in modules
        if name and not re.search(rf"`(?:http\d\.|tls\.)?{name.rpartition('.')[2]}(?:\.pxd)?`", text)
    }
    assert unnamed <= {"limen.engine", "http1", "tls"}


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = set()
    lists = [project["build-system"]["requires"], project["project"]["dependencies"]]
    lists += project["project"]["optional-dependencies"].values()
    for requirements in lists:
        wanted |= {re.split(r"[<>=~!; \[]", requirement, maxsplit=1)[0].lower() for requirement in requirements}
    text = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    reasons = {name.lower() for name in re.findall(r"^\| `([\w.-]+)`", text, re.MULTILINE)}
    assert reasons == wanted


def test_documented_commands_exist():
    """`limen WORD` in a code block or line is a command of the command line."""
    cli = pytest.importorskip("limen.control.cli")
    help_text = subprocess.run(
        [sys.executable, "-m", "limen", "--help"], capture_output=True, text=True, check=True, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
    ).stdout  # fmt: skip
    assert cli
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for word in re.findall(r"(?:^|`|\$ )limen ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert re.search(rf"\b{word}\b", help_text), f"{page.name}: limen {word}"
