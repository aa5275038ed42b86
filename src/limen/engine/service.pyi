"""What one listener of one revision needs, compiled. Built by limen.runtime.assemble, immutable once published."""

from collections.abc import Callable
from typing import Self

from limen.engine.access import AccessTable
from limen.engine.addresses import AddressSet
from limen.engine.bridged import Bridge
from limen.engine.capture import Capture
from limen.engine.certificates import CertificateMatch
from limen.engine.demand import Demand
from limen.engine.guard import Guard
from limen.engine.mask import Mask
from limen.engine.pac import Pac
from limen.engine.pages import Pages
from limen.engine.resilience import Resilience
from limen.engine.scrub import Scrub
from limen.engine.split import Split
from limen.engine.tables import RouteTable
from limen.engine.tls.contexts import ServerContext
from limen.engine.tls.passes import PassTable
from limen.engine.upstream import Upstream
from limen.engine.ways_out import Egress

class Edits:
    """Compiled `request:` / `response:` edits."""

    # The names are the words of the configuration.
    def __new__(cls, set: dict[str, str], remove: list[str]) -> Self:  # noqa: A002
        """Names and values in Latin-1; ValueError over 32 fields to set."""

    @property
    def set_count(self) -> int: ...
    @property
    def drop_count(self) -> int: ...

class Action:
    """What a route does with an exchange. Times in seconds, sizes in bytes."""

    def __new__(
        cls,
        name: str,
        *,
        slot: int = 0xFFFFFFFF,
        upstream: Upstream | None = None,
        status: int = 0,
        body: bytes = b"",
        location: bytes | None = None,
        reply: Edits | None = None,
        strip: str = "",
        add: str = "",
        replace: Callable[[bytes], bytes] | None = None,
        request: Edits | None = None,
        response: Edits | None = None,
        body_most: int = 0,
        response_timeout: float = 60.0,
        stall_timeout: float = 60.0,
        attempts: int = 2,
        retry_methods: int = 0,
        keep_memory: int = 65536,
        keep_most: int = 1048576,
        host_mode: int = 0,
        host: str = "",
        request_hooks: list[object] | None = None,
        response_hooks: list[object] | None = None,
        hook_timeout: float = 5.0,
        upgrade: bool = True,
        certificate: CertificateMatch | None = None,
        split: Split | None = None,
        resilience: Resilience | None = None,
        guard: Guard | None = None,
        mask: Mask | None = None,
        scrub: Scrub | None = None,
        pages: Pages | None = None,
        demand: Demand | None = None,
        capture: Capture | None = None,
    ) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def slot(self) -> int: ...
    @property
    def upstream(self) -> Upstream | None: ...
    @property
    def split(self) -> Split | None: ...
    @property
    def certificate(self) -> CertificateMatch | None: ...
    @property
    def demand(self) -> Demand | None: ...
    @property
    def capture(self) -> Capture | None: ...
    @property
    def resilience(self) -> Resilience: ...
    @property
    def guard(self) -> Guard | None: ...
    @property
    def mask(self) -> Mask | None: ...
    @property
    def scrub(self) -> Scrub | None: ...
    @property
    def pages(self) -> Pages | None: ...
    @property
    def request_hooks(self) -> list[object]: ...
    @property
    def response_hooks(self) -> list[object]: ...
    @property
    def hook_timeout(self) -> float: ...

class Service:
    """Everything one listener needs. Times in seconds, sizes in bytes."""

    def __new__(
        cls,
        name: str,
        *,
        target_source: int,
        slot: int = 0xFFFFFFFF,
        unrouted: int = 0xFFFFFFFF,
        routes: RouteTable | None = None,
        action: Action | None = None,
        access: AccessTable | None = None,
        targets_allowed: AddressSet | None = None,
        private_allowed: bool = False,
        anonymity: int = 1,
        trusted: AddressSet | None = None,
        preface_from: AddressSet | None = None,
        line: int = 8192,
        fields: int = 32768,
        count: int = 100,
        trailers: int = 16,
        underscores: bool = False,
        head_timeout: float = 10.0,
        idle_timeout: float = 60.0,
        body_timeout: float = 30.0,
        tunnel_idle: float = 300.0,
        tunnel_half: float = 30.0,
        tunnel_life: float = 86400.0,
        dial_timeout: float = 5.0,
        min_rate: int = 500,
        min_rate_after: float = 10.0,
        per_client: int = 200,
        per_client_loopback: bool = False,
        via: str = "limen",
        id_field: str = "X-Request-Id",
        id_trust: bool = False,
        add_forwarded: bool = True,
        add_x_forwarded: bool = True,
        scheme: str = "http",
        port: int = 80,
        tls: ServerContext | None = None,
        passes: PassTable | None = None,
        bridge: Bridge | None = None,
        opened: int = 0,
        asks_ja4: bool = False,
        add_certificate: bool = False,
        handshake_timeout: float = 10.0,
        allow: AddressSet | None = None,
        deny: AddressSet | None = None,
        connections_most: int = 0,
        pages: Pages | None = None,
        ways: int = 1,
        transparent: int = 0,
        logged: bool = True,
        bind_timeout: float = 0.0,
        relay_targets: int = 0,
        relay_size: int = 65507,
        relay_idle: float = 60.0,
        pac: Pac | None = None,
        demand: Demand | None = None,
        egress: Egress | None = None,
        exits: list[Egress | bool | None] | None = None,
    ) -> Self:
        """ValueError for bounds of a head that the parser cannot keep: 256 fields, 65531 bytes in all."""

    @property
    def name(self) -> str: ...
    @property
    def slot(self) -> int: ...
    @property
    def routes(self) -> RouteTable | None: ...
    @property
    def action(self) -> Action | None: ...
    @property
    def access(self) -> AccessTable | None: ...
    @property
    def demand(self) -> Demand | None: ...
    @property
    def targets_allowed(self) -> AddressSet | None: ...
    @property
    def private_allowed(self) -> bool: ...
    @property
    def pages(self) -> Pages | None: ...
    @property
    def allow(self) -> AddressSet | None: ...
    @property
    def deny(self) -> AddressSet | None: ...
    @property
    def trusted(self) -> AddressSet | None: ...
    @property
    def preface_from(self) -> AddressSet | None: ...
    @property
    def tls(self) -> ServerContext | None: ...
    @property
    def passes(self) -> PassTable | None: ...
    @property
    def pac(self) -> Pac | None: ...
    @property
    def bridge(self) -> Bridge | None: ...
    @property
    def egress(self) -> Egress | None: ...
    @property
    def exits(self) -> list[Egress | bool | None] | None: ...
