"""Certificates over the life of an instance: checked before they are taken, watched, replaced under live connections."""

import json
import os
import shutil
import signal
import ssl
import threading
import time

import pytest
from cryptography import x509

from tests.integration.tls.test_resumption import visit
from tests.integration.tls.test_terminate import certificates
from tests.support import Reply, run_limen, wait_until


def serial(proxy, authority, name="a.example"):
    """Which certificate a new connection is shown."""
    context = authority.trusting()
    context.check_hostname = False
    with proxy.connect().secure(context, name) as client:
        return x509.load_der_x509_certificate(client.socket.getpeercert(True)).serial_number


def replace(old, new):
    """As a tool for renewals does: chain first, then key."""
    for source, target in ((new.chain, old.chain), (new.key, old.key)):
        shutil.copy(source, f"{target}.new")
        os.rename(f"{target}.new", target)


def text_of(proxy, change):
    """The configuration, with the first listener's `tls` changed."""
    config = json.loads(proxy.path.read_text(encoding="utf-8"))
    change(config["listeners"][0]["tls"])
    return json.dumps(config, indent=1)


@pytest.fixture
def pair(authority):
    return authority.issue("a.example")


@pytest.fixture
def proxy(start_tls, start_origin, pair):
    return start_tls(start_origin(Reply(content=b"ok")), tls=certificates(pair))


def broken(authority):
    """Pairs that cannot serve, and what is said of them: (chain, key, file named, words)."""
    one, other = authority.issue("a.example"), authority.issue("a.example")
    old = authority.issue("a.example", days=-0.5, since=-2)
    locked = authority.folder / "locked.key"
    locked.write_bytes(one.key.read_bytes().replace(b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"))
    missing = authority.folder / "missing.pem"
    return [
        (one.chain, other.key, other.key, "is not the key of the certificate"),
        (missing, one.key, missing, "cannot be read: no such file or directory"),
        (old.chain, old.key, old.chain, "expired on"),
        (one.chain, locked, locked, "is encrypted"),
        (one.key, one.key, one.key, "holds no certificate"),
    ]


def test_what_cannot_serve_fails_check_and_start(start_origin, authority, tmp_path):
    path = tmp_path / "limen.yaml"
    for chain, key, named, words in broken(authority):
        path.write_text(
            "listeners:\n"
            "  - bind: 127.0.0.1:0\n"
            "    tls:\n"
            "      certificates:\n"
            f"        - chain: {chain}\n"
            f"          key: {key}\n"
            "    routes: [{respond: {status: 204}}]\n",
            encoding="utf-8",
        )
        line = 5 if named == chain else 6
        column = 18 if named == chain else 16
        for command in ("check", "run"):
            done = run_limen(command, str(path), env={"XDG_RUNTIME_DIR": str(tmp_path)})
            assert done.returncode == 2, done
            assert f"{path}:{line}:{column}: listeners[0].tls.certificates[0]." in done.stderr
            assert f"{named}: {words}" in done.stderr


def test_a_good_one_passes_check_with_its_warnings(authority, tmp_path, pair):
    path = tmp_path / "limen.yaml"
    listener = {"bind": "127.0.0.1:0", "tls": certificates(pair), "routes": [{"respond": {"status": 204}}]}
    path.write_text(json.dumps({"listeners": [listener]}), encoding="utf-8")
    pair.key.chmod(0o644)
    done = run_limen("check", str(path))
    assert done.returncode == 0
    assert f"warning: {path}:1:" in done.stderr
    assert f"{pair.key}: may be read by others than its owner; chmod 600" in done.stderr


def test_a_reload_with_what_cannot_serve_changes_nothing(proxy, authority, pair):
    good = proxy.path.read_text(encoding="utf-8")
    for chain, key, named, words in broken(authority):
        files = {"chain": str(chain), "key": str(key)}
        text = text_of(proxy, lambda tls, files=files: tls.update(certificates=[files]))
        line = proxy.reload(text, expect="reload refused")
        assert "revision 1 goes on" in line
        assert f"{named}: {words}" in line
        assert proxy.command("reload", str(proxy.path)).returncode == 2
        assert serial(proxy, authority) == pair.serial
        proxy.write(good)
    assert "reloaded" in proxy.reload(good)


def test_a_changed_certificate_is_taken_and_connections_live_on(proxy, authority, pair):
    context = authority.trusting()
    with proxy.connect().secure(context, "a.example") as client:
        assert client.request("GET", "/", host="a.example").status == 200
        _, session = visit(proxy, context)
        fresh = authority.issue("a.example")
        replace(pair, fresh)
        proxy.wait_for_log("changed files were read: revision 2 is in force")
        assert serial(proxy, authority) == fresh.serial
        assert client.request("GET", "/", host="a.example").status == 200
        # tickets live on, too
        assert visit(proxy, context, session)[0]
    assert proxy.metrics()['limen_listener_accepted_total{listener="front"}'] == 4


def test_a_half_written_pair_waits_for_its_other_half(proxy, authority, pair):
    fresh = authority.issue("a.example")
    shutil.copy(fresh.chain, pair.chain)
    proxy.wait_for_log(f"{pair.key}: is not the key of the certificate")
    assert serial(proxy, authority) == pair.serial
    # said once, however often it is looked at
    looked = time.monotonic() + 5
    wait_until(lambda: time.monotonic() > looked, what="some looks")
    assert proxy.log.count("is not the key of the certificate") == 1
    shutil.copy(fresh.key, pair.key)
    proxy.wait_for_log("changed files were read: revision 2 is in force")
    assert serial(proxy, authority) == fresh.serial


def test_authorities_and_ticket_files_are_watched(start_tls, start_origin, authority, pair, tmp_path):
    ours, theirs = (type(authority)(tmp_path, name) for name in ("clients", "partners"))
    ca, keys = tmp_path / "taken.pem", tmp_path / "keys"
    shutil.copy(ours.file, ca)
    keys.write_bytes(os.urandom(80))
    keys.chmod(0o600)
    tls = {**certificates(pair), "client": {"ca": str(ca), "require": True}, "tickets": {"file": str(keys)}}
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=tls)
    alice, bob = ours.issue("alice", client=True), theirs.issue("bob", client=True)
    assert not visit(proxy, authority.trusting(alice))[0]
    shutil.copy(theirs.file, ca)
    proxy.wait_for_log("revision 2 is in force")
    _, session = visit(proxy, authority.trusting(bob))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        visit(proxy, authority.trusting(alice))
    context = authority.trusting(bob)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _, session = visit(proxy, context)
    assert visit(proxy, context, session)[0]
    keys.write_bytes(os.urandom(80))
    proxy.wait_for_log("revision 3 is in force")
    assert not visit(proxy, context, session)[0]


def test_connections_end_where_other_clients_are_believed(start_tls, start_origin, authority, pair, tmp_path):
    ours, theirs = (type(authority)(tmp_path, name) for name in ("clients", "partners"))
    ca = tmp_path / "taken.pem"
    shutil.copy(ours.file, ca)
    asking = {**certificates(pair), "client": {"ca": str(ca), "require": True}}
    root = {
        "listeners": [
            {"bind": "127.0.0.1:@PORT@", "tls": asking, "routes": [{"upstream": "web"}]},
            {"bind": "127.0.0.1:@OPEN@", "tls": certificates(pair), "routes": [{"upstream": "web"}]},
        ]
    }
    going = threading.Event()

    def answer(request, _connection):
        if request.target == "/slow":
            going.wait(30)
        return Reply(content=b"ok")

    proxy = start_tls(start_origin(answer), root=root)
    alice = authority.trusting(ours.issue("alice", client=True))
    with (
        proxy.connect().secure(alice, "a.example") as idle,
        proxy.connect().secure(alice, "a.example") as busy,
        proxy.connect("OPEN").secure(authority.trusting(), "a.example") as other,
    ):
        assert idle.request("GET", "/", host="a.example").status == 200
        busy.send_request("GET", "/slow", host="a.example")
        assert other.request("GET", "/", host="a.example").status == 200
        shutil.copy(theirs.file, ca)
        proxy.wait_for_log("revision 2 is in force")
        idle.expect_end()
        going.set()
        response = busy.read_response()
        assert (response.status, response.get("connection")) == (200, "close")
        busy.expect_end()
        assert other.request("GET", "/", host="a.example").status == 200


def test_tickets_are_handed_over(start_tls, start_origin, authority, pair):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(pair))
    context = authority.trusting()
    _, session = visit(proxy, context)
    proxy.signal(signal.SIGUSR2)
    proxy.wait_for_log("has taken over")
    successor = int(proxy.wait_for_log(r"handover: process (\d+) has taken over")[0])
    proxy.wait_for_exit()
    try:
        assert visit(proxy, context, session)[0]
    finally:
        os.kill(successor, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{successor}"), what="the end of the successor")
        proxy.kill()


def test_expiry_is_shown(start_tls, start_origin, authority):
    pair = authority.issue("a.example", days=2.5)
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(pair))
    proxy.wait_for_log(f"{pair.chain}: the certificate expires in 2 days")
    end = pair.certificate.not_valid_after_utc.timestamp()
    name = f'limen_certificate_expiry_seconds{{listener="front",upstream="",file="{pair.chain}"}}'
    assert proxy.metrics()[name] == end
    shown = proxy.command("status", str(proxy.path)).stdout
    assert any(line.split()[:2] == [str(pair.chain), "front"] and line.endswith(" 2") for line in shown.splitlines())


def test_no_tls_no_library(start_origin, start_tls):
    proxy = start_tls(start_origin(Reply(content=b"ok")), fresh=True)
    assert proxy.get().status == 200
    for pid in (proxy.pid, *proxy.worker_pids()):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            loaded = maps.read()
        assert "cryptography" not in loaded
