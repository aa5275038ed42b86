"""What logs do not tell: addresses cut, pseudonyms that hold for a period, targets without their paths."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine import _observe_probe as probe
from limen.engine.journal import Journal
from limen.observe.discretion import Discretion
from tests.unit.engine.test_journal import STARTED, client

FULL, PART, PSEUDONYM, NONE = range(4)
SECRET = bytes(range(16))
RECORD: dict[str, Any] = {
    "started": STARTED,
    "client": client("198.51.100.77"),
    "port": 40000,
    "direction": b"forward",
    "method": b"GET",
    "target": b"http://secret.example/path?q=1",
    "host": b"secret.example",
    "endpoint": b"192.0.2.1:80",
    "referer": b"http://before.example/page",
    "sni": b"secret.example",
    "user": b"alice",
    "certificate_subject": b"CN=alice",
    "certificate_fingerprint": b"00ff",
    "user_agent": b"test/1",
    "status": 200,
}
numbers = itertools.count()


def line(tmp_path: Path, concealment: object, record: dict[str, Any] = RECORD, **settings: Any) -> str:
    path = tmp_path / f"{next(numbers)}.log"
    journal = Journal(path, concealment=concealment, **settings)  # type: ignore[arg-type]
    probe.record(journal, record)
    journal.close()
    return path.read_text()


def told(tmp_path: Path, *reveal: int, secret: bytes = SECRET, span: float = 3600.0, **changes: Any) -> dict[str, Any]:
    found = json.loads(line(tmp_path, (*reveal, secret, span), {**RECORD, **changes}))
    assert isinstance(found, dict)
    return found


def test_all_is_told_unless_asked(tmp_path: Path) -> None:
    assert line(tmp_path, (FULL, FULL, FULL, SECRET, 60.0)) == line(tmp_path, None)


@pytest.mark.parametrize(
    ("address", "network"),
    [("198.51.100.77", "198.51.100.0"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"), ("::ffff:10.1.2.3", "10.1.2.0")],
)
def test_networks(tmp_path: Path, address: str, network: str) -> None:
    found = told(tmp_path, PART, FULL, FULL, client=client(address.removeprefix("::ffff:")))
    assert found["client"] == network
    assert "port" not in found
    assert found["user"] == "alice"
    assert Discretion(clients="network").client(address.removeprefix("::ffff:")) == network


def test_pseudonyms_hold_for_a_period(tmp_path: Path) -> None:
    one = told(tmp_path, PSEUDONYM, PSEUDONYM, PSEUDONYM)
    assert set(one) >= {"client", "user", "host", "sni", "certificate_subject", "status", "user_agent"}
    for key in ("client", "user", "host", "sni"):
        assert one[key].startswith("~"), key
        assert len(one[key]) == 17
    assert one["host"] == one["sni"]
    assert not {"target", "referer", "endpoint", "port"} & set(one)
    text = json.dumps(one)
    for hidden in ("198.51.100", "alice", "secret.example", "before.example", "192.0.2.1", "/path", "00ff"):
        assert hidden not in text
    # the same a little later, another one in the next period, with another secret, for another client
    hour = STARTED // 3_600_000_000_000 * 3_600_000_000_000
    first, last, next_ = (
        told(tmp_path, 2, 2, 2, started=at) for at in (hour, hour + 3_599_999_999_999, hour + 3_600_000_000_000)
    )
    assert (first["client"], first["user"], first["host"]) == (last["client"], last["user"], last["host"])
    for key in ("client", "user", "host"):
        assert first[key] != next_[key]
    assert told(tmp_path, 2, 2, 2, secret=bytes(16))["client"] != one["client"]
    assert told(tmp_path, 2, 2, 2, client=client("198.51.100.78"))["client"] != one["client"]
    # equal texts of two kinds have nothing in common
    same = told(tmp_path, 2, 2, 2, user=b"a", host=b"a")
    assert same["user"] != same["host"]


def test_a_target_that_is_ours_keeps_its_endpoint(tmp_path: Path) -> None:
    found = told(tmp_path, FULL, FULL, PSEUDONYM, upstream=b"web")
    assert (found["upstream"], found["endpoint"]) == ("web", "192.0.2.1:80")


def test_nothing(tmp_path: Path) -> None:
    found = told(tmp_path, NONE, NONE, NONE)
    assert found["client"] == "-"
    assert not {"user", "host", "sni", "target", "referer", "endpoint", "certificate_subject"} & set(found)


def test_the_host_alone(tmp_path: Path) -> None:
    found = told(tmp_path, FULL, FULL, PART)
    assert (found["host"], found["endpoint"]) == ("secret.example", "192.0.2.1:80")
    assert not {"target", "referer"} & set(found)


def test_the_combined_format(tmp_path: Path) -> None:
    text = line(tmp_path, (NONE, NONE, PART, SECRET, 60.0), format="combined")
    assert text.startswith("- - - [")
    assert '"GET secret.example HTTP/1.1" 200 0 "-" "test/1"\n' in text
    assert '"GET - HTTP/1.1"' in line(tmp_path, (NONE, NONE, NONE, SECRET, 60.0), format="combined")


@given(st.ip_addresses(), st.text(min_size=1, max_size=40))
def test_the_event_log_has_the_same_pseudonyms(
    tmp_path_factory: pytest.TempPathFactory, address: Any, name: str
) -> None:
    mapped = getattr(address, "ipv4_mapped", None) or address
    settings = Discretion("pseudonym", "pseudonym", "full", 3600.0 * 24 * 400, b"any secret")
    import time

    found = json.loads(
        line(
            tmp_path_factory.mktemp("log"),
            settings.concealment,
            {**RECORD, "client": client(str(mapped)), "user": name.encode(), "started": time.time_ns()},
        )
    )
    assert found["client"] == settings.client(str(mapped))
    assert found["user"] == settings.user(name)


def test_what_is_refused(tmp_path: Path) -> None:
    for wrong in ((4, 0, 0, SECRET, 1.0), (1, 0, 0, b"short", 1.0)):
        with pytest.raises(ValueError, match="0 to 3"):
            Journal(tmp_path / "a", concealment=wrong)
