"""Copies what a build and its tests need into another folder, so that one tree can hold two flavours of the engine.

`python tools/mirror.py build/sanitize` copies only what changed (times are kept, so setup.py rebuilds only that) and
removes sources that are gone; compiled modules and caches stay where they are.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "fuzz", "tools", "examples", "docs", "bench", ".ci")
TRANSLATED = "build/cython"  # what setup.py has made of the engine: the same for every flavour
SUFFIXES = {".py", ".toml", ".yml", ".md", ".in", ""}  # of the files at the root
BUILT = {".so", ".pyc", ".gcda", ".gcno"}
SKIPPED = {"__pycache__", ".hypothesis", "found"}


def sources(root: Path) -> set[Path]:
    """Every source file below `root`, relative to it."""
    files = [file for folder in FOLDERS for file in (root / folder).rglob("*") if file.suffix not in BUILT]
    files += [file for file in root.glob("*") if file.suffix in SUFFIXES and not file.name.startswith(".")]
    found = {file.relative_to(root) for file in files if file.is_file()}
    return {path for path in found if not any(part in SKIPPED or part.endswith(".egg-info") for part in path.parts)}


def mirror(target: Path) -> int:
    """Makes `target` hold the same sources; the number of files copied or removed."""
    wanted = sources(ROOT)
    changed = 0
    for path in sources(target) - wanted:
        (target / path).unlink()
        changed += 1
    wanted |= {file.relative_to(ROOT) for file in (ROOT / TRANSLATED).rglob("*") if file.is_file()}
    for path in wanted:
        source, copy = ROOT / path, target / path
        before, after = source.stat(), copy.stat() if copy.exists() else None
        if after is None or (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
            changed += 1
    return changed


if __name__ == "__main__":
    print(f"{mirror(Path(sys.argv[1]).resolve())} files brought up to date in {sys.argv[1]}")
