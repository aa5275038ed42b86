"""Holds every .pyi beside a .pyx against the module that was built: missing and stale names both fail.

Run after a build, with the Python whose modules were built: `python tools/stubtest.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
# Not built where the library that it needs is missing, as setup.py says.
OPTIONAL = {"limen.engine.tls.gcm"}
ALLOWED = ROOT / "tools" / "stubtest-allowed.txt"


def modules() -> list[str]:
    """The names of the compiled modules that have a stub."""
    stubs = sorted(SOURCE.rglob("*.pyi"))
    names = [
        ".".join(stub.relative_to(SOURCE).with_suffix("").parts) for stub in stubs if stub.with_suffix(".pyx").exists()
    ]
    return [name for name in names if name not in OPTIONAL or built(name)]


def built(name: str) -> bool:
    """Whether the compiled module lies beside its source."""
    path = SOURCE.joinpath(*name.split("."))
    return any(path.parent.glob(f"{path.name}.*.so"))


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
