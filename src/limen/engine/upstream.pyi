"""Where exchanges go: endpoints with their idle connections, upstreams with their balancer."""

from collections.abc import Container
from typing import Self

from limen.engine.balance import Balancer
from limen.engine.cookies import Cookie
from limen.engine.nearest import Nearest
from limen.engine.queue import Queue
from limen.engine.reactor import Handler
from limen.engine.tls.contexts import ClientContext
from limen.engine.worker import Worker

class Pooled(Handler):
    """A connection that can rest in an endpoint's pool; compiled code only."""

    def __new__(cls) -> Self: ...

class Endpoint:
    """One address that exchanges go to, with the idle connections this worker keeps to it."""

    def __new__(
        cls,
        worker: Worker,
        *,
        key: str,
        host: str,
        port: int,
        slot: int = 0xFFFFFFFF,
        proxy_protocol: int = 0,
        is_target: bool = False,
        warming: bool = False,
        server_name: str = "",
        label: str = "",
    ) -> Self:
        """`key` makes it the same endpoint over reloads; `host` may be a name, an address or unix:/path (of at most
        107 bytes, else ValueError); `slot` is the board's; `proxy_protocol` the version to send, 0 for none;
        `warming` has it start slowly where its upstream says so; `server_name` stands for the host in TLS,
        `label` for the address in logs.
        """

    @property
    def key(self) -> str: ...
    @property
    def label(self) -> bytes:
        """The address for log and metrics."""

    @property
    def host(self) -> bytes: ...
    @property
    def server_name(self) -> bytes: ...
    @property
    def port(self) -> int: ...
    @property
    def slot(self) -> int: ...
    @property
    def proxy_protocol(self) -> int: ...
    @property
    def is_target(self) -> bool:
        """Whether it comes from a request, not from the configuration."""

    @property
    def links(self) -> Endpoint | None: ...
    @property
    def active(self) -> int:
        """Exchanges that are at work with it, in this worker."""

    @property
    def connections(self) -> int: ...
    @property
    def idle_count(self) -> int: ...
    @property
    def opening(self) -> int:
        """Connections that are being opened ahead, in this worker."""

    @property
    def retired(self) -> bool: ...
    @property
    def failures(self) -> int:
        """Dials that failed, in a row."""

    def shed_idle(self) -> int:
        """Close what rests here, if the operator has taken the endpoint out; how many that were."""

    def retire(self) -> None:
        """Out of the configuration: idle connections end now, busy ones after their exchange."""

class Upstream:
    """A named group of endpoints and how one of them is chosen."""

    def __new__(
        cls,
        name: str,
        members: list[Endpoint],
        *,
        balancer: Balancer | None = None,
        queue: Queue | None = None,
        dial_timeout: float = 5.0,
        idle_timeout: float = 55.0,
        idle: int = 512,
        tls: ClientContext | None = None,
        handshake_timeout: float = 10.0,
        key_by: int = 0,
        key_name: str = "",
        run_most: int = 0,
        failing: Container[int] = (502, 503, 504),
        whole: Endpoint | None = None,
        most: int = 0,
        cookie: Cookie | None = None,
        nearest: Nearest | None = None,
        max_age: float = 0.0,
        max_requests: int = 0,
        retries: Endpoint | None = None,
        hedges: Endpoint | None = None,
        links: Endpoint | None = None,
        links_most: int = 0,
        report: str = "",
        warm: int = 0,
    ) -> Self:
        """Without a `balancer` in turn, without a `queue` shed. Times in seconds; `idle` connections kept per
        endpoint. `key_by`, `key_name`: what the policy hash goes by (affinity.pxd); names of fields in lower case.
        `run_most`: failures in a row that raise the alarm of the board, 0 for none; `failing`: statuses that count as
        failures. `whole`: no endpoint, but what counts the exchanges at all of them, `most` at a time.
        `max_age` and `max_requests` of one connection, a little less for some; 0: no bound.
        `retries`, `hedges` and `links` are no endpoints either, but count exchanges in retries, hedges and connections
        (`links_most` at a time) for all workers. `report`: the field by which endpoints tell how busy they
        are. `warm` connections are kept open per endpoint by a Warmer.
        `cookie` keeps clients at their endpoint; `nearest` has balancers by the client's place.
        ValueError if the balancer or the cookie is for another number of endpoints.
        """

    def adopt(self, fresh: Upstream) -> None:
        """Have the endpoints of `fresh`, and its way to choose among them, from now on; `fresh` is used up.

        For exchanges in flight nothing changes: they have their endpoint. Those that wait may find a place.
        """

    @property
    def name(self) -> bytes: ...
    @property
    def members(self) -> list[Endpoint]: ...
    @property
    def count(self) -> int: ...
    @property
    def balancer(self) -> Balancer: ...
    @property
    def cookie(self) -> Cookie | None: ...
    @property
    def nearest(self) -> Nearest | None: ...
    @property
    def queue(self) -> Queue | None: ...
    @property
    def whole(self) -> Endpoint | None: ...
    @property
    def most(self) -> int: ...
    @property
    def run_most(self) -> int: ...
    @property
    def idle_most(self) -> int: ...
    @property
    def warm(self) -> int: ...
    @property
    def tls(self) -> ClientContext | None: ...
    @property
    def dial_seconds(self) -> float: ...
    @property
    def retries(self) -> Endpoint: ...
    @property
    def hedges(self) -> Endpoint | None: ...
    @property
    def links(self) -> Endpoint | None: ...
    @property
    def links_most(self) -> int: ...
    @property
    def report(self) -> bytes | None: ...
    @property
    def retrying(self) -> int:
        """Exchanges that are in a retry or a hedge, in this worker."""
