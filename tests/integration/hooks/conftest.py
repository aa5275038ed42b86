"""A limen with a module of hooks beside its configuration: each route is named after its hook."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import LimenProcess

SITE = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    name: front
    routes:
@ROUTES@
      - {upstream: web}
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""
ROUTE = '      - {name: NAME, match: {path: /NAME}, hooks: ["rules:NAME"], hook_timeout: TIME, upstream: web, timeouts: {response: 30s}}'
# Those that have to be cut short; others have all the time that a slow machine takes.
ENDLESS = {"slow", "slow_after", "stubborn"}

StartHooked = Callable[..., LimenProcess]


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[StartHooked]:
    """`hooked(source, names, **values)`: the functions `names` of a module `source`, each on the route /NAME."""
    with ExitStack() as stack:

        def start(source: str, names: list[str], *, text: str = SITE, **values: object) -> LimenProcess:
            (tmp_path / "rules.py").write_text(source, encoding="utf-8")
            times = {name: "1s" if name in ENDLESS else "30s" for name in names}
            routes = "\n".join(ROUTE.replace("NAME", name).replace("TIME", times[name]) for name in names)
            allow = [r"Traceback \(most recent call last\)"]
            return stack.enter_context(
                LimenProcess(text.replace("@ROUTES@", routes), values=values, directory=tmp_path, allow=allow)
            )

        yield start
