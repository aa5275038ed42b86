"""Questions over TLS, asked of a server that speaks it: on one connection, of the right server, never in the clear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import dns.edns
import dns.message
import pytest

from limen.config.models.resolver import Resolver as Settings
from limen.egress import resolver as resolvers
from limen.egress import sealed as module
from limen.egress import sealed_tls
from limen.egress.resolver import Resolver, resolver_of
from limen.egress.sealed import SealedServer
from limen.faults import FaultNumber
from tests.support.certificates import Authority
from tests.support.name_server import NameServer
from tests.support.ports import free_port


@dataclass
class TlsServer:
    """A name server's answers over TLS; keeps its connections, and the length of what it was asked."""

    names: NameServer
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    hold: bool = False  # answers are given in the opposite order, once two are held
    twice: asyncio.Event = field(default_factory=asyncio.Event)  # two questions have come
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        held: list[bytes] = []
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                self.lengths.append(size)
                if len(self.lengths) == 2:
                    self.twice.set()
                query = dns.message.from_wire(await reader.readexactly(size))
                response = self.names.answer(query)
                if response is None:
                    continue
                wire = response.to_wire(max_size=65535)
                held.insert(0, len(wire).to_bytes(2) + wire)
                if not self.hold or len(held) == 2:
                    writer.write(b"".join(held))
                    held.clear()
        except (EOFError, OSError):
            pass
        finally:
            writer.close()


Test = Callable[[TlsServer, Callable[..., Resolver]], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a test against a server whose certificate is for dns.test, with resolvers that know its authority."""
    # both families are waited for, on however busy a machine
    monkeypatch.setattr(resolvers, "SECOND_FAMILY", 30.0)
    authority = Authority(tmp_path)
    serving = authority.serving(authority.issue("dns.test"))

    def start(test: Test) -> None:
        async def main() -> None:
            async with asyncio.timeout(60), NameServer() as plain:
                tls = TlsServer(plain)
                server = await asyncio.start_server(tls.serve, "127.0.0.1", 0, ssl=serving)
                tls.port = server.sockets[0].getsockname()[1]
                made: list[Resolver] = []

                def resolver(
                    name: str = "dns.test", ca: str | None = str(authority.file), timeout: float = 40, idle: float = 10
                ) -> Resolver:
                    sealed = [SealedServer(["127.0.0.1"], tls.port, name, ca, idle=idle)]
                    # the plain one is there, and must not be asked
                    made.append(Resolver([plain.address], sealed=sealed, timeout=timeout, hosts=False, min_ttl=0))
                    return made[-1]

                try:
                    await test(tls, resolver)
                finally:
                    for one in made:
                        await one.close()
                    server.close()
                    await asyncio.gather(*(one.wait_closed() for one in tls.connections), return_exceptions=True)

        asyncio.run(main())

    return start


def test_all_questions_on_one_connection_padded_with_their_ttl(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        one = resolver()
        for number in range(5):
            tls.names.add(f"n{number}.test", f"30 A 192.0.2.{number}", "70 AAAA 2001:db8::1")
        found = await asyncio.gather(*(one.resolve(f"n{number}.test") for number in range(5)))
        for number, resolution in enumerate(found):
            assert set(resolution.addresses) == {"2001:db8::1", f"192.0.2.{number}"}
            assert 0 < resolution.ttl <= 30
        assert (await one.resolve("none.test")).fault == FaultNumber.DNS
        assert len(tls.connections) == 1
        assert len(tls.lengths) == 12
        assert {length % 128 for length in tls.lengths} == {0}
        assert not tls.names.by_tcp
        await one.resolve("n1.test")
        assert len(tls.lengths) == 12  # kept

    run(test)


def test_answers_in_another_order(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.hold = True
        tls.names.add("a.test", "30 A 192.0.2.1", "30 AAAA 2001:db8::1")
        assert (await resolver().resolve("a.test")).addresses == ("2001:db8::1", "192.0.2.1")

    run(test)


def test_a_connection_that_the_server_ended_is_opened_anew(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        one = resolver()
        for number in (1, 2, 3):
            tls.names.add(f"n{number}.test", f"30 A 192.0.2.{number}")
            assert (await one.resolve(f"n{number}.test")).addresses == (f"192.0.2.{number}",)
            tls.connections[-1].transport.abort()
        assert len(tls.connections) == 3

    run(test)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"name": "other.test"}, "Hostname mismatch, certificate is not valid for 'other.test'."),
        ({"name": "127.0.0.1"}, "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ({"ca": None}, "unable to get local issuer certificate"),
    ],
)
def test_the_wrong_server_is_told_nothing(
    run: Callable[[Test], None], wrong: dict[str, str | None], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.names.add("a.test", "30 A 192.0.2.1")
        resolution = await resolver(**wrong).resolve("a.test")
        assert (resolution.addresses, resolution.fault) == ((), FaultNumber.DNS)
        assert not tls.lengths
        assert not tls.names.asked  # nor in the clear

    with caplog.at_level(logging.INFO, "limen.resolver"):
        run(test)
    name = wrong.get("name", "dns.test")
    # once, though it was asked four times
    assert [record.getMessage() for record in caplog.records if record.name == "limen.resolver"] == [
        f"name server {name} at 127.0.0.1 fails: its certificate is not good: {reason}"
    ]


def test_the_next_server_where_one_fails_and_the_first_again_once_it_works(
    run: Callable[[Test], None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        for number in range(4):
            tls.names.add(f"n{number}.test", f"30 A 192.0.2.{number}")
        one = resolver()
        good = one._sealed[0]
        down = SealedServer(["127.0.0.1"], free_port(), "dns.test", good._ca, label="down")
        one._sealed = (down, good)
        assert (await one.resolve("n0.test")).addresses == ("192.0.2.0",)
        assert down.failing
        # for a while the other one is asked first: what is not dialled cannot fail
        with monkeypatch.context() as patched:
            patched.setattr(down, "ask", None)
            assert (await one.resolve("n1.test")).addresses == ("192.0.2.1",)
        monkeypatch.setattr(module, "SHUNNED", 0.0)
        down._failed("again")
        down.port = tls.port
        assert (await one.resolve("n2.test")).addresses == ("192.0.2.2",)
        assert len(tls.connections) == 2

    with caplog.at_level(logging.INFO, "limen.resolver"):
        run(test)
    told = [record.getMessage() for record in caplog.records if record.name == "limen.resolver"]
    assert told[0].startswith("name server down fails: ")
    assert told[-1] == "name server down answers again"


def test_addresses_in_turn_and_the_one_that_worked_first(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.names.add("a.test", "30 A 192.0.2.1")
        one = resolver()
        (server,) = one._sealed
        server.addresses = ("127.0.0.2", "127.0.0.1")  # nobody listens at the first one
        assert (await one.resolve("a.test")).addresses == ("192.0.2.1",)
        assert server.addresses == ("127.0.0.1", "127.0.0.2")

    run(test)


def test_more_questions_than_a_connection_takes_wait(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_tls, "MOST", 2)

    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.hold = True  # as long as two are not there, nothing is answered: more are never needed
        one = resolver()
        for number in range(20):
            tls.names.add(f"n{number}.test", f"30 A 192.0.2.{number}")
        found = await asyncio.gather(*(one.resolve(f"n{number}.test") for number in range(20)))
        assert [resolution.addresses for resolution in found] == [(f"192.0.2.{number}",) for number in range(20)]
        assert len(tls.connections) == 1

    run(test)


def test_closing_ends_what_is_under_way_and_logs_nothing(
    run: Callable[[Test], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.names.silent = {"A", "AAAA"}
        one = resolver()
        waiting = asyncio.create_task(one.resolve("a.test"))
        await tls.twice.wait()
        await one.close()
        assert (await waiting).fault == FaultNumber.DNS_TIMEOUT
        with pytest.raises(OSError, match="closed"):
            await one._sealed[0].ask(bytes(12))

    with caplog.at_level(logging.INFO, "limen.resolver"):
        run(test)
    assert not [record for record in caplog.records if record.name == "limen.resolver"]


def test_silence_is_a_timeout_and_costs_the_connection(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        one = resolver(timeout=1)
        tls.names.silent = {"A", "AAAA"}
        assert (await one.resolve("a.test")).fault == FaultNumber.DNS_TIMEOUT
        tls.names.silent = set()
        one._timeout = 40  # only silence is bounded so soon
        tls.names.add("b.test", "30 A 192.0.2.1")
        before = len(tls.connections)
        assert (await one.resolve("b.test")).addresses == ("192.0.2.1",)
        assert len(tls.connections) == before + 1

    run(test)


def test_nobody_listens_there(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.port = free_port()
        tls.names.add("a.test", "30 A 192.0.2.1")
        assert (await resolver().resolve("a.test")).fault == FaultNumber.DNS
        assert not tls.names.asked

    run(test)


def test_an_idle_connection_is_ended(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.names.add("a.test", "30 A 192.0.2.1")
        await resolver(idle=0.5).resolve("a.test")
        await tls.connections[0].wait_closed()  # as the server saw the end

    run(test)


def test_the_configuration() -> None:
    servers = ["tls://192.0.2.1#dns.test", "https://dns.example:444/x", "tls://[2001:db8::1]:8853"]
    settings = Settings.model_validate({
        "servers": servers,
        "bootstrap": {"dns.example": ["192.0.2.2", "2001:db8::2"]},
        "tls": {"ca": "/ca.pem", "idle": 30},
    })  # fmt: skip
    found = resolver_of(settings)._sealed
    assert [(one.addresses, one.port, one.name, one.path) for one in found] == [
        (("192.0.2.1",), 853, "dns.test", ""),
        (("192.0.2.2", "2001:db8::2"), 444, "dns.example", "/x"),
        (("2001:db8::1",), 8853, "2001:db8::1", ""),
    ]
    assert {(one._ca, one._idle) for one in found} == {("/ca.pem", 30)}
    # as it travels to workers
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_the_configuration_with_one_name_for_all() -> None:
    settings = Settings.model_validate({"servers": ["192.0.2.1", "[2001:db8::1]:8853"], "tls": {"name": "dns.test"}})
    found = resolver_of(settings)._sealed
    assert [(one.addresses, one.port, one.name) for one in found] == [
        (("192.0.2.1",), 853, "dns.test"),
        (("2001:db8::1",), 8853, "dns.test"),
    ]
