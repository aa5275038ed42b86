"""What is left in logs of who went where: nothing where nothing is to be told, and the same pseudonym from all workers."""

import base64
import json

import bcrypt

from tests.support import LimenProcess, json_lines, wait_until

SECRET = ("alice", "127.0.0.1", "/path", "q=1")


def start(start_limen, tmp_path, privacy: dict, **listener: object) -> LimenProcess:
    (tmp_path / "passwords").write_text(f"alice:{bcrypt.hashpw(b'word', bcrypt.gensalt(4)).decode()}\n")
    forward = {"targets": {"private": "allow"}, "access": [{"allow": {}}], "identity": "staff"}
    config = {
        "workers": 2,
        "identities": {"staff": {"basic": "@DIR@/passwords"}},
        "log": {"access": {"path": "@DIR@/access.jsonl", "flush": "10ms", "query": True}, "privacy": privacy},
        "listeners": [{"name": "front", "bind": "127.0.0.1:@PORT@", "forward": forward, **listener}],
    }
    return start_limen(json.dumps(config), directory=tmp_path, allow=["wrong credentials"])


def ask(proxy: LimenProcess, origin, user: str = "alice") -> int:
    shown = base64.b64encode(f"{user}:word".encode()).decode()
    with proxy.connect() as client:
        fields = f"Host: {origin.address}\r\nProxy-Authorization: Basic {shown}\r\nReferer: http://127.0.0.1/path\r\n"
        client.send(f"GET http://{origin.address}/path?q=1 HTTP/1.1\r\n{fields}\r\n")
        return client.read_response().status


def lines(proxy: LimenProcess, count: int) -> list[dict]:
    path = proxy.directory / "access.jsonl"
    wait_until(lambda: len(json_lines(path)) >= count)
    return json_lines(path)


def test_pseudonyms_of_all_workers_and_of_the_event_log(start_limen, start_origin, tmp_path) -> None:
    origin = start_origin()
    privacy = {"clients": "pseudonym", "users": "pseudonym", "targets": "pseudonym"}
    proxy = start(start_limen, tmp_path, privacy)
    for _ in range(20):
        assert ask(proxy, origin) == 200
    assert ask(proxy, origin, "mallory") == 407
    found = lines(proxy, 21)
    known = [line for line in found if line["status"] == 200]
    for key in ("client", "user", "host"):
        assert len({line[key] for line in known}) == 1, key
        assert known[0][key].startswith("~")
    text = (proxy.directory / "access.jsonl").read_text()
    assert not [word for word in (*SECRET, origin.address) if word in text]
    proxy.wait_for_log("wrong credentials")
    events = [line for line in proxy.log.splitlines() if "wrong credentials" in line]
    assert "mallory" not in str(events)
    assert known[0]["client"] in str(events)


def test_nothing_and_no_line(start_limen, start_origin, tmp_path) -> None:
    origin = start_origin()
    proxy = start(start_limen, tmp_path, {"clients": "none", "users": "none", "targets": "none"})
    assert ask(proxy, origin) == 200
    found = lines(proxy, 1)[0]
    assert found["client"] == "-"
    assert not {"user", "target", "host", "endpoint", "referer", "port"} & set(found)
    other = tmp_path / "other"
    other.mkdir()
    silent = start(start_limen, other, {}, log=False)
    assert ask(silent, origin) == 200
    silent.stop()
    path = other / "access.jsonl"
    assert not path.exists() or path.read_text() == ""
