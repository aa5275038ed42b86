import json
import re

import pytest

import limen
from limen.control.cli import main
from limen.control.commands.check import summary
from limen.control.demo import Ports, _configuration
from limen.errors import ConfigErrors

GOOD = (
    "listeners: [{bind: 127.0.0.1:8080, routes: [{upstream: web}]}]\nupstreams: {web: {endpoints: [127.0.0.1:9001]}}\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    # the engine's OpenSSL is Python's as well, where both are the system's: then they agree
    assert re.fullmatch(
        rf"limen {re.escape(limen.__version__)} \(OpenSSL 3\.\d+\.\d+(, intel-ipsec-mb \d+\.\d+\.\d+)?\)\n", said
    )


@pytest.mark.parametrize("arguments", [[], ["unheard"], ["run"], ["reverse", "--listen", "127.0.0.1:1"]])
def test_a_wrong_command_line_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_check_says_ok_with_a_summary(tmp_path, capsys):
    path = tmp_path / "limen.yaml"
    path.write_text(GOOD)
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == "ok: 1 listener, 1 route, 1 upstream with 1 endpoint\n"


def test_check_names_every_problem(tmp_path, capsys):
    path = tmp_path / "limen.yaml"
    path.write_text(GOOD.replace("upstream: web", "upstream: wbe").replace("9001", "99999"))
    assert main(["check", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{path}:" in err


def test_check_prints_warnings_and_is_content(tmp_path, capsys):
    path = tmp_path / "limen.yaml"
    path.write_text(GOOD.replace("{web:", "{unused: {endpoints: [127.0.0.1:9003]}, web:"))
    assert main(["check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("ok: ")
    assert "warning: " in err
    assert "unused" in err


def test_a_missing_file_is_status_2(tmp_path, capsys):
    assert main(["run", str(tmp_path / "absent.yaml")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_the_schema_is_json(capsys):
    assert main(["schema"]) == 0
    assert "listeners" in json.loads(capsys.readouterr().out)["properties"]


@pytest.mark.parametrize("command", ["reload", "drain", "status", "top"])
def test_commands_without_an_instance_say_so(command, tmp_path, capsys):
    assert main([command]) == 1
    assert "no running instance" in capsys.readouterr().err
    path = tmp_path / "limen.yaml"
    path.write_text(GOOD)
    assert main([command, str(path)]) == 1
    assert "no instance answers" in capsys.readouterr().err


def test_a_bad_listen_address_is_status_2(capsys):
    assert main(["reverse", "--listen", "nowhere", "--to", "127.0.0.1:1"]) == 2
    assert "--listen: 'nowhere' has no port" in capsys.readouterr().err
    assert main(["forward", "--listen", "nowhere"]) == 2
    assert "--listen: 'nowhere' has no port" in capsys.readouterr().err


def test_check_knows_which_ciphers_and_groups_openssl_has(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    path = tmp_path / "limen.yaml"

    def check(words):
        path.write_text(
            f"listeners: [{{bind: 127.0.0.1:1, tls: {{self_signed: true, {words}}}, routes: [{{respond: {{status: 204}}}}]}}]"
        )
        status = main(["check", str(path)])
        return status, capsys.readouterr().err

    good = "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert check(f"ciphers: [{good}, TLS_AES_128_GCM_SHA256], groups: [X25519, P-256]") == (0, "")
    status, told = check(f"ciphers: [{good}, FOO-BAR-BAZ]")
    assert status == 0
    assert "listeners[0].tls.ciphers[1]: FOO-BAR-BAZ is not known to the OpenSSL in use" in told
    for words in (f"ciphers: [{good}, TLS_FOO_BAR]", "ciphers: FOO-BAR-BAZ", "groups: [X25519, FOO]"):
        status, told = check(words)
        assert status == 2
        assert "is not known to the OpenSSL in use" in told


def test_check_warns_of_routes_that_nothing_reaches(tmp_path, capsys):
    path = tmp_path / "limen.yaml"
    routes = "[{name: all, upstream: web}, {name: late, match: {path: /x}, upstream: web}]"
    path.write_text(GOOD.replace("[{upstream: web}]", routes))
    assert main(["check", str(path)]) == 0
    err = capsys.readouterr().err
    assert "no request reaches the route 'late': 'all' before it takes all" in err
    assert f"{path}:1:" in err


def test_the_demo_is_a_good_configuration():
    config = _configuration(Ports(), (9001, 9002))
    assert summary(config) == "2 listeners, 1 route, 1 upstream with 2 endpoints"


def test_load_is_the_public_door(tmp_path):
    path = tmp_path / "limen.yaml"
    path.write_text(GOOD)
    assert limen.load(path).listeners[0].label == "127.0.0.1:8080"
    with pytest.raises(ConfigErrors):
        limen.load(tmp_path / "absent")
