"""The timing wheel against a dictionary of deadlines, in told time: never early, at most one tick late."""

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine._engine_probe import HORIZON, TICK, Timers

START = 5 * HORIZON + 12345
TIMERS = 8

spans = st.one_of(
    st.integers(-2 * TICK, 3 * TICK),
    st.integers(0, HORIZON),
    st.integers(HORIZON - 3 * TICK, HORIZON + 3 * TICK),
    st.integers(0, 5 * HORIZON),
)
steps = st.one_of(
    st.tuples(st.just("set"), st.integers(0, TIMERS - 1), spans),
    st.tuples(st.just("off"), st.integers(0, TIMERS - 1)),
    st.tuples(st.just("lift"), st.integers(0, TIMERS - 1)),
    st.tuples(
        st.just("pass"), st.one_of(st.integers(0, 2 * TICK), st.integers(0, HORIZON), st.integers(0, 3 * HORIZON))
    ),
    st.tuples(st.just("sleep")),
)


class Model:
    """A wheel and what is expected of it."""

    def __init__(self):
        self.now = START
        self.timers = Timers(TIMERS, self.now)
        self.armed = {}  # number -> (deadline, when it was set)

    def set(self, i, deadline):
        self.timers.set(i, deadline)
        self.armed[i] = (deadline, self.now)

    def fire(self):
        fired = self.timers.fire(self.now)
        assert len(fired) == len(set(fired))
        for i in fired:
            deadline, _ = self.armed.pop(i)
            assert deadline <= self.now, "early"
        for deadline, since in self.armed.values():
            assert max(deadline, since) + TICK > self.now, "late"
        return fired

    def check(self):
        assert self.timers.laid >= len(self.armed)
        soonest = self.timers.next()
        assert (soonest == 0) == (self.timers.laid == 0)
        for deadline, since in self.armed.values():
            assert 0 < soonest <= max(deadline, since) + TICK


@settings(max_examples=400, deadline=None)
@given(st.lists(steps, max_size=40))
def test_wheel_against_naive_timers(todo):
    model = Model()
    for what, *values in todo:
        if what == "set":
            model.set(values[0], max(model.now + values[1], 1))
        elif what == "off":
            model.timers.off(values[0])
            model.armed.pop(values[0], None)
        elif what == "lift":
            model.timers.lift(values[0])
            model.armed.pop(values[0], None)
        elif what == "pass":
            model.now += values[0]
            model.fire()
        else:  # as the reactor does: until the wheel says that something may be due
            soonest = model.timers.next()
            if soonest:
                model.now = max(model.now, soonest - 1)
                model.fire()
                model.now = max(model.now, soonest)
                model.fire()
        model.check()
    for _ in range(3 * TIMERS + 20):  # everything comes to an end, far deadlines by stages
        if not model.timers.laid:
            break
        model.now = max(model.now, model.timers.next())
        model.fire()
    assert not model.armed


def test_a_timer_that_moves_on_is_not_touched_until_its_old_slot_comes():
    model = Model()
    model.set(0, model.now + 10 * TICK)
    first = model.timers.next()
    model.set(0, model.now + 20 * TICK)
    assert model.timers.next() == first
    model.now = first
    assert model.fire() == []
    assert model.timers.next() > first
    model.now = model.timers.next()
    assert model.fire() == [0]


def test_a_timer_that_moves_nearer_fires_in_time():
    model = Model()
    model.set(0, model.now + HORIZON // 2)
    model.set(0, model.now + 2 * TICK)
    model.now += 3 * TICK
    assert model.fire() == [0]


def test_far_deadlines_come_round():
    model = Model()
    deadline = model.now + 4 * HORIZON + 7
    model.set(0, deadline)
    rounds = 0
    while not model.fire():
        rounds += 1
        model.now = model.timers.next()
    assert 3 <= rounds <= 6
    assert deadline <= model.now < deadline + TICK


def test_one_jump_over_everything_fires_all():
    model = Model()
    for i in range(TIMERS):
        model.set(i, model.now + i * HORIZON // 3 + 1)
    model.now += 20 * HORIZON
    assert sorted(model.fire()) == list(range(TIMERS))
    assert model.timers.laid == 0
    assert model.timers.next() == 0


def test_cancelled_timers_stay_silent():
    model = Model()
    model.set(0, model.now + TICK)
    model.set(1, model.now + TICK)
    model.timers.off(0)
    model.timers.lift(1)
    assert model.timers.laid == 1
    assert model.timers.fire(model.now + HORIZON) == []
    assert model.timers.laid == 0
