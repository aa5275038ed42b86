"""Questions over TLS, asked of a server that speaks it: on one connection, of the right server, never in the clear."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import dns.edns
import dns.message
import pytest

from limen.egress.resolver import Resolver, resolver_of
from limen.egress.sealed import SealedServer
from limen.faults import FaultNumber
from tests.support.certificates import Authority
from tests.support.name_server import NameServer


@dataclass
class TlsServer:
    """A name server's answers over TLS; keeps its connections, and the length of what it was asked."""

    names: NameServer
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    hold: bool = False  # answers are given in the opposite order, once two are held
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        held: list[bytes] = []
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                self.lengths.append(size)
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
def run(tmp_path: Path) -> Callable[..., None]:
    """Runs a test against a server whose certificate is for dns.test, with resolvers that know its authority."""
    authority = Authority(tmp_path)
    serving = authority.serving(authority.issue("dns.test"))

    def start(test: Test) -> None:
        async def main() -> None:
            async with asyncio.timeout(20), NameServer() as plain:
                tls = TlsServer(plain)
                server = await asyncio.start_server(tls.serve, "127.0.0.1", 0, ssl=serving)
                tls.port = server.sockets[0].getsockname()[1]
                made: list[Resolver] = []

                def resolver(
                    name: str = "dns.test", ca: str | None = str(authority.file), timeout: float = 5, idle: float = 10
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


@pytest.mark.parametrize("wrong", [{"name": "other.test"}, {"ca": None}])
def test_the_wrong_server_is_told_nothing(run: Callable[[Test], None], wrong: dict[str, str | None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.names.add("a.test", "30 A 192.0.2.1")
        resolution = await resolver(**wrong).resolve("a.test")
        assert (resolution.addresses, resolution.fault) == ((), FaultNumber.DNS)
        assert not tls.lengths
        assert not tls.names.asked  # nor in the clear

    run(test)


def test_silence_is_a_timeout_and_costs_the_connection(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        one = resolver(timeout=1)
        tls.names.silent = {"A", "AAAA"}
        assert (await one.resolve("a.test")).fault == FaultNumber.DNS_TIMEOUT
        tls.names.silent = set()
        tls.names.add("b.test", "30 A 192.0.2.1")
        before = len(tls.connections)
        assert (await one.resolve("b.test")).addresses == ("192.0.2.1",)
        assert len(tls.connections) == before + 1

    run(test)


def test_nobody_listens_there(run: Callable[[Test], None], unused_tcp_port: int) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.port = unused_tcp_port
        tls.names.add("a.test", "30 A 192.0.2.1")
        assert (await resolver().resolve("a.test")).fault == FaultNumber.DNS
        assert not tls.names.asked

    run(test)


def test_an_idle_connection_is_ended(run: Callable[[Test], None]) -> None:
    async def test(tls: TlsServer, resolver: Callable[..., Resolver]) -> None:
        tls.names.add("a.test", "30 A 192.0.2.1")
        await resolver(idle=0.05).resolve("a.test")
        await tls.connections[0].wait_closed()  # as the server saw the end

    run(test)


@pytest.fixture
def unused_tcp_port() -> int:
    from tests.support.ports import free_port

    return free_port()


def test_the_configuration() -> None:
    from limen.config.models.resolver import Resolver as Settings

    settings = Settings.model_validate({"servers": ["192.0.2.1", "[2001:db8::1]:8853"], "tls": {"name": "dns.test"}})
    found = resolver_of(settings)._sealed
    assert [(one.addresses, one.port, one.name) for one in found] == [
        (("192.0.2.1",), 853, "dns.test"),
        (("2001:db8::1",), 8853, "dns.test"),
    ]
