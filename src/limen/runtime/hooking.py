"""Running hooks for parked exchanges: plain ones at once, coroutines as tasks on the worker's loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, cast

from limen.engine.handle import ExchangeHandle
from limen.exchange.exchange import Exchange
from limen.exchange.hooks import Chain, Outcome
from limen.faults import FaultNumber
from limen.terms import Verdict

if TYPE_CHECKING:
    from limen.engine.exchange import Exchange as Parked

_logger = logging.getLogger("limen.hooks")
_Start = Callable[[Coroutine[object, object, None]], asyncio.Task[None]]


class HookRun:
    """What stays with an exchange from its request hooks to its response hooks."""

    def __init__(self, parked: Parked) -> None:
        self.handle = ExchangeHandle(parked)
        self.exchange = Exchange(self.handle)
        self.task: asyncio.Task[None] | None = None

    def ended(self) -> None:
        """The exchange is over, perhaps before its hook: nobody waits for that any more."""
        self.handle.let_go()
        if self.task is not None:
            self.task.cancel()


class HookRunner:
    """The engine's `run_hook`."""

    def __init__(self, start: _Start) -> None:
        self._start = start

    def run(self, parked: Parked, response: bool) -> None:  # noqa: FBT001 the engine's call
        """Run the hooks of the phase in which the exchange is parked, then let it go on."""
        state = ExchangeHandle(parked).state
        run = state if isinstance(state, HookRun) else None
        if run is None:
            run = HookRun(parked)
            run.handle.keep_state(run)
        chain = cast("Chain", run.handle.hooks[0])
        if chain.is_plain:
            _conclude(run, chain.run_now(run.exchange))
        else:
            run.task = self._start(_run(run, chain))


async def _run(run: HookRun, chain: Chain) -> None:
    task = run.task = asyncio.current_task()
    outcome = Outcome(Verdict.DENY, FaultNumber.HOOK)
    try:
        outcome = await chain.run(run.exchange, lambda late: _give_up(run, late))
    except LookupError:
        # the exchange ended while the hook was at work
        return
    finally:
        if run.task is task:
            run.task = None
            _conclude(run, outcome)


def _give_up(run: HookRun, outcome: Outcome) -> None:
    """The exchange goes on without a hook that does not end; whatever that still does goes nowhere."""
    run.task = None
    _conclude(run, outcome)
    run.handle.let_go()


def _conclude(run: HookRun, outcome: Outcome) -> None:
    if outcome.verdict is Verdict.REPLY:
        return
    run.handle.conclude(outcome.fault if outcome.verdict is Verdict.DENY else 0)
