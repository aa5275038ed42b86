import os
import stat

import pytest

from limen.runtime.instance import AlreadyRunning, Instance, control_path, running_instances
from limen.runtime.sockets import BindError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_one_path_per_configuration(home):
    assert control_path("/etc/limen.yaml") == control_path("/etc/limen.yaml")
    assert control_path("/etc/limen.yaml") != control_path("/etc/other.yaml")
    assert control_path("x").parent == home / "limen"


def test_only_one_holds_it():
    path = control_path("x")
    instance = Instance.claim(path)
    with pytest.raises(AlreadyRunning, match=rf"already running \(pid {os.getpid()}, control socket"):
        Instance.claim(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert running_instances() == [path]
    instance.release(unlink=True)
    assert not path.exists()
    assert running_instances() == []
    Instance.claim(path).release(unlink=True)


def test_a_stale_socket_is_replaced():
    path = control_path("x")
    Instance.claim(path).release(unlink=False)
    assert path.exists()
    Instance.claim(path).release(unlink=True)


def test_a_directory_that_others_may_write_is_refused(home):
    (home / "limen").mkdir()
    (home / "limen").chmod(0o777)
    with pytest.raises(BindError, match="not a directory of ours alone"):
        Instance.claim(control_path("x"))


def test_a_configured_path_may_lie_anywhere(tmp_path):
    path = tmp_path / "own.sock"
    Instance.claim(path).release(unlink=True)
    with pytest.raises(BindError, match="cannot use the control socket"):
        Instance.claim(tmp_path / "absent" / "own.sock")
