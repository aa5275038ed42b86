import base64

import pytest

from limen.control.admin.credentials import FREE_ATTEMPTS, LONGEST_PAUSE, MOST_CLIENTS, Attempts, Credentials, Shown

BOTH = Credentials("a-token-of-thirty-two-characters", {"ops": "correct horse", "Zoë": "pässwörd"})


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "shown"),
    [
        (None, Shown.NOTHING),
        ("", Shown.NOTHING),
        ("Bearer a-token-of-thirty-two-characters", Shown.TOKEN),
        ("bearer   a-token-of-thirty-two-characters", Shown.TOKEN),
        ("Bearer a-token-of-thirty-two-character", Shown.WRONG),
        ("Bearer ", Shown.WRONG),
        ("Bearer \udcff", Shown.WRONG),
        ("Digest x", Shown.WRONG),
        ("nonsense", Shown.WRONG),
        (basic("ops", "correct horse"), Shown.USER),
        (basic("Zoë", "pässwörd"), Shown.USER),
        (basic("ops", "pässwörd"), Shown.WRONG),
        (basic("ops", ""), Shown.WRONG),
        (basic("", ""), Shown.WRONG),
        (basic("other", "correct horse"), Shown.WRONG),
        ("Basic !!!", Shown.WRONG),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), Shown.WRONG),
    ],
)
def test_what_is_shown(authorization, shown):
    assert BOTH.judge(authorization) is shown


@pytest.mark.parametrize("authorization", ["Bearer ", "Bearer x", basic("", ""), basic("ops", "")])
def test_nothing_configured_lets_nobody_in(authorization):
    assert Credentials().judge(authorization) is Shown.WRONG
    assert Credentials("", {"": ""}).judge(authorization) is Shown.WRONG


def test_the_challenge_is_what_there_is():
    assert BOTH.challenge.startswith("Basic ")
    assert Credentials("token").challenge.startswith("Bearer ")


def test_a_pause_grows_and_ends():
    attempts = Attempts()
    for number in range(FREE_ATTEMPTS - 1):
        attempts.failed("192.0.2.1", number)
        assert attempts.pause("192.0.2.1", number) == 0
    pauses = []
    now = 10.0
    for _ in range(12):
        attempts.failed("192.0.2.1", now)
        pauses.append(attempts.pause("192.0.2.1", now))
        assert attempts.pause("192.0.2.1", now + pauses[-1]) == 0
        now += pauses[-1]
    assert pauses[:3] == [1, 2, 4]
    assert pauses[-1] == LONGEST_PAUSE
    assert attempts.pause("192.0.2.2", now) == 0
    attempts.succeeded("192.0.2.1")
    attempts.failed("192.0.2.1", now)
    assert attempts.pause("192.0.2.1", now) == 0


def test_old_failures_are_forgotten():
    attempts = Attempts()
    for _ in range(FREE_ATTEMPTS + 3):
        attempts.failed("192.0.2.1", 0.0)
    attempts.failed("192.0.2.1", 1000.0)
    assert attempts.pause("192.0.2.1", 1000.0) == 0


def test_an_ipv6_client_is_its_network():
    attempts = Attempts()
    for number in range(FREE_ATTEMPTS):
        attempts.failed(f"2001:db8::{number}", 0.0)
    assert attempts.pause("2001:db8::ffff", 0.0) > 0
    assert attempts.pause("2001:db8:0:1::1", 0.0) == 0


def test_memory_is_bounded():
    attempts = Attempts()
    for number in range(MOST_CLIENTS + 10):
        for _ in range(FREE_ATTEMPTS):
            attempts.failed(f"client {number}", 0.0)
    assert attempts.pause("client 0", 0.0) == 0
    assert attempts.pause(f"client {MOST_CLIENTS + 9}", 0.0) > 0
