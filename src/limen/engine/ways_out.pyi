"""Ways out, as data; choosing and passing them is for compiled code."""

from collections.abc import Callable
from typing import Self

from limen.engine.source import Source
from limen.engine.tls.contexts import ClientContext
from limen.engine.upstream import Endpoint, Upstream

class Hop:
    """One parent: `kind` is `http` or `socks5`. ValueError for credentials that its protocol cannot carry."""

    def __new__(
        cls, kind: str, host: str, port: int, *, tls: ClientContext | None = None, user: str = "", password: str = ""
    ) -> Self: ...
    @property
    def kind(self) -> int: ...
    @property
    def host(self) -> bytes: ...
    @property
    def port(self) -> int: ...
    @property
    def tls(self) -> ClientContext | None: ...

class Way:
    """A chain of parents, or without them a source of our own; `endpoint` stands for it where it is chosen."""

    def __new__(cls, endpoint: Endpoint, hops: list[Hop], *, source: Source | None = None, key: str) -> Self: ...
    @property
    def hops(self) -> list[Hop]: ...
    @property
    def source(self) -> Source | None: ...
    @property
    def endpoint(self) -> Endpoint: ...

class Egress:
    """A choice among ways. `sticky`: 0 none, 1 by client or session, 2 by connection; `sticky_for` in seconds.

    `narrow(wishes, session)` gives one of fewer ways, for a client who says which; None if none fits.
    """

    def __new__(
        cls,
        name: str,
        upstream: Upstream,
        ways: list[Way],
        *,
        fallback: bool = False,
        resolve_here: bool = False,
        sticky: int = 0,
        sticky_for: float = 0.0,
        narrow: Callable[[tuple[tuple[str, str], ...], bool], Egress | None] | None = None,
    ) -> Self: ...
    @property
    def name(self) -> bytes: ...
    @property
    def upstream(self) -> Upstream: ...
