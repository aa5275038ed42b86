"""The file everyone fears is the one that grew past a thousand lines: say early where one outgrows its room."""

import pytest

from tests.architecture.sources import ROOT, cython_files, python_files, shown

PYTHON = 500
CYTHON = 900
# file: (lines it may have, why it is one file)
EXCEPTIONS: dict[str, tuple[int, str]] = {
    "src/limen/runtime/supervisor.py": (540, "the life of an instance from its start to its end, in order"),
    "src/limen/config/scalars.py": (560, "every kind of value that a configuration holds, in one list"),
    "src/limen/engine/exchange.pyx": (
        950,
        "the phase machine, to be read as a whole; what it calls (attempts, repeat, parked, forwarding, replies) lies beside it",
    ),
}


@pytest.mark.parametrize("path", [pytest.param(p, id=shown(p)) for p in [*python_files(), *cython_files()]])
def test_file_is_small(path):
    limit = PYTHON if path.suffix == ".py" else CYTHON
    limit, _ = EXCEPTIONS.get(shown(path), (limit, ""))
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= limit, f"{shown(path)} has {lines} lines: give part of its role to a file of its own"


def test_exceptions_are_still_needed():
    assert not [name for name in EXCEPTIONS if not (ROOT / name).exists()]


def test_setup_stays_readable():
    assert len((ROOT / "setup.py").read_text(encoding="utf-8").splitlines()) <= 150
