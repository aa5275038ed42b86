"""The generated pages are those that their tables give."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["metrics", "faults"])
def test_page_is_up_to_date(page: str) -> None:
    script = runpy.run_path(str(DOCS / f"generate_{page}.py"))
    assert (DOCS / f"{page}.md").read_text() == script["text"](), f"run python docs/generate_{page}.py"
