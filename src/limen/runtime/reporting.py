"""What a supervisor tells whoever looks at it: its state, counts of the moment, and explanations."""

from __future__ import annotations

import asyncio
import enum
import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from limen.errors import LimenError
from limen.observe.audit_tail import recent
from limen.observe.capture_file import place_of
from limen.runtime import census, talkers
from limen.runtime.explain.worker import ExplainFailed, ask_worker
from limen.runtime.health_report import conditions, tell_states, upstream_rows
from limen.runtime.live import live
from limen.runtime.report import listeners, report
from limen.tls.bridge_files import authorities_of

if TYPE_CHECKING:
    from limen.config.models.admin import Admin
    from limen.config.models.bridge import BridgeAuthority
    from limen.runtime.crew import Crew
    from limen.runtime.discovering import Discovery
    from limen.runtime.estate import Estate
    from limen.runtime.explain.asked import Asked
    from limen.runtime.health import Health
    from limen.runtime.metrics import SharedBoard
    from limen.runtime.pins import Pins
    from limen.runtime.process import WorkerProcess
    from limen.runtime.shared import Shared

_log = logging.getLogger("limen.supervisor")


class Reporting:
    """The part of a Supervisor that only reads; see limen.runtime.protocols.Administered."""

    _began: float
    _phase: enum.Enum
    _version: str
    # None until they have come to be.
    _board: SharedBoard | None
    _crew: Crew | None
    _held: Estate | None
    _health: Health | None
    _discovery: Discovery
    _pins: Pins
    _shared: Shared

    async def status(self) -> Mapping[str, object]:
        """See limen.runtime.report."""
        if self._crew is None or self._held is None:
            return {"version": self._version, "state": str(self._phase.value)}
        return await report(
            version=self._version,
            state=str(self._phase.value),
            began=self._began,
            estate=self._held,
            crew=self._crew,
            health=self.health,
            discovery=self._discovery.report(),
        )

    def metrics(self) -> bytes:
        """The Prometheus exposition."""
        if self._board is None or self._held is None:
            return b""
        return self._board.exposition(self._held, self._discovery.samples(), conditions(self.health), self._shared)

    @property
    def health(self) -> Health:
        """Of the endpoints, to be seen and set."""
        if self._health is None:
            raise LimenError("the instance has not started yet")
        return self._health

    def authorities(self) -> tuple[BridgeAuthority, ...]:
        """Those that the revision in force bridges with."""
        return () if self._held is None else authorities_of(self._held.revision.config)

    def captures(self) -> Mapping[str, Sequence[str]]:
        """See Administered."""
        if self._held is None:
            return {}
        revision = self._held.revision
        return {name: place_of(revision.base, one).all_paths() for name, one in revision.config.captures.items()}

    def live(self) -> Mapping[str, object]:
        """See limen.runtime.live."""
        state = str(self._phase.value)
        if self._crew is None or self._board is None or self._held is None:
            return {"version": self._version, "state": state}
        return live(
            version=self._version,
            state=state,
            began=self._began,
            estate=self._held,
            crew=self._crew,
            board=self._board,
            upstreams=self.upstreams(),
        )

    def upstreams(self) -> list[dict[str, object]]:
        """Those in force, with their endpoints."""
        return [] if self._health is None else upstream_rows(self._health, self._discovery.report())

    def pins(self) -> Sequence[Mapping[str, object]]:
        """Hosts that were learnt to pin."""
        return self._pins.report()

    def listeners(self) -> Sequence[Mapping[str, object]]:
        """Those in force."""
        return [] if self._held is None else listeners(self._held)

    async def explain(self, asked: Asked) -> Mapping[str, object]:
        """Asks the first worker that serves. Raises AskedWrongly or ExplainFailed."""
        process = next((one.ready for one in self._crew.ready), None) if self._crew is not None else None
        if process is None:
            raise ExplainFailed("no worker serves at the moment")
        answer = await ask_worker(process, asked)
        if self._health is not None:
            tell_states(self._health, answer.get("upstream"))
        return answer

    async def exchanges(self, question: census.Question) -> Mapping[str, object]:
        """See limen.runtime.census.ask."""
        return await census.ask(self._serving(), question)

    async def talkers(self, question: talkers.Question) -> Mapping[str, object] | None:
        """See limen.runtime.talkers.ask."""
        if self._held is None or not self._held.revision.config.log.talkers:
            return None
        return await talkers.ask(self._serving(), question)

    async def refused(self, limit: int) -> Sequence[Mapping[str, object]] | None:
        """The last records of the audit log; None: there is none. Raises OSError."""
        if self._held is None or self._held.revision.config.log.audit is None:
            return None
        path = os.path.join(self._held.revision.base, str(self._held.revision.config.log.audit.path))
        return await asyncio.to_thread(recent, path, limit)

    async def kill(self, wanted: census.Wanted) -> int:
        """Ends exchanges and tunnels; told in the log."""
        count = await census.order_kill(self._serving(), wanted)
        conditions = ", ".join(f"{name} {value}" for name, value in wanted.fields().items())
        _log.info("%d exchanges and tunnels were killed (%s)", count, conditions or "all")
        return count

    def _serving(self) -> list[WorkerProcess]:
        members = self._crew.ready if self._crew is not None else []
        return [process for member in members if (process := member.ready) is not None]

    def admin(self) -> Admin | None:
        """The `admin` section in force."""
        return None if self._held is None else self._held.revision.config.admin
