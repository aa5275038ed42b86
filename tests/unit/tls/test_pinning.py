import pytest

from limen.config.models import Learn, Pinned
from limen.tls import pinning
from limen.tls.pinning import ALERTS, REJECTIONS, Learnt, Pinning, known_hosts


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def made(clock, **options):
    return Pinning(learn=Learn(after=3, within=60.0, keep=3600.0), clock=clock, **options)


def reject(pins, host="a.example", client="10.0.0.1", alert="unknown_ca"):
    return pins.note_rejection(host, client, alert)


def test_known_hosts_are_patterns_with_a_source():
    hosts = known_hosts()
    assert len(hosts) == len(set(hosts)) > 20
    pins = Pinning.of(Pinned())
    assert pins.why("1-courier.push.apple.com") == "known"
    assert pins.why("fe3.delivery.mp.microsoft.com") == "known"
    assert pins.why("www.example.org") == ""
    assert not Pinning.of(Pinned(known=False)).is_pinned("1-courier.push.apple.com")
    # each pattern is one that the configuration would take
    assert Pinned(hosts=hosts).hosts == hosts


def test_named_hosts():
    pins = Pinning.of(Pinned(hosts=(".app.example",), known=False))
    assert pins.why("API.app.example.") == "hosts"
    assert not pins.is_pinned("example")


def test_it_learns_after_the_evidence(clock):
    pins = made(clock)
    assert [reject(pins) for _ in range(3)] == [False, False, True]
    assert pins.why("A.example.") == "learnt"
    assert pins.learnt() == [Learnt("a.example", ("10.0.0.1",), "unknown_ca", 1000.0, 4600.0)]
    assert not pins.is_pinned("b.example")
    # what is pinned already is no news
    assert not reject(pins)


def test_evidence_grows_old(clock):
    pins = made(clock)
    for seconds in (0, 30, 30):
        clock.now += seconds
        assert not reject(pins)
    # the first one is 60 s old: out; the third of the window comes now
    assert reject(pins, client="10.0.0.2")
    assert pins.learnt()[0].clients == ("10.0.0.1", "10.0.0.2")


def test_a_pin_ends(clock):
    pins = made(clock)
    for _ in range(3):
        reject(pins)
    clock.now += 3599.9
    assert pins.is_pinned("a.example")
    clock.now += 0.1
    assert pins.learnt() == []
    assert not pins.is_pinned("a.example")
    # and it needs all its evidence again
    assert not reject(pins)


@pytest.mark.parametrize("alert", ["handshake_failure", "close_notify", "certificate_expired", ""])
def test_other_alerts_are_no_evidence(clock, alert):
    pins = made(clock)
    for _ in range(10):
        assert not reject(pins, alert=alert)
    assert not pins.is_pinned("a.example")


def test_every_rejection_counts(clock):
    pins = made(clock)
    assert [reject(pins, alert=alert) for alert in sorted(REJECTIONS)] == [False, False, True]
    assert set(ALERTS.values()) == REJECTIONS


def test_must_bridge_is_stronger_than_all(clock):
    pins = made(clock, hosts=["a.example"], known=[".example"], must_bridge=["a.example"])
    assert not pins.is_pinned("a.example")
    assert pins.is_pinned("b.example")
    assert pins.must_bridge("A.EXAMPLE")
    assert pins.has_must_bridge
    for _ in range(5):
        assert not reject(pins)
    assert pins.learnt() == []


def test_nothing_is_learnt_without_learn(clock):
    pins = Pinning(clock=clock)
    for _ in range(5):
        assert not reject(pins)
    pins.adopt([Learnt("a.example", (), "unknown_ca", 1000.0, 9000.0)])
    assert pins.learnt() == []


def test_what_was_learnt_is_taken_over(clock):
    first, second = made(clock), made(clock, must_bridge=["c.example"])
    for host in ("a.example", "c.example"):
        for _ in range(3):
            reject(first, host)
    second.adopt(first.learnt())
    assert [entry.host for entry in second.learnt()] == ["a.example"]
    # a successor that keeps for a shorter time shortens it
    third = Pinning(learn=Learn(after=3, within=60.0, keep=60.0), clock=clock)
    third.adopt(first.learnt())
    assert third.learnt()[0].until == 1060.0
    clock.now += 4000
    late = made(clock)
    late.adopt(first.learnt())
    assert late.learnt() == []


def test_it_can_be_forgotten(clock):
    pins = made(clock)
    for _ in range(3):
        reject(pins)
    assert pins.forget("A.example")
    assert not pins.is_pinned("a.example")
    assert not pins.forget("a.example")


def test_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(pinning, "MOST_HOSTS", 10)
    pins = made(clock)
    for number in range(50):
        reject(pins, f"e{number}.example")
        for client in range(3):
            reject(pins, f"h{number}.example", f"10.0.0.{client}")
    assert [entry.host for entry in pins.learnt()] == [f"h{number}.example" for number in range(40, 50)]
    assert len(pins._evidence) <= 10
    many = Pinning(learn=Learn(after=1000, within=60.0, keep=60.0), clock=clock)
    for client in range(999):
        reject(many, client=f"10.0.{client // 256}.{client % 256}")
    assert reject(many, client="192.0.2.1")
    assert len(many.learnt()[0].clients) == 16
