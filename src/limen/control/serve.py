"""From a configuration to a running supervisor, with the admin server plugged in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import limen
from limen.config import read
from limen.control.admin.server import Doors
from limen.runtime.options import Options
from limen.runtime.pacing import uncollected
from limen.runtime.provision import Loaded, Provision
from limen.runtime.supervisor import Supervisor
from limen.runtime.worker import DEFAULT_CORE

if TYPE_CHECKING:
    from limen.config import Config


def serve_file(path: str | os.PathLike[str], *, core: str = DEFAULT_CORE) -> int:
    """Serves the file's configuration until drained; returns the exit status. Raises LimenError."""
    # Fixed now: a later change of directory or of a symbolic link's parent must not change what a reload reads.
    absolute = Path(os.path.abspath(path))

    provision = Provision()

    def load() -> Loaded:
        return provision.load(read(absolute))

    options = Options(load=load, name=str(absolute), base=str(absolute.parent), core=core, version=limen.__version__)
    with uncollected():
        loaded = load()
    return _serve(loaded, options, provision)


def serve(config: Config, *, name: str = "", core: str = DEFAULT_CORE, ready: Callable[[], None] = lambda: None) -> int:
    """Serves a configuration made in Python; it cannot be reloaded.

    `name`: what its control socket is named after; `ready` is called once all workers accept.
    """
    options = Options(
        name=name or f"pid {os.getpid()}", base=str(Path.cwd()), core=core, ready=ready, version=limen.__version__
    )
    provision = Provision()
    return _serve(provision.load_config(config), options, provision)


def _serve(loaded: Loaded, options: Options, provision: Provision) -> int:
    async def live() -> int:
        return await Supervisor(loaded, options=options, admin=Doors, provision=provision).run()

    return asyncio.run(live())
