"""What the runtime needs from others, written by the consumer: the core a worker runs and the admin server.

Nothing here is implemented here. limen.runtime.assemble provides the core, limen.control the admin server;
tests provide small ones of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket

    from limen.config.models.admin import Admin
    from limen.config.models.bridge import BridgeAuthority
    from limen.runtime.census import Question, Wanted
    from limen.runtime.explain.asked import Asked
    from limen.runtime.health import Health
    from limen.runtime.reload import ReloadReport
    from limen.runtime.talkers import Question as TalkersQuestion

Log = Callable[[str, str], None]
"""`log(level, text)`, level one of debug, info, warning, error."""


class WorkerCore(Protocol):
    """What one worker process runs. All methods are called on the loop's thread, none concurrently.

    Order of life: loop_factory, then prepare + publish of the first revision, then listen; later any number of
    reloads (prepare on all workers, then publish or discard); at the end drain, stop.
    """

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        """Makes the one event loop of the process; called once, before anything else."""

    def prepare(self, payload: bytes, number: int) -> Awaitable[None] | None:
        """Builds revision `number` completely without changing anything that is in force.

        `payload` is decoded by limen.runtime.revision.decode. May return an awaitable for work that should not hold
        the loop. Raises LimenError for what the configuration gets wrong, ImportError for hooks that do not import.
        """

    def publish(self, number: int) -> None:
        """Puts the prepared revision in force for new exchanges, in one step. Must not fail."""

    def discard(self, number: int) -> None:
        """Drops a prepared revision that was not published; unknown numbers are ignored."""

    def take_tickets(self, payload: bytes) -> None:
        """Session ticket keys of all listeners (limen.runtime.contexts.encode_keys), in force at once.

        They come before the first `prepare` of a listener that has tickets, and again whenever they change.
        """

    def take_pins(self, payload: bytes) -> None:
        """Hosts whose clients pin, as all workers know them (limen.runtime.pins.Pins.payload)."""

    def take_databases(self, digests: Sequence[str], descriptors: Sequence[int]) -> None:
        """MMDB files by the digests of their contents, before the first `prepare` of a revision that names them.

        The core owns the descriptors and closes them.
        """

    def take_limits(self, fd: int) -> None:
        """The memory of limits (limen.observe.limits.create), which the core owns from here on.

        It comes before the first `prepare` of a configuration with limits, and then before each.
        """

    def take_quotas(self, fd: int) -> None:
        """The file of quotas (limen.observe.quotas), which the core owns from here on; likewise."""

    def take_lists(self, lists: Sequence[tuple[str, int]]) -> None:
        """Tables of address lists, by the path of their file, in force at once; the core owns the descriptors.

        They come before the first `prepare` of a configuration that names them, and again whenever one changes.
        """

    def shed_idle(self) -> None:
        """Some endpoints were drained or disabled: what rests towards them is closed."""

    rejected: Callable[[Mapping[str, object]], None] | None
    """Set by the worker: hears of leaves that clients rejected, as limen.runtime.pins.Pins.note takes them."""

    def listen(self, listener_key: str, fd: int) -> None:
        """Accepts connections from the listening socket `fd` for a listener of the published revision.

        The core owns `fd` from here on and closes it. Called several times with one key when a worker serves more
        than one socket of a listener. Returns when connections are being accepted.
        """

    def unlisten(self, listener_key: str) -> None:
        """Accepts what waits, and closes all sockets of the listener.

        Its connections end with their exchange; those without one soon, a request on its way still being answered.
        """

    def drain(self) -> None:
        """As `unlisten` for all listeners, and for good. Tunnels go on; `live` tells when all has ended."""

    def live(self) -> Mapping[str, int]:
        """Counts of what lives now: connections, exchanges, tunnels. Cheap: asked every second."""

    def status(self) -> Mapping[str, object]:
        """A JSON-able report for `limen status`; may be a little expensive."""

    def explain(self, asked: Mapping[str, object]) -> Awaitable[Mapping[str, object]]:
        """Which way a request would go (limen.runtime.explain): JSON-able. Raises LimenError for a wrong question."""

    def exchanges(self, asked: Mapping[str, object]) -> Awaitable[Mapping[str, object]]:
        """Exchanges and tunnels under way (limen.runtime.census.survey)."""

    def talkers(self, asked: Mapping[str, object]) -> Awaitable[Mapping[str, object]]:
        """Who and what moves most (limen.runtime.talkers.survey)."""

    def kill(self, asked: Mapping[str, object]) -> Awaitable[int]:
        """Ends those that are meant (limen.runtime.census.kill)."""

    def reopen_logs(self) -> None:
        """Opens log files anew, after a rotation."""

    def stop(self) -> None:
        """Closes everything at once. The loop ends right after; nothing else is called."""


class CoreFactory(Protocol):
    """How a worker makes its core: `Core(worker=0, board=5, log=...)`."""

    def __call__(self, *, worker: int, board: int | None, log: Log) -> WorkerCore:
        """`worker` counts from 0; `board` is the descriptor of the shared board, owned by the core."""


class Administered(Protocol):
    """What the admin server may see and do: the supervisor, from its side."""

    async def status(self) -> Mapping[str, object]:
        """The JSON-able state of the instance."""

    def metrics(self) -> bytes:
        """The Prometheus exposition; may be called in a thread."""

    def live(self) -> Mapping[str, object]:
        """Counts of this moment, JSON-able; cheap, asks no worker."""

    def upstreams(self) -> Sequence[Mapping[str, object]]:
        """The upstreams with their endpoints, as in `status`."""

    def listeners(self) -> Sequence[Mapping[str, object]]:
        """The listeners, as in `status`."""

    async def explain(self, asked: Asked) -> Mapping[str, object]:
        """Which way a request would go, by a worker's tables and balancers. Raises LimenError."""

    async def exchanges(self, question: Question) -> Mapping[str, object]:
        """A page of the exchanges and tunnels under way (limen.runtime.census.ask)."""

    async def talkers(self, question: TalkersQuestion) -> Mapping[str, object] | None:
        """Who and what moves most (limen.runtime.talkers.ask); None: nobody keeps count."""

    async def refused(self, limit: int) -> Sequence[Mapping[str, object]] | None:
        """The last records of the audit log, the newest first; None: there is none. Raises OSError."""

    async def kill(self, wanted: Wanted) -> int:
        """Ends exchanges and tunnels; how many there were."""

    def admin(self) -> Admin | None:
        """Who may ask at the admin address, by the configuration in force."""

    def captures(self) -> Mapping[str, Sequence[str]]:
        """The files of each capture in force, the oldest first; some may be missing."""

    def authorities(self) -> tuple[BridgeAuthority, ...]:
        """The authorities of the listeners that bridge, each once; empty where none does."""

    @property
    def health(self) -> Health:
        """Of the endpoints: to be shown (limen.runtime.health_report) and set at run time."""

    async def reload(self) -> ReloadReport:
        """Reads the configuration again and puts it in force. Raises ReloadFailed."""

    def pins(self) -> Sequence[Mapping[str, object]]:
        """Hosts that clients were seen to pin: JSON-able."""

    def begin_drain(self) -> None:
        """As SIGTERM: the instance ends when what lives has ended, or at the deadline."""


class AdminServer(Protocol):
    """The doors of an instance: the control socket, and the admin address if there is one."""

    async def open_control(self, sock: socket.socket) -> None:
        """Serves the control socket. The socket stays the caller's: a duplicate is served."""

    async def open_admin(self, sock: socket.socket | None) -> None:
        """Serves the admin address on this socket from now on, instead of another; None closes it."""

    async def close(self) -> None:
        """Stops accepting and ends what is open."""


AdminFactory = Callable[[Administered], AdminServer]
