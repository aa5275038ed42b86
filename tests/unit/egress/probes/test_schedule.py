"""Whose turn it is: first probes at once, a bound on those under way, turns that survive a change."""

from __future__ import annotations

import asyncio

from limen.config.addresses import Address
from limen.config.models.health import Probe
from limen.config.models.upstreams import Upstream
from limen.egress.probes.question import question_of
from limen.egress.probes.schedule import Schedule
from tests.support import free_port


def question(port, **keys):
    model = Upstream.model_validate({"endpoints": [f"127.0.0.1:{port}"]})
    return question_of(Probe.model_validate({"type": "tcp", **keys}), model, Address("127.0.0.1", port), None)


class Watch:
    """Counts probes by name; while `gate` is shut they wait in the resolver."""

    def __init__(self, **options):
        self.told = []
        self.under_way = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.schedule = Schedule(self.resolve, self.tell, **options)

    async def resolve(self, host):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        return (host,)

    def tell(self, name, finding):
        self.told.append((name, finding.passed))

    async def until(self, done):
        async with asyncio.timeout(20):
            while not done():  # noqa: ASYNC110 what is waited for is not ours
                await asyncio.sleep(0.005)


def test_all_are_asked_at_once_but_only_so_many_together():
    async def story():
        watch = Watch(at_once=7)
        watch.gate.clear()
        port = free_port()
        names = [str(number) for number in range(50)]
        watch.schedule.settle({name: question(port, interval="1h") for name in names})
        await watch.until(lambda: watch.under_way == 7)
        watch.gate.set()
        await watch.until(lambda: len(watch.told) == 50)
        assert watch.most == 7
        assert sorted(watch.told) == sorted((name, False) for name in names)
        await watch.schedule.close()

    asyncio.run(story())


def test_they_come_again():
    async def story():
        watch = Watch()
        watch.schedule.settle({"a": question(free_port(), interval="100ms")})
        await watch.until(lambda: len(watch.told) >= 3)
        await watch.schedule.close()
        count = len(watch.told)
        await asyncio.sleep(0.3)
        assert len(watch.told) == count

    asyncio.run(story())


def test_equal_questions_keep_their_turn_and_others_are_asked_at_once():
    async def story():
        watch = Watch()
        port = free_port()
        same = question(port, interval="1h")
        watch.schedule.settle({"a": same, "b": same, "c": same})
        await watch.until(lambda: len(watch.told) == 3)
        watch.told.clear()
        watch.schedule.settle(
            {"a": question(port, interval="1h"), "b": question(port, interval="2h"), "d": question(port, interval="1h")}
        )
        await watch.until(lambda: len(watch.told) == 2)
        await asyncio.sleep(0.1)
        assert sorted(name for name, _ in watch.told) == ["b", "d"]
        await watch.schedule.close()

    asyncio.run(story())


def test_who_is_gone_is_not_told_of_any_more():
    async def story():
        watch = Watch()
        watch.gate.clear()
        watch.schedule.settle({"a": question(free_port()), "b": question(free_port())})
        await watch.until(lambda: watch.under_way == 2)
        watch.schedule.settle({"b": question(free_port())})
        watch.gate.set()
        await watch.until(lambda: len(watch.told) == 1)
        await asyncio.sleep(0.1)
        assert [name for name, _ in watch.told] == ["b"]
        watch.schedule.settle({})
        await watch.schedule.close()

    asyncio.run(story())
