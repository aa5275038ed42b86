"""Penalties grow with failures, end with quiet, and never take more than their memory."""

from limen.policy.identity import penalties as module
from limen.policy.identity.penalties import CLIENT_MOST, FIRST, FORGET, FREE, NAME_MOST, WAITING, Penalties


def fail(penalties, times, client="192.0.2.1", name="alice", now=0.0):
    for _ in range(times):
        penalties.failed(client, name, now)


def test_the_first_failures_are_free_then_each_doubles():
    penalties = Penalties()
    waits = []
    for _ in range(12):
        waits.append(penalties.before("192.0.2.1", "", 0.0))
        penalties.failed("192.0.2.1", "", 0.0)
    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE : FREE + 3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert waits[-1] == CLIENT_MOST


def test_a_name_is_slowed_for_everybody_but_not_locked():
    penalties = Penalties()
    for number in range(50):
        penalties.failed(f"192.0.2.{number}", "alice", 0.0)
    assert penalties.before("198.51.100.1", "alice", 0.0) == NAME_MOST
    assert penalties.before("198.51.100.1", "bob", 0.0) == 0.0
    # a name that nobody has is treated alike
    for number in range(50):
        penalties.failed(f"192.0.2.{number}", "nobody", 0.0)
    assert penalties.before("198.51.100.1", "nobody", 0.0) == NAME_MOST


def test_success_forgives_the_name_not_the_client():
    penalties = Penalties()
    fail(penalties, FREE)
    penalties.succeeded("192.0.2.1", "alice")
    assert penalties.before("198.51.100.1", "alice", 0.0) == 0.0
    assert penalties.before("192.0.2.1", "alice", 0.0) > 0


def test_quiet_forgives():
    penalties = Penalties()
    fail(penalties, 10)
    assert penalties.before("192.0.2.1", "alice", FORGET) > 0
    assert penalties.before("192.0.2.1", "alice", FORGET + 1) == 0.0
    assert penalties.failed("192.0.2.1", "alice", FORGET + 1) == 1


def test_ipv6_counts_by_network_and_unix_sockets_as_one():
    penalties = Penalties()
    for number in range(FREE):
        penalties.failed(f"2001:db8:1:2::{number:x}", "", 0.0)
    assert penalties.before("2001:db8:1:2:ffff::1", "", 0.0) > 0
    assert penalties.before("2001:db8:1:3::1", "", 0.0) == 0.0
    fail(penalties, FREE, client="unix", name="")
    assert penalties.before("unix", "", 0.0) > 0


def test_few_of_a_client_wait():
    penalties = Penalties()
    assert [penalties.enter("192.0.2.1") for _ in range(WAITING + 1)] == [True] * WAITING + [False]
    assert penalties.enter("192.0.2.2")
    penalties.leave("192.0.2.1")
    assert penalties.enter("192.0.2.1")


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 100)
    penalties = Penalties()
    for number in range(1000):
        penalties.failed(f"10.0.{number // 256}.{number % 256}", f"name{number}", 0.0)
    assert penalties.rows == 200
