"""Hooks at `request` and `response`: what they see, change, answer, and how they fail."""

import pytest

from tests.support import LimenProcess, OriginConnection, RawClient, RawOrigin, Reply, ScriptedOrigin, wait_until

RULES = """
import asyncio

import limen
from limen import Exchange, hook

gone = []
napping = []
woken = asyncio.Event()


def fields(exchange: Exchange) -> None:
    request = exchange.request
    request.fields["X-Seen"] = f"{request.method} {request.path} {request.query} {request.host} {exchange.client[0]}"
    request.fields.remove("X-Gone")
    request.fields.add("X-Twice", "1")
    request.fields.add("X-Twice", "2")
    request.fields["X-Names"] = f"{exchange.listener} {exchange.route} {exchange.target} {exchange.phase}"


async def change(exchange):
    await asyncio.sleep(0.01)
    exchange.request.method = "PUT"
    exchange.request.path = "/changed/%20path"
    exchange.request.query = "a=1&b=2"
    exchange.request.host = "other.example:81"


def reply(exchange):
    exchange.reply(418, "short and stout\\n", {"X-Pot": "tea"})


async def late_reply(exchange):
    await asyncio.sleep(0.05)
    exchange.reply(200, b"x" * 300_000, [("Content-Type", "x/y")])


@hook("response")
def response(exchange):
    exchange.response.status = 203
    exchange.response.fields["X-Origin"] = str(exchange.response.fields.get("X-One"))
    exchange.response.fields.remove("X-One")


@hook("response")
def no_content(exchange):
    exchange.response.status = 204
    exchange.response.body = b"not sent"


@hook("response")
async def slow_response(exchange):
    await asyncio.sleep(0.2)
    exchange.response.fields["X-Slow"] = exchange.request.path


@hook("response")
def response_reply(exchange):
    exchange.reply(502, "the origin said %d\\n" % exchange.response.status)


@hook("response")
async def late_response_reply(exchange):
    await asyncio.sleep(0.05)
    exchange.reply(200, "instead\\n")


@hook("request")
@hook("response")
async def both(exchange):
    exchange.state.setdefault("phases", []).append(str(exchange.phase))
    if exchange.phase == "response":
        exchange.response.fields["X-Phases"] = ",".join(exchange.state["phases"])


def failing(exchange):
    exchange.request.fields["X-Half"] = "done"
    raise RuntimeError("on purpose")


async def failing_late(exchange):
    await asyncio.sleep(0)
    raise RuntimeError("on purpose")


@hook("response")
async def failing_response(exchange):
    await asyncio.sleep(0)
    raise RuntimeError("on purpose")


async def slow(exchange):
    await asyncio.sleep(30)


@hook("response")
async def slow_after(exchange):
    await asyncio.sleep(30)


async def nap(exchange):
    napping.append(exchange)
    try:
        await woken.wait()
    except asyncio.CancelledError:
        gone.append(exchange)
        raise


@hook("response")
async def nap_after(exchange):
    await nap(exchange)


def wake(exchange):
    woken.set()
    woken.clear()
    exchange.reply(200)


def count(exchange):
    exchange.reply(200, f"{len(gone)} {len(asyncio.all_tasks())} {len(napping)}")


def forgets(exchange):
    async def inner():
        pass
    return inner()


def bad_value(exchange):
    exchange.request.fields["X-Bad"] = "a\\r\\nInjected: 1"


def exits(exchange):
    raise SystemExit(3)


def cancels(exchange):
    raise asyncio.CancelledError


async def exits_late(exchange):
    await asyncio.sleep(0)
    raise SystemExit(3)


async def interrupts_late(exchange):
    raise KeyboardInterrupt


@hook("response")
def exits_after(exchange):
    raise SystemExit(3)


async def stubborn(exchange):
    for _ in range(12):
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass
    exchange.reply(200)


def pid(exchange):
    import os
    exchange.reply(200, str(os.getpid()))
"""
NAMES = [
    "fields", "change", "reply", "late_reply", "response", "slow_response", "response_reply", "late_response_reply",
    "both", "no_content", "failing", "failing_late", "failing_response", "slow", "slow_after", "nap", "nap_after", "wake", "count", "forgets", "bad_value",
    "exits", "cancels", "exits_late", "interrupts_late", "exits_after", "stubborn", "pid",
]  # fmt: skip


@pytest.fixture
def origin():
    with ScriptedOrigin(Reply(content=b"from the origin", fields=[("X-One", "1")])) as started:
        yield started


@pytest.mark.sanitize
def test_what_hooks_see_and_change(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        response = client.request("GET", "/fields?a=b", [("X-Gone", "1"), ("X-Stays", "2")])
        assert (response.status, response.content) == (200, b"from the origin")
        request = origin.requests[-1]
        assert request.get("x-seen") == "GET /fields a=b test.example 127.0.0.1"
        assert request.get("x-gone") is None
        assert request.get("x-stays") == "2"
        assert request.get_all("x-twice") == ["1", "2"]
        assert request.get("x-names") == "front fields None request"
        assert client.request("GET", "/change?z=1").status == 200
        request = origin.requests[-1]
        assert (request.method, request.target) == ("PUT", "/changed/%20path?a=1&b=2")
        assert request.get_all("host") == ["other.example:81"]
        # with content, which is not touched
        assert client.request("POST", "/change", content=b"c" * 200_000).status == 200
        assert origin.requests[-1].content == b"c" * 200_000
        assert client.request("POST", "/fields", content=b"c" * 200_000).status == 200
        assert origin.requests[-1].content == b"c" * 200_000


def test_replies(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        for _ in range(3):
            response = client.request("GET", "/reply")
            assert (response.status, response.text, response.get("x-pot")) == (418, "short and stout\n", "tea")
            response = client.request("GET", "/late_reply")
            assert (response.status, response.content) == (200, b"x" * 300_000)
            assert client.request("HEAD", "/late_reply").status == 200
        assert not origin.requests
        assert client.request("GET", "/response_reply").text == "the origin said 200\n"
        assert client.request("GET", "/late_response_reply").text == "instead\n"
        # the content of a request that is answered early does not become the next request
        assert client.request("POST", "/reply", content=b"GET / HTTP/1.1\r\n\r\n").status == 418
    with proxy.connect() as client:
        assert client.request("GET", "/").status == 200


def test_responses(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        response = client.request("GET", "/response")
        assert (response.status, response.get("x-origin"), response.get("x-one")) == (203, "1", None)
        assert response.content == b"from the origin"
        assert client.request("HEAD", "/response").status == 203
        response = client.request("GET", "/both")
        assert response.get("x-phases") == "request,response"
        for script in (
            Reply(content=b"y" * 3_000_000),
            Reply(content=b"y" * 3_000_000, chunked=True),
            Reply(content=b"y" * 3_000_000, close=True),
            Reply(content=b""),
            Reply(status=204),
        ):
            origin.script = script
            for path in ("/slow_response", "/response"):
                response = client.request("GET", path)
                assert response.status == (203 if path == "/response" else script.status)
                assert response.content == (script.content if script.status == 200 else b"")
                assert path == "/response" or response.get("x-slow") == "/slow_response"
            assert client.request("GET", "/no_content").status == 204


def napping(proxy: LimenProcess) -> int:
    """How many have gone to sleep so far."""
    return int(proxy.get("/count").text.split()[2])


@pytest.mark.sanitize
def test_an_origin_that_answers_early_and_goes_while_a_hook_has_its_response(hooked) -> None:
    """The rest of the request has nowhere to go."""

    def serve(connection: OriginConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").reset()

    with RawOrigin(serve) as origin:
        proxy = hooked(RULES, NAMES, ORIGIN=origin)
        worker = proxy.get("/pid").text
        for number, (framing, parts) in enumerate(
            (
                ("Content-Length: 300000", [b"x" * 100_000] * 3),
                ("Content-Length: 2", [b"x", b"x"]),
                ("Transfer-Encoding: chunked", [b"3\r\nabc\r\n"] * 2 + [b"0\r\n\r\n"]),
            ),
            1,
        ):
            with proxy.connect() as client:
                client.send(f"POST /nap_after HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")
                # the hook sleeps while the origin goes, and then content comes
                wait_until(lambda number=number: napping(proxy) == number, what="the hook asleep")
                assert client.is_silent(0.08)
                for part in parts:
                    client.send(part)
                assert proxy.get("/wake").status == 200
                client.read_to_end()
        assert proxy.get("/pid").text == worker


def test_failures(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        for path, status in [
            ("/failing", 500),
            ("/failing_late", 500),
            ("/failing_response", 500),
            ("/forgets", 500),
            ("/bad_value", 500),
            ("/slow", 504),
            ("/slow_after", 504),
        ]:
            assert client.request("GET", path).status == status, path
            # the connection and the worker live on
            assert client.request("GET", "/").status == 200
    assert all(request.get("x-half") is None for request in origin.requests)
    proxy.wait_for_log("RuntimeError: on purpose")


def test_hooks_that_want_to_end_everything(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        worker = client.request("GET", "/pid").text
        for path in ("/exits", "/cancels", "/exits_late", "/interrupts_late", "/exits_after"):
            assert client.request("GET", path).status == 500, path
        # it swallows its cancellation, and nobody waits for what it would say
        assert client.request("GET", "/stubborn").status == 504
        assert client.request("GET", "/pid").text == worker
    for name in ("exits", "cancels", "exits_late", "interrupts_late", "exits_after"):
        proxy.wait_for_log(f"hook rules:{name} failed with")
    proxy.wait_for_log("hook rules:stubborn did not finish within 1 s")


def test_clients_that_leave_while_a_hook_sleeps(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        tasks = int(client.request("GET", "/count").text.split()[1])
    base = proxy.open_files()
    for _ in range(30):
        client = proxy.connect()
        client.send_request("GET", "/nap")
        client.reset()

    def cancelled() -> bool:
        gone, left, _ = map(int, proxy.get("/count").text.split())
        return gone <= 30 and left <= tasks

    wait_until(cancelled)
    wait_until(lambda: proxy.open_files() <= base)
    assert not origin.requests


@pytest.mark.sanitize
def test_slow_hooks_do_not_delay_others(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    clients = [proxy.connect() for _ in range(50)]
    for client in clients:
        client.send_request("GET", "/nap")
    with proxy.connect() as other:
        for _ in range(20):
            assert other.request("GET", "/").status == 200
        wait_until(lambda: napping(proxy) == 50, what="all of them asleep")
        assert other.request("GET", "/").status == 200
        # all this while none of the naps ended, or the origin would have seen it
        assert {request.target for request in origin.requests} == {"/"}
        assert other.request("GET", "/wake").status == 200
    for client in clients:
        assert client.read_response().content == b"from the origin"
        client.close()


def test_pipelined_requests_keep_their_order(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        client.send_request("GET", "/late_reply").send_request("GET", "/reply").send_request("GET", "/slow_response")
        assert [client.read_response().status for _ in range(3)] == [200, 418, 200]


def half_closed(client: RawClient) -> int:
    client.send_request("GET", "/late_reply").half_close()
    return client.read_response().status


def test_a_client_that_ended_its_half_gets_the_answer(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        assert half_closed(client) == 200
        client.expect_end()
