"""Limen: one proxy server for both directions, forward and reverse, programmable in Python.

`load` reads a configuration, `run` serves it, `hook`, `Exchange`, `Credentials` and `Named` are what modules of hooks
need; everything else is in the packages, each of which names its nouns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from limen.config import Config
    from limen.exchange import Credentials, Exchange, Named, hook

__all__ = ["Credentials", "Exchange", "Named", "__version__", "hook", "load", "run"]

__version__ = "0.1.0"


def load(path: str | os.PathLike[str]) -> Config:
    """Reads and checks a configuration file.

    Raises ConfigErrors (limen.errors), whose text names file, line, column, field and the mend of every problem.
    """
    import os

    # Imported here: workers and small tools import limen without wanting YAML and models.
    from limen.config import load as load_config

    return load_config(os.fspath(path))


def run(config: Config | str | os.PathLike[str]) -> int:
    """Serves a configuration, or the file at a path, until drained; returns the exit status.

    Must be called in the main thread (it takes the process's signals), and on a path also reloads on SIGHUP.
    Raises ConfigErrors for a bad configuration, other LimenErrors when it cannot start, such as an address in use.
    """
    from limen.config import Config as ConfigModel
    from limen.control.serve import serve, serve_file

    return serve(config) if isinstance(config, ConfigModel) else serve_file(config)


def __getattr__(name: str) -> object:
    # Imported when first asked for, as above.
    if name in {"Credentials", "Exchange", "Named", "hook"}:
        from limen import exchange

        return getattr(exchange, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
