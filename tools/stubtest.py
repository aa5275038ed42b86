"""Holds every .pyi beside a .pyx against the module that was built: missing and stale names both fail.

Run after a build, with the Python whose modules were built: `python tools/stubtest.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
ALLOWED = ROOT / "tools" / "stubtest-allowed.txt"


def modules() -> list[str]:
    """The names of the compiled modules that have a stub."""
    stubs = sorted(SOURCE.rglob("*.pyi"))
    return [
        ".".join(stub.relative_to(SOURCE).with_suffix("").parts) for stub in stubs if stub.with_suffix(".pyx").exists()
    ]


def main() -> int:
    """Runs stubtest; its exit status."""
    names = modules()
    if not names:
        print("no compiled module has a stub")
        return 0
    options = ["--allowlist", str(ALLOWED), "--ignore-unused-allowlist", "--ignore-disjoint-bases"]
    command = [sys.executable, "-m", "mypy.stubtest", *options, *names]
    env = {**os.environ, "MYPYPATH": str(SOURCE), "PYTHONPATH": str(SOURCE)}
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
