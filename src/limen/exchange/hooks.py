"""Hooks: users' functions at a phase of an exchange. Declaring, loading and running them.

A hook takes one argument, the exchange, and returns nothing. What it decides it does to the exchange: edits,
a target, a reply. A chain runs the hooks of a route in their order, under one deadline per hook.
"""
# ruff: noqa: SLF001 - the chain uses those methods of an exchange that are hidden from hooks

from __future__ import annotations

import asyncio
import difflib
import importlib
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from limen.errors import BodyTooLarge, BodyTruncated, ConfigError
from limen.exchange.exchange import Exchange
from limen.exchange.icap import AdaptationFailed
from limen.faults import FaultNumber
from limen.terms import Phase, Verdict

HookFunction = Callable[[Exchange], Awaitable[None] | None]
F = TypeVar("F", bound=Callable[..., object])

#: Phases that hooks may declare.
PHASES = {Phase.REQUEST, Phase.RESPONSE}
#: The largest content that a hook may ask for, bytes.
MAX_BODY = 64 << 20
#: One hook's failures are logged at most this often (seconds); the others are counted.
LOG_INTERVAL = 1.0
#: What a coroutine hook has to clean up after its deadline has cancelled it, seconds; then it is given up.
GRACE = 0.25

_MARK = "__limen_hook__"
logger = logging.getLogger("limen.hooks")


def hook(phase: Literal["request", "response"] = "request", *, body: int = 0) -> Callable[[F], F]:
    """Declare at which phase a function runs, and how many bytes of that message's content it may read.

    Without this decorator a hook runs at `request` and reads no content. It may be given twice, for both
    phases. Raises ValueError for another phase, or a bound that is negative or over 64 MiB.
    """
    if phase not in PHASES:
        raise ValueError(f"hooks run at the phases {' and '.join(sorted(PHASES))}, not {phase!r}")
    if not 0 <= body <= MAX_BODY:
        raise ValueError(f"body must be 0 to {MAX_BODY} bytes, not {body}")

    def declare(function: F) -> F:
        declared: dict[Phase, int] = getattr(function, _MARK, {})
        setattr(function, _MARK, {**declared, Phase(phase): body})
        return function

    return declare


@dataclass(frozen=True, slots=True)
class Hook:
    """A loaded hook at one phase."""

    reference: str  # module:function
    function: HookFunction
    phase: Phase
    body: int  # bound of the content it may read, bytes; 0: none
    is_coroutine: bool
    timeout: float = 0.0  # its own deadline in seconds; 0: that of the route


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a chain decided: CONTINUE, REPLY (the handle has it), or DENY with a fault to answer."""

    verdict: Verdict
    fault: int = FaultNumber.NONE


_CONTINUE, _REPLY = Outcome(Verdict.CONTINUE), Outcome(Verdict.REPLY)


def load_hook(reference: str) -> tuple[Hook, ...]:
    """Load `module:function`: one Hook per declared phase.

    Raises ConfigError that says what is wrong: the form, the import, the name, or the function.
    """
    function = load_function(reference, "the exchange")
    is_coroutine = _is_coroutine(function)
    declared: dict[Phase, int] = getattr(function, _MARK, {}) or {Phase.REQUEST: 0}
    return tuple(
        Hook(reference, cast("HookFunction", function), phase, body, is_coroutine)
        for phase, body in sorted(declared.items())
    )


def load_function(reference: str, argument: str) -> object:
    """The function that `module:function` names, which takes one argument: `argument` in words. Raises ConfigError."""
    module_name, colon, path = reference.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *path.split(".")]):
        raise ConfigError(f"{reference!r} does not name a hook", hint='write "module:function"')
    function = _find(_import(module_name, reference), path, reference)
    _check(function, reference, argument)
    return function


def _import(name: str, reference: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            hint = "is its directory in PYTHONPATH, or its package installed?"
            raise ConfigError(f"hook {reference}: there is no module {error.name}", hint=hint) from error
        raise ConfigError(f"hook {reference}: its module needs {error.name}, which is not there") from error
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ConfigError(f"hook {reference}: importing {name} failed with {problem}") from error


def _find(module: object, path: str, reference: str) -> object:
    found = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            near = difflib.get_close_matches(part, [name for name in dir(found) if not name.startswith("_")], 1)
            hint = f"did you mean {near[0]}?" if near else ""
            raise ConfigError(f"hook {reference}: there is no {part} in it", hint=hint) from None
    return found


def _check(function: object, reference: str, argument: str) -> None:
    if inspect.isclass(function) or not callable(function):
        kind = "a class" if inspect.isclass(function) else f"of type {type(function).__name__}"
        raise ConfigError(f"hook {reference} is {kind}, not a function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"hook {reference} is a generator", hint="write a function without yield")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise ConfigError(f"hook {reference} must take one argument, {argument}") from None
    except ValueError:  # a builtin without a signature: calling will tell
        return


def _is_coroutine(function: object) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 an object's own __call__ may be the coroutine function
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


class Chain:
    """The hooks of one route or listener at one phase."""

    def __init__(self, hooks: Sequence[Hook], phase: Phase, *, timeout: float) -> None:
        """Of `hooks`, those declared for `phase`; `timeout` is the deadline of each coroutine hook in seconds."""
        self.hooks = tuple(hook for hook in hooks if hook.phase is phase)
        self.phase = phase
        #: The largest content that one of them may read, bytes.
        self.body = max((hook.body for hook in self.hooks), default=0)
        #: Whether run_now() can run them: plain functions that read no content.
        self.is_plain = not any(hook.is_coroutine or hook.body for hook in self.hooks)
        self._timeout = timeout
        self._last_logged: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.hooks)

    async def run(self, exchange: Exchange, give_up: Callable[[Outcome], None] | None = None) -> Outcome:
        """Run the hooks, then hand their edits to the engine. Raises nothing but the caller's cancellation.

        A hook that does not end when its deadline cancels it cannot be ended: `give_up` gets the outcome then,
        and what this returns much later no longer counts.
        """
        exchange._enter(self.phase)
        for hook in self.hooks:
            try:
                await self._run_in_time(hook, exchange, give_up)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                if isinstance(error, _Late):
                    return self._failed(hook, FaultNumber.HOOK_TIMEOUT, error.__cause__ or error)
                return self._failed(hook, self._fault_of(error), error)
            if exchange.replied:
                break
        return self._end(exchange)

    async def _run_in_time(self, hook: Hook, exchange: Exchange, give_up: Callable[[Outcome], None] | None) -> None:
        timeout = hook.timeout or self._timeout
        deadline = asyncio.timeout(timeout)
        last = asyncio.get_running_loop().call_later(timeout + GRACE, self._give_up, hook, give_up)
        try:
            exchange._message()._allow(hook.body)
            async with deadline:
                if hook.is_coroutine:
                    await cast("Awaitable[None]", hook.function(exchange))
                else:
                    if hook.body:
                        await exchange._message().read()
                    _expect_nothing(hook.function(exchange))
        except TimeoutError as error:
            # it may also be the hook's own, of something that it waited for
            if deadline.expired():
                raise _Late from error
            raise
        finally:
            last.cancel()
        if deadline.expired():
            # it took its cancellation for something else
            raise _Late

    def _give_up(self, hook: Hook, give_up: Callable[[Outcome], None] | None) -> None:
        if give_up is not None:
            give_up(self._failed(hook, FaultNumber.HOOK_TIMEOUT, _Late("it goes on although it was cancelled")))

    def run_now(self, exchange: Exchange) -> Outcome:
        """The same for a plain chain, without a task or an await. Never raises."""
        exchange._enter(self.phase)
        for hook in self.hooks:
            try:
                _expect_nothing(hook.function(exchange))
            except BaseException as error:  # noqa: BLE001 sys.exit() in a hook must not end the worker either
                return self._failed(hook, self._fault_of(error), error)
            if exchange.replied:
                break
        return self._end(exchange)

    def __repr__(self) -> str:
        return f"<Chain at {self.phase}: {', '.join(hook.reference for hook in self.hooks) or 'empty'}>"

    def _end(self, exchange: Exchange) -> Outcome:
        try:
            exchange._apply()
        except Exception as error:  # noqa: BLE001 users' code may raise anything; one exchange ends
            return self._failed(self.hooks[-1], FaultNumber.HOOK, error)
        return _REPLY if exchange.replied else _CONTINUE

    def _fault_of(self, error: BaseException) -> int:
        if isinstance(error, BodyTruncated):
            return FaultNumber.TRUNCATED
        if isinstance(error, AdaptationFailed):
            return FaultNumber.ICAP
        if not isinstance(error, BodyTooLarge):
            return FaultNumber.HOOK
        offset = FaultNumber.RESPONSE if self.phase is Phase.RESPONSE else 0
        return FaultNumber.BODY_TOO_LARGE + offset

    def _failed(self, hook: Hook, fault: int, error: BaseException) -> Outcome:
        if not isinstance(error, BodyTooLarge | BodyTruncated | AdaptationFailed):
            self._log(hook, fault, error)
        return Outcome(Verdict.DENY, fault)

    def _log(self, hook: Hook, fault: int, error: BaseException) -> None:
        # A hook that fails for every exchange must not turn the log into the bottleneck.
        now = time.monotonic()
        if now - self._last_logged.get(hook.reference, float("-inf")) < LOG_INTERVAL:
            self._unlogged[hook.reference] = self._unlogged.get(hook.reference, 0) + 1
            return
        self._last_logged[hook.reference] = now
        silent = self._unlogged.pop(hook.reference, 0)
        more = f" ({silent} more times since the last message)" if silent else ""
        if fault == FaultNumber.HOOK_TIMEOUT:
            problem = f"did not finish within {self._timeout:g} s"
        else:
            problem = f"failed with {type(error).__name__}"
        logger.error("hook %s %s in the phase %s%s", hook.reference, problem, self.phase, more, exc_info=error)


class _Late(Exception):
    """A hook's deadline has passed."""


def _is_cancelled() -> bool:
    """Whether the running task was cancelled from outside; a hook may also raise CancelledError itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _expect_nothing(returned: object) -> None:
    if inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            returned.close()
        raise TypeError("the hook returned an awaitable: declare it with async def")
