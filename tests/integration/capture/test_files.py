"""The file of a capture: several workers, rotation, signals, reloads; and documents made of it."""

import json
import signal
import threading
from pathlib import Path

import pytest

from tests.integration.capture.conftest import configured, entries
from tests.support import Reply, Wait, wait_until
from tests.support.har import check_document, recorded


def ask(proxy, count: int, *, clients: int = 4) -> None:
    def go(number: int) -> None:
        for at in range(count // clients):
            # connections of their own, so that all workers get some
            response = proxy.get(f"/{number}/{at}")
            assert response.status == 200

    threads = [threading.Thread(target=go, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def urls(found: list[dict]) -> list[str]:
    return sorted(entry["request"]["url"] for entry in found)


def test_lines_of_several_workers_do_not_mix(start_capture, start_origin):
    origin = start_origin(lambda request, _: Reply(content=request.target.encode() * 4000))
    proxy = start_capture(origin, workers=2)
    ask(proxy, 200)
    found = entries(proxy, 200)
    assert urls(found) == sorted(f"http://test.example/{number}/{at}" for number in range(4) for at in range(50))
    for entry in found:
        path = entry["request"]["url"].removeprefix("http://test.example")
        assert entry["response"]["content"]["_truncated"] if len(path) * 4000 > 65536 else True
    assert (proxy.directory / "flows.jsonl").stat().st_mode & 0o777 == 0o600
    # (counted by the workers, each for itself, after the write)
    wait_until(lambda: proxy.metrics()["limen_captured_total"] == 200)
    assert proxy.metrics()["limen_captures_lost_total"] == 0


def files(proxy, count: int) -> list[Path]:
    paths = [proxy.directory / name for name in ("flows.jsonl", *(f"flows.jsonl.{at}" for at in range(1, count)))]
    return [path for path in paths if path.exists()]


def test_full_files_are_put_aside_by_whichever_worker(start_capture, start_origin):
    content = Reply(content=b"x" * 10_000, fields=[("Content-Type", "text/plain")])
    proxy = start_capture(start_origin(content), {"max_size": "64KiB", "files": 100}, workers=2)
    ask(proxy, 200)
    # (one that is put aside meanwhile is seen twice)
    wait_until(lambda: len({url for path in files(proxy, 100) for url in urls(recorded(path))}) == 200)
    assert len(files(proxy, 100)) > 20
    # each may find room for one batch more
    assert all(path.stat().st_size <= 128 << 10 for path in files(proxy, 100))
    document = proxy.command("har", "export", "flows", "--config", str(proxy.directory / "limen.yaml"))
    assert document.returncode == 0, document.stderr
    assert urls(check_document(document.stdout)) == urls([e for p in files(proxy, 100) for e in recorded(p)])


@pytest.mark.parametrize("most", [1, 3])
def test_the_oldest_file_goes(start_capture, start_origin, most):
    content = Reply(content=b"x" * 10_000, fields=[("Content-Type", "text/plain")])
    proxy = start_capture(start_origin(content), {"max_size": "64KiB", "files": most})
    for at in range(40):
        assert proxy.get(f"/{at}").status == 200
    wait_until(lambda: any(url.endswith("/39") for url in urls(recorded(proxy.directory / "flows.jsonl"))))
    found = files(proxy, 100)
    assert len(found) == most
    kept = [int(e["request"]["url"].rpartition("/")[2]) for path in reversed(found) for e in recorded(path)]
    assert kept == list(range(kept[0], 40))


def test_a_renamed_file_is_followed_and_usr1_opens_it_anew(start_capture, start_origin):
    proxy = start_capture(start_origin(), workers=2)
    path = proxy.directory / "flows.jsonl"
    ask(proxy, 20)
    entries(proxy, 20)
    path.rename(proxy.directory / "aside.jsonl")
    proxy.signal(signal.SIGUSR1)
    wait_until(path.exists, what="opened without traffic")
    ask(proxy, 20)
    entries(proxy, 20)
    assert len(recorded(proxy.directory / "aside.jsonl")) == 20
    # also without a signal
    path.rename(proxy.directory / "again.jsonl")
    ask(proxy, 4)
    entries(proxy, 4)


def test_what_is_left_is_written_at_the_end(start_capture, start_origin, tmp_path):
    proxy = start_capture(start_origin(Reply(content=b"x" * 50_000)), workers=2, directory=tmp_path)
    ask(proxy, 40)
    proxy.stop()
    assert len(recorded(tmp_path / "flows.jsonl")) == 40


def test_a_reload_changes_captures_and_loses_nothing(start_capture, start_origin):
    origin = start_origin()
    proxy = start_capture(origin)
    with proxy.connect() as client:
        assert client.request("GET", "/one").status == 200
        entries(proxy, 1)
        proxy.reload(configured(origin.address, {"path": "@DIR@/others.jsonl", "secrets": True}))
        fields = [("Authorization", "told")]
        assert client.request("GET", "/two", fields).status == 200
    others = proxy.directory / "others.jsonl"
    wait_until(lambda: len(recorded(others)) == 1)
    assert "told" in json.dumps(recorded(others))
    entries(proxy, 1)
    none = json.loads(configured(origin.address))
    del none["captures"]
    for listener in none["listeners"]:
        for place in (listener.get("forward", {}), *listener.get("routes", ())):
            place.pop("capture", None)
    proxy.reload(json.dumps(none))
    assert proxy.get("/three").status == 200
    assert len(recorded(others)) == 1


def test_a_file_that_cannot_be_opened_refuses_the_reload(start_capture, start_origin):
    origin = start_origin()
    proxy = start_capture(origin, allow=["refused", "regular"])
    (proxy.directory / "pipe").mkdir()
    said = proxy.reload(configured(origin.address, {"path": "@DIR@/pipe"}))
    assert "refused" in said
    assert proxy.get("/one").status == 200
    entries(proxy, 1)


def test_documents_by_command_and_by_the_admin_api(start_capture, start_origin, tmp_path):
    def answered(request, _):
        return Reply(status=404 if request.target == "/gone" else 200)

    proxy = start_capture(start_origin(answered), admin={"bind": "127.0.0.1:@ADMIN@", "token": "let-me-see-all-of-it"})
    for path in ("/one", "/gone", "/two"):
        proxy.get(path)
    entries(proxy, 3)
    config = str(proxy.directory / "limen.yaml")
    written = tmp_path / "out.har"
    done = proxy.command("har", "export", "flows", "--config", config, "--status", "4xx", "-o", str(written))
    assert done.returncode == 0, done.stderr
    (gone,) = check_document(written.read_text())
    assert gone["request"]["url"] == "http://test.example/gone"
    assert written.stat().st_mode & 0o777 == 0o600
    assert not check_document(proxy.command("har", "export", "flows", "--config", config, "--host", "x.*").stdout)
    assert proxy.command("har", "export", "others", "--config", config).returncode == 1
    assert proxy.command("har", "export", "flows", "--config", config, "--since", "nonsense").returncode == 2
    assert proxy.admin("/captures").status == 401
    token = [("Authorization", "Bearer let-me-see-all-of-it")]
    with proxy.connect("ADMIN") as client:

        def get(target: str):
            return client.request("GET", target, token, host=f"127.0.0.1:{proxy.port('ADMIN')}")

        listed = json.loads(get("/captures").content)
        assert [one["name"] for one in listed["captures"]] == ["flows"]
        answer = get("/captures/flows.har?status=2xx&since=1h")
        assert answer.get("content-disposition") == 'attachment; filename="flows.har"'
        assert urls(check_document(answer.content)) == ["http://test.example/one", "http://test.example/two"]
        cut = get("/captures/flows.har?limit=1").content
        assert len(check_document(cut)) == 1
        assert "cut short" in json.loads(cut)["log"]["comment"]
        for wrong in ("limit=0", "limit=x", "status=9", "colour=red", "until=never"):
            assert get(f"/captures/flows.har?{wrong}").status == 400, wrong
        assert get("/captures/others.har").status == 404


def test_without_credentials_the_admin_address_shows_nothing(start_capture, start_origin):
    proxy = start_capture(start_origin())
    assert proxy.admin("/captures").status == 403
    assert proxy.admin("/captures/flows.har").status == 403


def test_an_exchange_that_outlives_its_capture_is_written_at_the_end(start_capture, start_origin, tmp_path):
    goes_on = threading.Event()
    origin = start_origin([(Wait(goes_on), Reply(content=b"late"))])
    proxy = start_capture(origin, directory=tmp_path)
    with proxy.connect() as client:
        client.send_request("GET", "/slow")
        origin.wait_for_connections(1)
        proxy.reload(configured(origin.address, {"path": "@DIR@/others.jsonl"}))
        goes_on.set()
        assert client.read_response().content == b"late"
    proxy.stop()
    assert urls(recorded(tmp_path / "flows.jsonl")) == ["http://test.example/slow"]
    assert not recorded(tmp_path / "others.jsonl")
