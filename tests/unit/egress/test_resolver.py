"""The resolver against a real DNS server on the loopback."""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dns.message
import dns.rcode
import pytest

from limen.egress import resolver as module
from limen.egress.hosts import parse_hosts, parse_resolv, parse_server
from limen.egress.resolver import Resolution, Resolver
from limen.faults import FaultNumber
from tests.support.name_server import NameServer

DNS, DNS_TIMEOUT = FaultNumber.DNS, FaultNumber.DNS_TIMEOUT
SECOND_FAMILY = module.SECOND_FAMILY


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both families are waited for on however busy a machine, but in the tests of what happens otherwise."""
    monkeypatch.setattr(module, "SECOND_FAMILY", 30.0)


def run(test: Callable[[NameServer, Callable[..., Resolver]], Awaitable[None]]) -> None:
    """Run a test on a loop with a selector of its own choice, as the worker's is."""

    async def main() -> None:
        async with NameServer() as server:
            made: list[Resolver] = []

            def resolver(**settings: Any) -> Resolver:
                settings = {"servers": [server.address], "hosts": False, "min_ttl": 0.0, "timeout": 40.0, **settings}
                made.append(Resolver(settings.pop("servers"), **settings))
                return made[-1]

            try:
                async with asyncio.timeout(60):
                    await test(server, resolver)
            finally:
                for one in made:
                    await one.close()

    loop = asyncio.SelectorEventLoop(selectors.PollSelector())
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


async def until(done: Callable[[], bool]) -> None:
    while not done():  # noqa: ASYNC110 what is waited for tells nobody
        await asyncio.sleep(0.01)


def test_both_families_in_turns_with_the_smaller_ttl() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("www.test", "300 A 192.0.2.1", "300 A 192.0.2.2", "300 A 192.0.2.3", "60 AAAA 2001:db8::1")
        resolution = await make().resolve("WWW.test.")
        assert resolution.addresses[0] == "2001:db8::1"
        assert sorted(resolution.addresses[1:]) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        assert (resolution.ttl, resolution.fault) == (60, 0)
        server.add("four.test", "60 AAAA 2001:db8::1", "60 AAAA 2001:db8::2", "60 A 192.0.2.1", "60 A 192.0.2.2")
        assert [":" in address for address in (await make().resolve("four.test")).addresses] == [1, 0, 1, 0]

    run(test)


@pytest.mark.parametrize(("ttl", "kept"), [(0, 5.0), (7, 7.0), (86_400, 3600.0)])
def test_ttl_is_clamped(ttl: int, kept: float) -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("a.test", f"{ttl} A 192.0.2.1")
        assert (await make(min_ttl=5.0).resolve("a.test")).ttl == kept

    run(test)


def test_answers_are_kept_for_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("a.test", "0 A 192.0.2.1")
        resolver = make(min_ttl=5.0)
        first = await resolver.resolve("a.test")
        now[0] += 4.0
        again = await resolver.resolve("A.TEST")
        assert (again.addresses, again.ttl) == (first.addresses, first.ttl - 4.0)
        assert server.asked["a.test", "A"] == 1
        now[0] += 1.0
        assert resolver.known("a.test") is None
        await resolver.resolve("a.test")
        assert server.asked["a.test", "A"] == 2
        resolver.forget()
        assert resolver.known("a.test") is None

    run(test)


def test_a_rebinding_name_keeps_its_first_answer_for_the_minimal_time() -> None:
    """Whoever checks an address and then dials it by name within `min_ttl` gets the one that was checked."""

    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("evil.test", "0 A 192.0.2.1")
        resolver = make(min_ttl=5.0)
        assert (await resolver.resolve("evil.test")).addresses == ("192.0.2.1",)
        server.zone["evil.test", "A"] = ["0 A 127.0.0.1"]
        assert (await resolver.resolve("evil.test")).addresses == ("192.0.2.1",)

    run(test)


def test_names_that_do_not_exist_are_kept_too() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        resolver = make(negative_ttl=30.0)
        assert await resolver.resolve("no.test") == Resolution((), 30.0, DNS)
        assert (await resolver.resolve("no.test")).fault == DNS
        assert server.asked["no.test", "A"] == 1
        server.add("mail.test", "60 MX 10")  # exists, without addresses
        server.negative_ttl = 10
        assert await resolver.resolve("mail.test") == Resolution((), 10, DNS)

    run(test)


def test_silence_is_a_timeout() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.silent = {"A", "AAAA"}
        # (so much that no round of questions falls into a pause of this machine)
        resolution = await make(timeout=3.0).resolve("a.test")
        assert (resolution.addresses, resolution.fault) == ((), DNS_TIMEOUT)
        assert server.asked["a.test", "A"] == module_rounds()

    run(test)


def module_rounds() -> int:
    from limen.egress.lookup import ROUNDS

    return ROUNDS


def test_nobody_listens() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        resolution = await make(servers=["127.0.0.1:1"], timeout=0.4).resolve("a.test")
        assert resolution.addresses == () and resolution.fault in (DNS, DNS_TIMEOUT)

    run(test)


def test_one_silent_family_does_not_hold_up_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECOND_FAMILY", SECOND_FAMILY)

    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("a.test", "300 A 192.0.2.1", "300 AAAA 2001:db8::1")
        server.silent = {"AAAA"}
        resolver = make(timeout=600.0, min_ttl=3.0)
        resolution = await resolver.resolve("a.test")
        assert resolution == Resolution(("192.0.2.1",), 3.0)

    run(test)


def test_a_late_family_completes_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECOND_FAMILY", SECOND_FAMILY)

    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("a.test", "300 A 192.0.2.1", "300 AAAA 2001:db8::1")
        server.held = {"AAAA"}
        resolver = make(min_ttl=60.0)
        assert (await resolver.resolve("a.test")).addresses == ("192.0.2.1",)
        server.release()
        await until(lambda: len(resolver.known("a.test").addresses) == 2)
        full = await resolver.resolve("a.test")
        assert full.addresses == ("2001:db8::1", "192.0.2.1") and full.ttl > 200
        assert server.asked["a.test", "AAAA"] == 1

    run(test)


def test_truncated_answers_are_asked_for_by_tcp() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.truncate = True
        server.add("many.test", *(f"60 A 192.0.2.{number}" for number in range(1, 101)))
        resolution = await make().resolve("many.test")
        assert len(resolution.addresses) == 32
        assert server.by_tcp == 2

    run(test)


def test_cname_chains() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("one.test", "600 CNAME two.test.")
        server.add("two.test", "40 CNAME three.test.")
        server.add("three.test", "300 A 192.0.2.3")
        assert await make().resolve("one.test") == Resolution(("192.0.2.3",), 40)

    run(test)


def test_cname_into_another_zone_is_asked_for() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("one.test", "30 CNAME far.test.")
        server.zone["far.test", "outside"] = []
        server.add("far.test", "300 A 192.0.2.9")
        assert await make().resolve("one.test") == Resolution(("192.0.2.9",), 30)
        assert server.asked["far.test", "A"] == 1

    run(test)


def test_cname_loops_and_endless_chains_end() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("loop.test", "60 CNAME loop.test.")
        for number in range(30):
            server.zone[f"n{number}.test", "outside"] = []
            server.add(f"n{number}.test", f"60 CNAME n{number + 1}.test.")
        resolver = make()
        assert (await resolver.resolve("loop.test")).fault == DNS
        assert (await resolver.resolve("n0.test")).fault == DNS
        assert sum(server.asked[f"n{number}.test", "A"] for number in range(30)) <= 8

    run(test)


def test_simultaneous_callers_share_one_question() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("a.test", "60 A 192.0.2.1")
        server.held = {"A", "AAAA"}
        resolver = make()
        impatient = asyncio.create_task(resolver.resolve("a.test"))
        await until(lambda: bool(server.asked["a.test", "A"]))
        assert "1 being asked for" in repr(resolver)
        impatient.cancel()
        others = [asyncio.create_task(resolver.resolve("a.test")) for _ in range(20)]
        await asyncio.sleep(0)
        server.release()
        found = await asyncio.gather(*others)
        assert {resolution.addresses for resolution in found} == {("192.0.2.1",)}
        assert server.asked["a.test", "A"] == 1
        assert impatient.cancelled()

    run(test)


def test_the_next_server_is_asked_when_one_fails() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        def refuse(query: dns.message.Message) -> dns.message.Message:
            response = dns.message.make_response(query)
            response.set_rcode(dns.rcode.SERVFAIL)
            return response

        async with NameServer(behaviour=refuse) as failing:
            server.add("a.test", "60 A 192.0.2.1")
            both = make(servers=[failing.address, server.address])
            assert (await both.resolve("a.test")).addresses == ("192.0.2.1",)
            assert failing.asked["a.test", "A"] == 1
            alone = await make(servers=[failing.address], min_ttl=5.0).resolve("a.test")
            assert (alone.addresses, alone.fault, alone.ttl) == ((), DNS, 5.0)

    run(test)


def test_servers_without_edns() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        def old(query: dns.message.Message) -> dns.message.Message | None:
            if query.edns < 0:
                server.behaviour = None
                answer = server.answer(query)
                server.behaviour = old
                return answer
            response = dns.message.make_response(query)
            response.set_rcode(dns.rcode.FORMERR)
            return response

        server.add("a.test", "60 A 192.0.2.1")
        server.behaviour = old
        assert (await make().resolve("a.test")).addresses == ("192.0.2.1",)

    run(test)


def test_forged_answers_are_passed_over() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        def forge(query: dns.message.Message) -> dns.message.Message:
            server.behaviour = None
            response = server.answer(query)
            assert response
            response.id = (query.id + 1) % 65536
            server.behaviour = forge
            return response

        server.add("a.test", "60 A 192.0.2.1")
        server.behaviour = forge
        assert (await make(timeout=0.3).resolve("a.test")).fault == DNS_TIMEOUT

    run(test)


def test_search_domains_are_not_tried(tmp_path: Path) -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("intranet.test", "60 A 192.0.2.1")
        assert (await make().resolve("intranet")).fault == DNS
        assert set(server.asked) == {("intranet", "A"), ("intranet", "AAAA")}

    run(test)


@pytest.mark.parametrize(
    ("host", "address"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8:0::1", "2001:db8::1"), ("[::1]", "::1")],
)
def test_literals_need_no_question(host: str, address: str) -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        assert (await make().resolve(host)).addresses == (address,)
        assert (await make().resolve("x.localhost")).addresses == ("::1", "127.0.0.1")
        assert not server.asked

    run(test)


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "1.2.3.4.5", "a.0x10", "a b", "a/b", "a\\046b",
     "é.test", "a\n.test", "fe80::1%eth0", "x" * 64 + ".test", "a." * 127 + "test", "-a.test", "a:80", "\x00"],
)  # fmt: skip
def test_what_is_no_name_is_never_asked_for(host: str) -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        resolution = await make().resolve(host)
        assert (resolution.addresses, resolution.fault) == ((), DNS)
        assert not server.asked

    run(test)


def test_hosts_file_comes_first_and_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limen.egress.hosts.CHECK_INTERVAL", 0.0)

    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        path = tmp_path / "hosts"
        path.write_text("192.0.2.1 A.test b.test # c.test\n::1 a.test\n\nfe80::1%lo d.test\nnonsense e.test\n")
        resolver = make(hosts=True, hosts_path=str(path))
        assert (await resolver.resolve("a.test")).addresses == ("::1", "192.0.2.1")
        assert (await resolver.resolve("c.test")).fault == DNS
        path.write_text("192.0.2.22 a.test\n")
        assert (await resolver.resolve("a.test")).addresses == ("192.0.2.22",)
        path.unlink()
        assert (await resolver.resolve("a.test")).fault == DNS

    run(test)


def test_resolv_conf_names_the_servers(tmp_path: Path) -> None:
    text = "# x\nsearch example.com\nnameserver 127.0.0.1\nnameserver ::1 # y\nnameserver fe80::1%lo\nnameserver x\n"
    assert parse_resolv(text) == (("127.0.0.1", 53), ("::1", 53), ("fe80::1%lo", 53))
    assert parse_hosts("192.0.2.1\tx.test. X.TEST\n") == {"x.test": ("192.0.2.1",)}


@pytest.mark.parametrize(
    ("text", "server"),
    [("1.1.1.1", ("1.1.1.1", 53)), ("1.1.1.1:5353", ("1.1.1.1", 5353)), ("::1", ("::1", 53)), ("[::1]:5", ("::1", 5))],
)
def test_servers_of_the_configuration(text: str, server: tuple[str, int]) -> None:
    assert parse_server(text) == server


@pytest.mark.parametrize("text", ["", "dns.test", "1.1.1.1:0", "1.1.1.1:99999", "[::1]:x", "1.1.1.1:٣"])
def test_wrong_servers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"DNS server|port"):
        Resolver([text])


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_SIZE", 3)

    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        resolver = make()
        for number in range(4):
            server.add(f"{number}x.test", "60 A 192.0.2.1")
            await resolver.resolve(f"{number}x.test")
            await resolver.resolve("0x.test")
        assert resolver.known("0x.test") and resolver.known("3x.test")
        assert resolver.known("1x.test") is None

    run(test)


def test_questions_are_counted_and_no_descriptor_is_left() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        asked = []
        server.add("a.test", "60 A 192.0.2.1")
        resolver = make(count=lambda: asked.append(1))
        await resolver.resolve("warm.test")
        before = len(os.listdir("/proc/self/fd"))
        for number in range(20):
            await resolver.resolve(f"n{number}.test")
        assert len(asked) == 42
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before)

    run(test)


def test_close_answers_who_waits() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.silent = {"A", "AAAA"}
        resolver = make()
        waiting = asyncio.create_task(resolver.resolve("a.test"))
        await asyncio.sleep(0.05)
        await resolver.close()
        assert (await waiting).fault == DNS_TIMEOUT

    run(test)


def test_retiring_lets_look_ups_end() -> None:
    async def test(server: NameServer, make: Callable[..., Resolver]) -> None:
        server.add("a.test", "60 A 192.0.2.1")
        server.delay = {"A": 0.2, "AAAA": 0.2}
        resolver = make()
        waiting = asyncio.create_task(resolver.resolve("a.test"))
        await asyncio.sleep(0.05)
        await resolver.retire()
        assert (await waiting).addresses == ("192.0.2.1",)
        # with nothing under way it is over at once
        await resolver.retire()

    run(test)
