"""Stapling with a real responder (`openssl ocsp`) and a real client (`openssl s_client -status`)."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.tls.test_terminate import certificates
from tests.support import Reply, available, environment, free_port, run_limen, wait_until
from tests.unit.tls.conftest import Issuer, make_key, pem, private_pem

pytestmark = pytest.mark.skipif(not available("openssl"), reason="needs openssl")


class Pair:
    """What `certificates` takes."""

    def __init__(self, folder, issuer, *, responder, must_staple=False):
        key = make_key()
        self.certificate = issuer.issue("a.example", key=key, responder=responder, must_staple=must_staple)
        self.chain, self.key = folder / "stapled.pem", folder / "stapled.key"
        self.chain.write_bytes(pem(self.certificate, issuer.certificate))
        self.key.write_bytes(private_pem(key))
        self.key.chmod(0o600)


def is_listening(port):
    """Whether somebody does, without connecting (state 0A of /proc/net/tcp)."""
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


class Responder:
    """`openssl ocsp` for one authority, which knows one certificate."""

    def __init__(self, folder, issuer, certificate, port, *, revoked=False):
        ends = certificate.not_valid_after_utc.strftime("%y%m%d%H%M%SZ")
        since = datetime.now(UTC).strftime("%y%m%d%H%M%SZ") if revoked else ""
        line = f"{'R' if revoked else 'V'}\t{ends}\t{since}\t{certificate.serial_number:X}\tunknown\t/CN=a.example\n"
        serial = f"{certificate.serial_number:X}"
        line = line.replace(serial, serial.zfill(len(serial) + len(serial) % 2))
        (folder / "index.txt").write_text(line, encoding="ascii")
        (folder / "issuer.pem").write_bytes(pem(issuer.certificate))
        (folder / "issuer.key").write_bytes(private_pem(issuer.key))
        self.process = subprocess.Popen(
            ["openssl", "ocsp", "-index", "index.txt", "-port", str(port), "-rsigner", "issuer.pem", "-rkey",
             "issuer.key", "-CA", "issuer.pem", "-ndays", "1"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
        )  # fmt: skip
        # who finds nobody there asks again after a minute; a connection without a question would be one too many for it
        wait_until(lambda: is_listening(port), what="the responder")

    def close(self):
        self.process.terminate()
        self.process.wait()


def shown(proxy, *options):
    """What a client gets that asks for the response."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "a.example", "-status", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, env=environment(),
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path


@pytest.mark.sanitize
def test_the_responders_word_is_stapled(start_tls, start_origin, folder):
    issuer, port = Issuer(), free_port()
    pair = Pair(folder, issuer, responder=f"http://127.0.0.1:{port}/")
    responder = Responder(folder, issuer, pair.certificate, port)
    try:
        proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(pair))
        proxy.wait_for_log("revision 2 is in force", timeout=120)
    finally:
        responder.close()
    for version in ("-tls1_2", "-tls1_3"):
        text = shown(proxy, version)
        assert "OCSP Response Status: successful" in text
        assert "Cert Status: good" in text
    # another start has it at once, although the responder is gone
    again = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(pair))
    assert "Cert Status: good" in shown(again)


def test_what_clients_insist_on_and_is_not_there_is_told(start_tls, start_origin, folder):
    issuer, port = Issuer(), free_port()
    pair = Pair(folder, issuer, responder=f"http://127.0.0.1:{port}/", must_staple=True)
    responder = Responder(folder, issuer, pair.certificate, port, revoked=True)
    try:
        proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(pair))
        proxy.wait_for_log("nothing to staple for a.example, whose clients insist on it and refuse: .* revoked", 120)
    finally:
        responder.close()
    assert "no response sent" in shown(proxy)
    listener = {"bind": "127.0.0.1:0", "tls": certificates(pair), "routes": [{"respond": {"status": 204}}]}
    path = folder / "limen.yaml"
    for stapling, words in [(True, "none is at hand yet"), (False, "`stapling` is off")]:
        listener["tls"]["stapling"] = stapling
        path.write_text(json.dumps({"listeners": [listener]}), encoding="utf-8")
        done = run_limen("check", str(path))
        assert done.returncode == 0
        assert f"{pair.chain}: clients insist on a stapled response, and {words}: they will refuse it" in done.stderr
