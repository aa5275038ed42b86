import asyncio

from limen.runtime.drain import drained


class Core:
    """Counts as scripted, one step per question; the last step stays."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.drains = 0

    def drain(self):
        self.drains += 1

    def live(self):
        connections, exchanges, tunnels = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return {"connections": connections, "exchanges": exchanges, "tunnels": tunnels}


def test_an_idle_core_is_done_at_once():
    core = Core((0, 0, 0))
    assert not any(asyncio.run(drained(core, timeout=600)).values())
    assert core.drains == 1


def test_exchanges_and_tunnels_are_waited_for():
    core = Core((3, 2, 1), (2, 1, 1), (1, 0, 1), (0, 0, 0))
    assert not any(asyncio.run(drained(core, timeout=600)).values())
    assert len(core.steps) == 1


def test_connections_without_an_exchange_may_have_an_answer_to_send_and_are_waited_for():
    core = Core((5, 0, 0), (5, 0, 0), (0, 0, 0))
    assert not any(asyncio.run(drained(core, timeout=600)).values())


def test_the_deadline_tells_what_is_cut():
    core = Core((2, 1, 1))
    assert asyncio.run(drained(core, timeout=0.1)) == {"connections": 2, "exchanges": 1, "tunnels": 1}
