"""Questions over HTTPS, asked of a server that speaks HTTP/2: what is sent, and what becomes of answers that are none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dns.message
import pytest

from limen.egress import resolver as resolvers
from limen.egress.resolver import Resolver
from limen.egress.sealed import SealedServer
from limen.faults import FaultNumber
from tests.support.certificates import Authority
from tests.support.https_names import HttpsNames
from tests.support.name_server import NameServer

Make = Callable[..., Resolver]
Test = Callable[[HttpsNames, Make], Awaitable[None]]
Run = Callable[..., None]
SECOND_FAMILY = resolvers.SECOND_FAMILY


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a test against a server whose certificate is for dns.test, with resolvers that know its authority."""
    # both families are waited for, on however busy a machine
    monkeypatch.setattr(resolvers, "SECOND_FAMILY", 30.0)
    authority = Authority(tmp_path)
    serving = authority.serving(authority.issue("dns.test"))

    def start(test: Test, *, http2: bool = True, **options: Any) -> None:
        async def main() -> None:
            async with asyncio.timeout(60), NameServer() as plain:
                names = HttpsNames(plain, **options)
                server = await names.start(serving, http2=http2)
                made: list[Resolver] = []

                def resolver(timeout: float = 40, name: str = "dns.test", idle: float = 10) -> Resolver:
                    sealed = SealedServer(
                        ["127.0.0.1"], names.port, name, str(authority.file), path="/dns-query", idle=idle
                    )
                    # the plain one is there, and must not be asked
                    made.append(Resolver([plain.address], sealed=[sealed], timeout=timeout, hosts=False, min_ttl=0))
                    return made[-1]

                try:
                    await test(names, resolver)
                    assert not plain.by_tcp
                    assert plain.asked.total() <= len(names.questions)
                finally:
                    for one in made:
                        await one.close()
                    server.close()
                    for connection in names.connections:
                        await connection.over.wait()

        asyncio.run(main())

    return start


def test_questions_are_posts_on_one_connection(run: Run) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        one = make()
        for number in range(5):
            names.names.add(f"n{number}.test", f"30 A 192.0.2.{number}", "70 AAAA 2001:db8::1")
        found = await asyncio.gather(*(one.resolve(f"n{number}.test") for number in range(5)))
        for number, resolution in enumerate(found):
            assert set(resolution.addresses) == {"2001:db8::1", f"192.0.2.{number}"}
            assert resolution.ttl == 30
        assert (await one.resolve("none.test")).fault == FaultNumber.DNS
        one.forget()
        await one.resolve("n0.test")
        assert len(names.connections) == 1
        assert len(names.questions) == 14
        assert len(set(names.questions)) == 12  # what is asked again is the same content
        assert names.fields[0] == {
            b":method": b"POST",
            b":scheme": b"https",
            b":authority": b"dns.test:%d" % names.port,
            b":path": b"/dns-query",
            b"accept": b"application/dns-message",
            b"content-type": b"application/dns-message",
            b"content-length": b"128",
        }
        assert {len(question) for question in names.questions} == {128}
        assert {dns.message.from_wire(question).id for question in names.questions} == {0}

    run(test)


def test_answers_in_another_order_and_no_more_than_the_server_takes(run: Run) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        one = make()
        for number in range(20):
            names.names.add(f"n{number}.test", f"30 A 192.0.2.{number}", "30 AAAA 2001:db8::1")
        found = await asyncio.gather(*(one.resolve(f"n{number}.test") for number in range(20)))
        assert [resolution.addresses for resolution in found] == [
            ("2001:db8::1", f"192.0.2.{number}") for number in range(20)
        ]
        assert (names.most, len(names.connections), len(names.questions)) == (2, 1, 40)

    run(test, hold=True, streams=2)


def test_age_shortens_times_to_live(run: Run) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        names.names.add("a.test", "30 A 192.0.2.1")
        names.names.add("old.test", "10 A 192.0.2.1")
        assert (await make().resolve("a.test")).ttl == 10
        assert (await make().resolve("old.test")).ttl == 0

    run(test, age=20)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"status": b"503"}, "it answers with status 503"),
        ({"status": b"302"}, "it answers with status 302"),
        ({"kind": b"text/html"}, "it answers with what is no DNS message"),
        ({"padding": 65536, "age": 0}, "it answers with more than a DNS message"),
        ({"reset": True}, "it has reset the stream"),
        ({"garbage": True}, "it does not keep to HTTP/2"),
        ({"http2": False}, "it does not speak HTTP/2"),
    ],
)
def test_what_is_no_answer(run: Run, options: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        names.names.add("a.test", "30 A 192.0.2.1")
        resolution = await make().resolve("a.test")
        assert (resolution.addresses, resolution.fault) == ((), FaultNumber.DNS)

    with caplog.at_level(logging.INFO, "limen.resolver"):
        run(test, **options)
    (told,) = {record.getMessage() for record in caplog.records if record.name == "limen.resolver"}
    assert told.startswith(f"name server dns.test at 127.0.0.1 fails: {reason}")
    assert "a.test" not in told


def test_large_answers(run: Run) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        one = make()
        for number in range(40):  # more than the window of the connection, in all
            names.names.add(f"n{number}.test", *(f"30 A 10.0.{high}.{low}" for high in range(4) for low in range(50)))
        for number in range(40):
            assert len((await one.resolve(f"n{number}.test")).addresses) == 32

    run(test)


def test_a_connection_that_is_over_is_opened_anew(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        one = make()
        for number in range(4):
            names.names.add(f"n{number}.test", f"30 A 192.0.2.{number}")
        assert (await one.resolve("n0.test")).addresses
        names.leave = True  # what is under way then is asked again
        assert (await one.resolve("n1.test")).addresses
        names.connections[-1].transport.abort()
        assert (await one.resolve("n2.test")).addresses
        assert len(names.connections) == 3
        two = make(idle=0.5)
        assert (await two.resolve("n3.test")).addresses
        await names.connections[3].over.wait()

    with caplog.at_level(logging.INFO, "limen.resolver"):
        run(test)
    # it is no failure of the server
    assert not [record for record in caplog.records if record.name == "limen.resolver"]


@pytest.mark.parametrize("options", [{"silent": True}, {"window": 0}])
def test_who_takes_no_question_gets_none(run: Run, options: dict[str, Any]) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        one = make(timeout=0.5)
        assert (await one.resolve("a.test")).fault == FaultNumber.DNS_TIMEOUT
        assert not names.questions
        if names.silent:
            names.silent = False
            one._timeout = 40  # only silence is bounded so soon
            names.names.add("b.test", "30 A 192.0.2.1")
            assert (await one.resolve("b.test")).addresses

    run(test, **options)


def test_what_is_given_up_is_told_to_the_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvers, "SECOND_FAMILY", SECOND_FAMILY)

    async def test(names: HttpsNames, make: Make) -> None:
        one = make()
        names.names.silent = {"A"}
        names.names.add("a.test", "30 AAAA 2001:db8::1")
        assert (await one.resolve("a.test")).addresses == ("2001:db8::1",)
        (stream,) = names.connections[0].open
        for task in one._tasks:
            task.cancel()  # as its time would do when it is over
        await names.connections[0].changed.wait()
        assert stream not in names.connections[0].open

    run(test)


def test_the_wrong_server_is_told_nothing(run: Run) -> None:
    async def test(names: HttpsNames, make: Make) -> None:
        assert (await make(name="other.test").resolve("a.test")).fault == FaultNumber.DNS
        assert not names.connections

    run(test)
