import time

import pytest

from limen.tls import self_signed, state
from limen.tls.certificates import parse


def test_a_certificate_is_made_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path / 'state'}:{tmp_path / 'second'}")
    path, due = self_signed.keep()
    assert path == str(tmp_path / "state" / "self-signed.pem")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "self-signed.pem").stat().st_mode & 0o777 == 0o600
    content = (tmp_path / "state" / "self-signed.pem").read_bytes()
    made = parse(content, content)
    assert {"localhost", "127.0.0.1", "::1"} <= set(made.names)
    assert (made.kind, made.for_servers, made.flaws) == ("ECDSA", True, ())
    assert time.time() < due < made.not_after
    assert self_signed.keep() == (path, due)
    assert (tmp_path / "state" / "self-signed.pem").read_bytes() == content


@pytest.mark.parametrize("spoilt", [b"", b"nonsense", None])
def test_what_is_spoilt_or_runs_out_is_made_anew(tmp_path, monkeypatch, spoilt):
    path = tmp_path / "self-signed.pem"
    if spoilt is None:
        self_signed.keep(tmp_path)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 61 * 86400)
    else:
        path.write_bytes(spoilt)
    before = path.read_bytes()
    self_signed.keep(tmp_path)
    after = path.read_bytes()
    assert after != before
    parse(after, after)


def test_another_name_of_the_machine_makes_another_one(tmp_path, monkeypatch):
    self_signed.keep(tmp_path)
    monkeypatch.setattr("socket.gethostname", lambda: "Other-Machine")
    self_signed.keep(tmp_path)
    content = (tmp_path / "self-signed.pem").read_bytes()
    assert "other-machine" in parse(content, content).names


def test_where_state_lies(monkeypatch, tmp_path):
    for variable in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert str(state.state_directory()) == "/var/lib/limen"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state.state_directory() == tmp_path / ".local/state/limen"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state.state_directory() == tmp_path / "xdg" / "limen"


def test_a_write_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        state.write(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
