"""What an operator asks: which way a request would go. Nothing is sent, counted or changed."""

from typing import Self, TypedDict, final, type_check_only

from limen.engine.access import AccessTable
from limen.engine.identity import Identity
from limen.engine.places import Facts
from limen.engine.service import Service
from limen.engine.tables import RouteTable
from limen.engine.upstream import Upstream
from limen.engine.worker import Worker

@type_check_only
class Standing(TypedDict):
    """What a balancer knows of an endpoint. Times in seconds; `share` of its priority, `portion` of all load."""

    address: str
    priority: int
    backup: bool
    live: bool
    words: list[str]  # what the supervisor says of it: down, ejected, draining, disabled; panic, called
    out_for: float
    failures: int
    share: float
    warming: bool
    weight: int
    most: int  # exchanges at a time, 0: any number
    in_flight: int  # all workers together
    busy: float  # as it says in its responses, 0 to 1
    peak: float
    group: int  # place of its priority
    portion: float

@type_check_only
class LimitNow(TypedDict):
    """A limit, as it stands for somebody."""

    name: str
    kind: str  # rate, concurrent, bandwidth, quota of bytes, quota of requests, life
    dry_run: bool
    most: int  # the burst, how many in flight, bytes per second, or how much in a period
    left: int | None  # of that; None: no instance counts, or it changes with every byte
    refuses: bool

@final
class Question:
    """A request that is asked about, with what the engine decided."""

    def __new__(
        cls,
        worker: Worker,
        service: Service,
        head: bytes,
        client: str,
        identity: Identity | None = None,
        certificate: bytes = b"",
        ja4: str = "",
        sni: str | None = None,
    ) -> Self:
        """`head` as it would come over the wire, from the IP address `client` ("unix": a unix socket), for `identity`.

        Where TLS is ended, over a connection that asked for the name `sni` (empty: for none; None: nothing is known of
        it), from somebody who has shown `certificate` (DER; empty: none), which is believed, and a hello of that JA4.

        ValueError for a client or a certificate that is none, and for a listener of opaque bytes.
        """

    @property
    def refusal(self) -> int:
        """The fault that it would be answered with; 0: none."""

    @property
    def number(self) -> int:
        """Of the route that takes it; -1: none."""

    @property
    def target_name(self) -> str:
        """Of the target, in its one form; empty if the request names none."""

    @property
    def target_port(self) -> int: ...
    @property
    def normal_path(self) -> str:
        """As routes see it."""

    @property
    def replaced_path(self) -> str | None:
        """What `rewrite.replace` makes of it."""

    @property
    def client_address(self) -> str:
        """Who it is for, behind trusted proxies."""

    @property
    def certificate(self) -> str | None:
        """Subject of what the client has shown, or its alternative names if it has none; None without one."""

    @property
    def access_rule(self) -> int:
        """The access rule that decided, or that waits for the target's address; -1: none."""

    @property
    def passing_rule(self) -> int:
        """The first rule that would have decided but is dry; -1: none."""

    @property
    def dialled_name(self) -> str:
        """Whose address is dialled: the target's name, or what a rule says instead."""

    @property
    def waits_for_address(self) -> bool:
        """Whether a rule has to see the target's address first."""

    @property
    def chosen(self) -> Upstream | None: ...
    @property
    def place(self) -> Facts | None:
        """Where the client is; None without places."""

    @property
    def limits(self) -> list[LimitNow]:
        """How the limits of its route, and of the rule that lets it pass, stand for it; nothing is used up."""

    @property
    def shared(self) -> tuple[int, str] | None:
        """Of a route that is split: the number of the share, and why this one: `cookie`, `key` or `turn`."""

    def kept(self) -> tuple[int, str] | None:
        """Of an upstream with a sticky cookie: the index of the endpoint that the client's names, and what becomes of
        it.

        `none` (it has sent no cookie), `unknown` (forged, or its endpoint is gone), `out`, `full` or `kept`.
        """

    def judge(self, address: str) -> int:
        """The fault of dialling the target at this address: the rules on it, own listeners, special addresses; 0: none.
        ValueError if it is no IP address.
        """

    def meets(self, routes: RouteTable) -> bool:
        """Whether a route of another table takes the request. TypeError unless its actions are Actions."""

    def admits(self, access: AccessTable, address: str | None = None) -> bool:
        """Whether the rules of another table allow it, its target being at `address`. ValueError if that is none."""

def opaque_action(service: Service, name: str) -> int:
    """Which route a TLS connection to `name` takes whatever else its client says: its number, -1 for none."""

def standing(upstream: Upstream, question: Question | None = None, most: int = 16) -> tuple[list[Standing], list[int]]:
    """What the balancer knows of each endpoint, and in which order it would choose, each in turn being full.

    Its own choice is asked, then everything is put back: nobody's turn is taken.
    """

def bounds_of(upstream: Upstream) -> list[tuple[str, int, int]]:
    """What bounds the upstream as a whole: the key, how many there are now of all workers, how many there may be."""
