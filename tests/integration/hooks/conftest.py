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
ROUTE = '      - {name: NAME, match: {path: /NAME}, hooks: ["rules:NAME"], hook_timeout: 1s, upstream: web, timeouts: {response: 3s}}'

StartHooked = Callable[..., LimenProcess]


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[StartHooked]:
    """`hooked(source, names, **values)`: the functions `names` of a module `source`, each on the route /NAME."""
    with ExitStack() as stack:

        def start(source: str, names: list[str], *, text: str = SITE, **values: object) -> LimenProcess:
            (tmp_path / "rules.py").write_text(source, encoding="utf-8")
            routes = "\n".join(ROUTE.replace("NAME", name) for name in names)
            allow = [r"Traceback \(most recent call last\)"]
            return stack.enter_context(
                LimenProcess(text.replace("@ROUTES@", routes), values=values, directory=tmp_path, allow=allow)
            )

        yield start
