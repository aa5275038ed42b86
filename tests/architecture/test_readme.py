"""What README and CONTRIBUTING tell a stranger to run or to look at is there."""

import re

import pytest

from tests.architecture.sources import ROOT

TEXTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
PATH = re.compile(
    r"`((?:src|tests|docs|fuzz|bench|tools|examples|\.ci)/[\w./-]*|[A-Z]+\.md|Makefile|pyproject\.toml|setup\.py)`"
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[\w-]*)?\)")


def makefile_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


@pytest.mark.parametrize("name", TEXTS)
def test_make_targets_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    used = set(re.findall(r"(?:^|`|\$ )make ([a-z]+)", text, re.MULTILINE))
    assert used <= makefile_targets()


@pytest.mark.parametrize("name", TEXTS)
def test_paths_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    missing = [path for path in PATH.findall(text) + LINK.findall(text) if not (ROOT / path).exists()]
    assert not missing


def test_readme_shows_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


def test_examples_in_the_documentation_are_valid(tmp_path):
    """Every YAML block that begins with a root key passes `limen check`'s models."""
    config = pytest.importorskip("limen.config")
    load = getattr(config, "loads", None)
    if load is None:
        pytest.skip("limen.config has no loads()")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            if re.match(r"(?:#.*\n|\s)*(?:workers|listeners|admin|log|upstreams):", block) and "listeners:" in block:
                load(block, str(tmp_path / f"{page.stem}.yaml"))
