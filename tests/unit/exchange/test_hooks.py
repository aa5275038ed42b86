"""Loading hooks with clear errors, and running them: order, deadline, failures, edits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path

import pytest

from limen.errors import ConfigError
from limen.exchange import Chain, Exchange, Hook, Outcome, hook, load_hook
from limen.exchange import hooks as module
from limen.faults import FaultNumber
from limen.terms import Phase, Verdict
from tests.support.handles import MemoryHandle

RULES = """
import limen.exchange as limen

class Rules:
    def method(exchange): pass

    async def __call__(self, exchange): pass

def add_tenant(exchange): exchange.request.fields.set("X-Tenant", "7")
async def slow(exchange): pass
@limen.hook("response", body=64 * 1024)
async def rewrite(exchange): pass
@limen.hook("request")
@limen.hook("response", body=5)
def both(exchange): pass
def nothing(): pass
def two(exchange, other): pass
def optional(exchange, *, other=1): pass
def generator(exchange): yield
async def generator2(exchange): yield
called = Rules()
number = 3
"""


@pytest.fixture(autouse=True)
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "myrules.py").write_text(RULES)
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found")
    (tmp_path / "raising.py").write_text("raise RuntimeError('at import')")
    (tmp_path / "syntax.py").write_text("def x(:")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("myrules", "broken", "raising", "syntax"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def made(function: module.HookFunction, phase: Phase = Phase.REQUEST, *, body: int = 0, name: str = "") -> Hook:
    reference = name or f"t:{getattr(function, '__name__', 'x')}"
    return Hook(reference, function, phase, body, asyncio.iscoroutinefunction(function))


def chain(*hooks: Hook, timeout: float = 5.0, phase: Phase = Phase.REQUEST) -> Chain:
    return Chain(hooks, phase, timeout=timeout)


def run(of: Chain, handle: MemoryHandle) -> Outcome:
    return asyncio.run(of.run(Exchange(handle)))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("myrules:add_tenant", [(Phase.REQUEST, 0, False)]),
        ("myrules:slow", [(Phase.REQUEST, 0, True)]),
        ("myrules:rewrite", [(Phase.RESPONSE, 65536, True)]),
        ("myrules:both", [(Phase.REQUEST, 0, False), (Phase.RESPONSE, 5, False)]),
        ("myrules:Rules.method", [(Phase.REQUEST, 0, False)]),
        ("myrules:optional", [(Phase.REQUEST, 0, False)]),
        ("myrules:called", [(Phase.REQUEST, 0, True)]),
    ],
)
def test_declarations(reference: str, expected: list[tuple[Phase, int, bool]]) -> None:
    loaded = load_hook(reference)
    assert [(one.phase, one.body, one.is_coroutine) for one in loaded] == expected
    assert {one.reference for one in loaded} == {reference}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("myrules", 'does not name a hook; write "module:function"'),
        ("my rules:x", "does not name a hook"),
        ("myrules:", "does not name a hook"),
        ("absent_rules:x", "there is no module absent_rules"),
        ("absent.sub:x", "there is no module absent"),
        ("myrules.sub:x", "no module myrules.sub"),
        ("broken:x", "needs nowhere_to_be_found, which is not there"),
        ("raising:x", "importing raising failed with RuntimeError: at import"),
        ("syntax:x", "failed with SyntaxError"),
        ("myrules:add_tenat", "there is no add_tenat in it; did you mean add_tenant"),
        ("myrules:Rules", "is a class, not a function"),
        ("myrules:number", "is of type int, not a function"),
        ("myrules:nothing", "must take one argument"),
        ("myrules:two", "must take one argument"),
        ("myrules:generator", "is a generator"),
        ("myrules:generator2", "is a generator"),
    ],
)
def test_what_cannot_be_loaded_is_explained(reference: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_hook(reference)
    assert message in str(caught.value)


def test_wrong_declarations() -> None:
    with pytest.raises(ValueError, match="request and response"):
        hook("accept")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="body must be"):
        hook("request", body=-1)


def test_a_chain_takes_the_hooks_of_its_phase() -> None:
    hooks = [*load_hook("myrules:both"), *load_hook("myrules:add_tenant")]
    requests, responses = chain(*hooks), chain(*hooks, phase=Phase.RESPONSE)
    assert [one.reference for one in requests.hooks] == ["myrules:both", "myrules:add_tenant"]
    assert [one.reference for one in responses.hooks] == ["myrules:both"]
    assert requests.is_plain and not responses.is_plain
    assert (requests.body, responses.body) == (0, 5)
    assert not chain() and repr(chain()) == "<Chain at request: empty>"


def test_hooks_run_in_order_and_their_edits_count() -> None:
    async def first(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        exchange.request.fields.set("X-Old", "2")

    def second(exchange: Exchange) -> None:
        exchange.request.fields.set("X-Old", exchange.request.fields["x-old"] + "3")

    handle = MemoryHandle()
    assert run(chain(made(first), made(second)), handle) == Outcome(Verdict.CONTINUE)
    ((kind, _, _, _, fields),) = handle.calls
    assert kind == "request" and ("X-Old", "23") in fields  # type: ignore[operator]


def test_plain_chains_need_no_loop() -> None:
    handle = MemoryHandle()
    assert chain(*load_hook("myrules:add_tenant")).run_now(Exchange(handle)) == Outcome(Verdict.CONTINUE)
    assert handle.calls[0][0] == "request"


def test_a_reply_ends_the_chain() -> None:
    def reply(exchange: Exchange) -> None:
        exchange.reply(403, b"no")

    def never(exchange: Exchange) -> None:
        raise AssertionError

    for runner in (run, lambda of, handle: of.run_now(Exchange(handle))):
        handle = MemoryHandle()
        assert runner(chain(made(reply), made(never)), handle) == Outcome(Verdict.REPLY)
        assert handle.calls == [("reply", 403, [], b"no")]


def test_a_failing_hook_changes_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def edit(exchange: Exchange) -> None:
        exchange.request.method = "POST"

    def fail(exchange: Exchange) -> None:
        raise KeyError("boom")

    handle = MemoryHandle()
    for outcome in (
        run(chain(made(edit), made(fail)), handle),
        chain(made(edit), made(fail)).run_now(Exchange(handle)),
    ):
        assert outcome == Outcome(Verdict.DENY, FaultNumber.HOOK)
    assert handle.calls == []
    record = caplog.records[0]
    assert record.name == "limen.hooks" and record.levelno == logging.ERROR
    assert record.getMessage() == "hook t:fail failed with KeyError in the phase request"
    assert "boom" in caplog.text and "Traceback" in caplog.text


def test_one_log_record_per_hook_and_second(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(exchange: Exchange) -> None:
        raise KeyError

    def fail_too(exchange: Exchange) -> None:
        raise KeyError

    clock = [100.0]
    monkeypatch.setattr("limen.exchange.hooks.time.monotonic", lambda: clock[0])
    of = chain(made(fail))
    other = chain(made(fail_too))
    for _ in range(5):
        of.run_now(Exchange(MemoryHandle()))
    other.run_now(Exchange(MemoryHandle()))
    assert len(caplog.records) == 2
    clock[0] += 1.0
    of.run_now(Exchange(MemoryHandle()))
    assert "(4 more times since the last message)" in caplog.records[2].getMessage()


def test_a_deadline_ends_a_hook(caplog: pytest.LogCaptureFixture) -> None:
    async def hang(exchange: Exchange) -> None:
        await asyncio.Event().wait()

    handle = MemoryHandle()
    assert run(chain(made(hang), timeout=0.05), handle) == Outcome(Verdict.DENY, FaultNumber.HOOK_TIMEOUT)
    assert "did not finish within 0.05 s" in caplog.text


def test_a_timeout_of_the_hooks_own_is_a_failure() -> None:
    async def fail(exchange: Exchange) -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    assert run(chain(made(fail)), MemoryHandle()).fault == FaultNumber.HOOK


def test_cancellation_goes_through() -> None:
    async def hang(exchange: Exchange) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        handle = MemoryHandle()
        task = asyncio.create_task(chain(made(hang)).run(Exchange(handle)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert handle.calls == []

    asyncio.run(main())


class Odd(BaseException):
    pass


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, Odd])
def test_nothing_that_a_hook_raises_gets_through(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    def fail(exchange: Exchange) -> None:
        raise kind

    async def fail_later(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        raise kind

    for outcome in (
        run(chain(made(fail)), MemoryHandle()),
        run(chain(made(fail_later)), MemoryHandle()),
        chain(made(fail)).run_now(Exchange(MemoryHandle())),
    ):
        assert outcome == Outcome(Verdict.DENY, FaultNumber.HOOK)
    assert caplog.text.count(f"failed with {kind.__name__}") == 3


def test_an_answer_after_the_deadline_is_none() -> None:
    async def late(exchange: Exchange) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        exchange.reply(200)

    handle = MemoryHandle()
    assert run(chain(made(late), timeout=0.05), handle) == Outcome(Verdict.DENY, FaultNumber.HOOK_TIMEOUT)
    assert handle.calls == []


def test_a_hook_that_goes_on_is_given_up(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.01)
    handle = MemoryHandle()

    async def main() -> None:
        given_up: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        async def stubborn(exchange: Exchange) -> None:
            while not given_up.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([given_up])
            exchange.reply(200)

        task = asyncio.create_task(chain(made(stubborn), timeout=0.01).run(Exchange(handle), given_up.set_result))
        assert await given_up == Outcome(Verdict.DENY, FaultNumber.HOOK_TIMEOUT)
        assert (await task).verdict is Verdict.DENY

    asyncio.run(main())
    assert handle.calls == []
    assert "did not finish within 0.01 s" in caplog.text


def test_plain_functions_find_their_content_read() -> None:
    def upper(exchange: Exchange) -> None:
        exchange.request.body = exchange.request.body.upper()

    handle = MemoryHandle(body=b"abc")
    assert run(chain(made(upper, body=3)), handle) == Outcome(Verdict.CONTINUE)
    assert handle.calls == [("body", b"ABC")]


@pytest.mark.parametrize(("phase", "fault"), [(Phase.REQUEST, 17), (Phase.RESPONSE, 117)])
def test_too_large_content_is_the_peers_fault(phase: Phase, fault: int, caplog: pytest.LogCaptureFixture) -> None:
    async def read(exchange: Exchange) -> None:
        message = exchange.response if phase is Phase.RESPONSE else exchange.request
        await message.read()

    outcome = run(chain(made(read, phase, body=3), phase=phase), MemoryHandle(body=b"abcd"))
    assert outcome == Outcome(Verdict.DENY, fault)
    assert not caplog.records


def test_bounds_are_each_hooks_own() -> None:
    async def first(exchange: Exchange) -> None:
        assert await exchange.request.read() == b"abc"

    async def undeclared(exchange: Exchange) -> None:
        exchange.request._content = None
        await exchange.request.read()

    assert run(chain(made(first, body=9), made(undeclared)), MemoryHandle(body=b"abc")).fault == FaultNumber.HOOK


def test_forgotten_async_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None: ...

    def lazy(exchange: Exchange) -> object:
        return work()

    assert chain(made(lazy)).run_now(Exchange(MemoryHandle())).fault == FaultNumber.HOOK  # type: ignore[arg-type]
    assert "declare it with async def" in caplog.text


def test_state_lasts_from_request_to_response() -> None:
    def remember(exchange: Exchange) -> None:
        exchange.state["seen"] = exchange.request.path

    def tell(exchange: Exchange) -> None:
        exchange.response.fields.set("X-Path", exchange.state["seen"])

    handle = MemoryHandle()
    exchange = Exchange(handle)
    hooks = [made(remember), made(tell, Phase.RESPONSE)]
    chain(*hooks).run_now(exchange)
    assert chain(*hooks, phase=Phase.RESPONSE).run_now(exchange) == Outcome(Verdict.CONTINUE)
    assert ("X-Path", "/path") in handle.calls[0][2]  # type: ignore[operator]


def test_a_handle_that_fails_is_a_fault() -> None:
    class Gone(MemoryHandle):
        def replace_request(self, *args: object) -> None:
            raise LookupError("the exchange has ended")

    outcome = chain(*load_hook("myrules:add_tenant")).run_now(Exchange(Gone()))
    assert outcome == Outcome(Verdict.DENY, FaultNumber.HOOK)
