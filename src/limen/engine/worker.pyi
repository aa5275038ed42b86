"""What exchanges of one worker share: counts, names, own addresses, the journal."""

from collections.abc import Callable, Mapping
from typing import Protocol, Self, type_check_only

from limen.engine.board import Board
from limen.engine.cells import LimitCells
from limen.engine.exchange import Exchange
from limen.engine.identifying import Claim
from limen.engine.identity import IdentityCache
from limen.engine.journal import Journal
from limen.engine.places import Places
from limen.engine.quotas import QuotaCells
from limen.engine.reactor import Reactor
from limen.engine.talkers import Talkers

@type_check_only
class OwnAddresses(Protocol):
    """The addresses of this process at one port."""

    def matches(self, ip: str) -> bool:
        """Whether `ip` is one of them."""

@type_check_only
class Discretion(Protocol):
    """How something is named where not all may be told."""

    def client(self, address: str) -> str:
        """An address."""

    def user(self, name: str) -> str:
        """The name of an identity."""

    def target(self, name: str) -> str:
        """A host."""

class Resolution:
    """What is known of one name; compiled code only."""

    def __new__(cls) -> Self: ...

class Worker(Reactor):
    """The base of Engine."""

    max_connections: int  # of clients; those beyond are closed at once
    connections: int  # of clients
    exchanges: int
    tunnels: int
    draining: bool
    resting_most: int  # idle connections to configured endpoints; the one idle longest goes first
    places: Places | None  # where clients are
    cells: LimitCells | None  # of limits; None: none are configured
    quotas: QuotaCells | None  # None: none are configured
    talkers: Talkers | None  # None: nobody keeps count of who moves most
    discretion: Discretion | None  # how the event log names whom it is about; None: in full
    identities: IdentityCache | None  # known of late; None: nobody is asked who they are
    @property
    def resting(self) -> int:
        """Idle connections to targets of requests; at most 1,024."""

    @property
    def resting_endpoints(self) -> int:
        """Idle connections to configured endpoints; at most `resting_most`."""

    def __new__(
        cls,
        *,
        number: int = 0,
        board: Board | None = None,
        journal: Journal | None = None,
        resolve: Callable[[str], object] | None = None,
        run_hook: Callable[[Exchange, bool], object] | None = None,
        identify: Callable[[Claim], object] | None = None,
        report: Callable[[int, str], object] | None = None,
        max_connections: int = 10000,
    ) -> Self: ...
    @property
    def number(self) -> int:
        """Of the worker, from 0."""

    @property
    def board(self) -> Board:
        """Where it counts; a sink if none was given."""

    @property
    def audit(self) -> Journal | None:
        """Where it writes what was refused."""

    def set_audit(self, journal: Journal | None) -> None:
        """Write what is refused to this journal, too, from now on; None: to none."""

    @property
    def journal(self) -> Journal | None:
        """Where it writes the access log."""

    def set_own(self, addresses: Mapping[int, OwnAddresses]) -> None:
        """Where this process itself listens, by port: never dialled for a target that a request names."""

    def set_journal(self, journal: Journal | None) -> None:
        """Write the access log to another journal from now on; None: to none."""

    def resolved(self, host: str, addresses: list[str], ttl: float, fault: int = 0) -> None:
        """The answer to resolve(host): addresses in the order to try them (16 at most), valid for `ttl` seconds.

        `fault` is a FaultNumber if there is none. An answer nobody waits for is ignored.
        """
