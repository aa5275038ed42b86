"""What the architecture tests read: the files of the tree, and statements of Cython as single lines."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "limen"


def python_files() -> list[Path]:
    """Every .py of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def cython_files() -> list[Path]:
    """Every .pyx and .pxd of the package."""
    return sorted(path for path in PACKAGE.rglob("*.p[yx][xd]") if path.suffix in {".pyx", ".pxd"})


def module_name(path: Path) -> str:
    """`src/limen/engine/board.pyx` → `limen.engine.board`."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path: Path) -> str:
    """The path as one would type it at the root."""
    return str(path.relative_to(ROOT))


def is_probe(path: Path) -> bool:
    """Modules for tests only, which may see everything of the engine."""
    return path.stem.startswith("_") and path.stem.endswith("probe")


def without_strings(text: str) -> str:
    """The text with strings emptied (line numbers kept), so that words in them are not taken for code."""
    text = re.sub(r'("""|\'\'\')(.*?)\1', lambda found: '""' + "\n" * found[2].count("\n"), text, flags=re.DOTALL)
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', '""', text)


def statements(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line number, statement with open brackets joined into one line and indent kept, trailing comment)."""
    joined, begun, comment = "", 0, ""
    for number, line in enumerate(without_strings(path.read_text(encoding="utf-8")).splitlines(), 1):
        code, _, remark = line.partition("#")
        if not joined:
            begun, comment = number, ""
        joined = f"{joined} {code.strip()}" if joined else code.rstrip()
        comment = f"{comment} {remark.strip()}".strip()
        opened = sum(joined.count(sign) for sign in "([{") - sum(joined.count(sign) for sign in ")]}")
        if opened > 0 or joined.endswith("\\"):
            joined = joined.removesuffix("\\")
            continue
        if joined.strip() or comment:
            yield begun, joined.rstrip(), comment
        joined = ""
