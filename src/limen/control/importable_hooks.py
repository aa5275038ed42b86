"""The check that `limen check` adds for hooks: every `module:function` can be imported and is a hook.

It imports what workers would import, so the supervisor itself does not make it: there the workers refuse.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from limen.config import Check, Config
from limen.config.findings import Finding
from limen.errors import ConfigError
from limen.exchange.hooks import load_hook


def importable_hooks(base: Path) -> Check:
    """The check for a configuration that lies in the directory `base`, where its hooks' modules may lie too."""

    def check(config: Config) -> Iterator[Finding]:
        found = list(_references(config))
        if found and str(base) not in sys.path:
            # behind everything else, as in the workers
            sys.path.append(str(base))
        for path, reference in found:
            try:
                load_hook(reference)
            except ConfigError as error:
                yield Finding(path, error.args[0], error.hint)

    return check


def _references(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for number, listener in enumerate(config.listeners):
        for index, route in enumerate(listener.routes or ()):
            for place, reference in enumerate(route.hooks):
                yield ("listeners", number, "routes", index, "hooks", place), reference
        if listener.forward is not None:
            for place, reference in enumerate(listener.forward.hooks):
                yield ("listeners", number, "forward", "hooks", place), reference
