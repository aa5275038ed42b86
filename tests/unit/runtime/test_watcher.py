"""The watcher of a source, with a source that plays a script."""

import asyncio
import logging

import pytest

from limen.config import loads
from limen.config.models.upstreams import Endpoint
from limen.egress.discovery.source import Found, SourceFailed
from limen.runtime.watcher import Watcher


def endpoints(*hosts):
    return tuple(Endpoint.model_validate({"address": f"{host}:80"}) for host in hosts)


def settings(**keys):
    text = "listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]\nupstreams: {web: {discover: {dns: 'a:1'}}}"
    return loads(text).upstreams["web"].discover.model_copy(update=keys)


class Script:
    """Plays what it is given, then says that nothing has changed."""

    text, patience = "script", 0.1

    def __init__(self, *steps):
        self.steps, self.over, self.closed = list(steps), asyncio.Event(), False

    async def look(self):
        if not self.steps:
            self.over.set()
            return Found(None, 60)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Found) else Found(step, 0)

    async def close(self):
        self.closed = True


async def played(*steps, stands=None, **keys):
    script, heard = Script(*steps), []
    watcher = Watcher("web", settings(**keys), script, lambda: heard.append(watcher.standing.endpoints))
    watcher.stand_in(stands, "initial")
    watcher.begin()
    async with asyncio.timeout(20):
        await script.over.wait()
        await asyncio.sleep(0)
    await watcher.end()
    assert script.closed
    return watcher, heard


def run(*steps, **options):
    return asyncio.run(played(*steps, **options))


def test_only_what_differs_is_heard():
    watcher, heard = run(endpoints("a"), endpoints("a"), endpoints("a", "b"))
    assert heard == [endpoints("a"), endpoints("a", "b")]
    assert (watcher.standing.changes, watcher.standing.failures, watcher.standing.origin) == (2, 0, "source")
    assert watcher.standing.succeeded


def test_failures_take_nothing_away_and_are_told_once(caplog):
    caplog.set_level(logging.INFO, "limen.supervisor")
    watcher, heard = run(
        endpoints("a"),
        SourceFailed("no"),
        SourceFailed("no"),
        ValueError("a defect"),
        endpoints("a"),
        SourceFailed("no"),
    )
    assert heard == [endpoints("a")]
    assert watcher.standing.endpoints == endpoints("a")
    assert watcher.standing.failures == 4
    told = [record.message for record in caplog.records if "the last list stays (1 endpoints)" in record.message]
    assert [line.split(": ")[2].split(";")[0] for line in told] == ["no", "ValueError", "no"]
    assert sum("answers again" in record.message for record in caplog.records) == 2


@pytest.mark.parametrize("allowed", [False, True])
def test_an_empty_list(allowed):
    watcher, heard = run(endpoints("a"), (), Found(None, 0), allow_empty=allowed)
    assert watcher.standing.endpoints == (() if allowed else endpoints("a"))
    # the same as the last time: still refused
    assert watcher.standing.failures == (0 if allowed else 3)
    assert heard == ([endpoints("a"), ()] if allowed else [endpoints("a")])


def test_what_stands_in_is_not_heard_of_again():
    watcher, heard = run(endpoints("a"), stands=endpoints("a"))
    assert heard == []
    assert watcher.standing.origin == "source"
    watcher, heard = run(SourceFailed("no"), stands=endpoints("a"))
    assert (watcher.standing.origin, watcher.standing.endpoints) == ("initial", endpoints("a"))


def test_a_list_that_was_refused_stays_so_until_there_is_another():
    async def scenario():
        script = Script(endpoints("a"))
        watcher = Watcher("web", settings(), script, lambda: None)
        watcher.begin()
        await script.over.wait()
        watcher.refuse(endpoints("z"), "too many")
        assert watcher._take(Found(None, 7)) == 7
        assert (watcher.standing.endpoints, watcher.standing.error) == (endpoints("z"), "too many")
        watcher._take(Found(endpoints("b"), 7))
        assert (watcher.standing.endpoints, watcher.standing.error) == (endpoints("b"), "")
        await watcher.end()

    asyncio.run(scenario())


def test_waiting_for_the_first_answer_is_bounded(caplog):
    async def scenario(*steps, stands=None, wait=60.0):
        script = Script(*steps)
        watcher = Watcher("web", settings(wait=wait), script, lambda: None)
        watcher.stand_in(stands, "kept")
        watcher.begin()
        await watcher.first()
        await watcher.end()

    asyncio.run(scenario(SourceFailed("no"), SourceFailed("no"), wait=0.2))
    assert "no answer of script within 0.2 s" in caplog.text
    caplog.clear()
    # with a list to stand in the first failure is enough
    asyncio.run(scenario(SourceFailed("no"), stands=endpoints("a")))
    asyncio.run(scenario(endpoints("a")))
    assert "no answer of" not in caplog.text
