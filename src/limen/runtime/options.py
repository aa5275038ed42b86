"""How an instance is run, beside its configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from limen.runtime.provision import Loaded
from limen.runtime.worker import DEFAULT_CORE


@dataclass(frozen=True, slots=True)
class Options:
    """How an instance is run, beside its configuration."""

    load: Callable[[], Loaded] | None = None
    """Reads the configuration again, for reloads; None when it did not come from a file."""
    name: str = ""
    """What the default control socket is derived from: the configuration's absolute path, or any other text."""
    base: str = ""
    """Directory of the configuration file."""
    core: str = DEFAULT_CORE
    announce: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: T201 the contract's stdout
    ready: Callable[[], None] = lambda: None
    """Called once after the last line was announced."""
    version: str = ""
