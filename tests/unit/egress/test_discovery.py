"""Sources against a real name server and real files, without a process around them."""

from __future__ import annotations

import asyncio
import os

import pytest

from limen.config import loads
from limen.config.models.resolver import Resolver as ResolverModel
from limen.egress.discovery.source import SourceFailed
from limen.egress.discovery.sources import make_source
from tests.support.name_server import NameServer

TEXT = "listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]\nupstreams: {web: {discover: %s}}"


def source_of(text, server=None, *, tls=False, **resolver):
    asked = {"servers": [server.address] if server else [], "min_ttl": 0.0, "timeout": 30.0, "hosts": False, **resolver}
    return make_source(loads(TEXT % text).upstreams["web"].discover, ResolverModel(**asked), tls=tls)


def be_impatient(source):
    """For what nobody answers; everything else has its time, on however busy a machine."""
    source._resolver._timeout = 0.3


def run(test):
    async def main():
        async with NameServer() as server, asyncio.timeout(60):
            await test(server)

    asyncio.run(main())


def shown(found):
    return [(str(one.address), one.weight, one.priority) for one in found.endpoints]


def test_addresses_are_sorted_and_bounded_by_the_ttl():
    async def scenario(server):
        server.add("web.test", "70 A 10.0.0.10", "70 A 10.0.0.9")
        server.add("web.test", "30 AAAA 2001:db8::1")
        source = source_of("{dns: 'web.test:80'}", server)
        found = await source.look()
        assert [str(one.address) for one in found.endpoints] == ["10.0.0.9:80", "10.0.0.10:80", "[2001:db8::1]:80"]
        assert (found.again, found.doubt, source.text) == (30, "", "dns web.test:80")
        assert all(one.server_name is None for one in found.endpoints)
        short = source_of("{dns: 'web.test:80', defaults: {weight: 7}}", server, max_ttl=2.0, tls=True)
        found = await short.look()
        assert found.again == 2
        assert {(one.server_name, one.weight) for one in found.endpoints} == {("web.test", 7)}
        await source.close()
        await short.close()

    run(scenario)


def test_many_addresses_are_all_taken_and_too_many_refused():
    async def scenario(server):
        server.add("web.test", *(f"70 A 10.0.0.{n}" for n in range(1, 101)))
        found = await source_of("{dns: 'web.test:80'}", server).look()
        assert len(found.endpoints) == 100
        with pytest.raises(SourceFailed, match="more than 99 endpoints"):
            await source_of("{dns: 'web.test:80', most: 99}", server).look()

    run(scenario)


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_an_address_that_cannot_be_dialled_is_refused(address):
    async def scenario(server):
        server.add("web.test", f"70 {'AAAA' if ':' in address else 'A'} {address}")
        with pytest.raises(SourceFailed, match="cannot be dialled"):
            await source_of("{dns: 'web.test:80'}", server).look()

    run(scenario)


def test_a_name_without_addresses_is_empty_and_a_silent_one_no_answer():
    async def scenario(server):
        source = source_of("{dns: 'web.test:80'}", server)
        found = await source.look()
        assert (found.endpoints, found.again <= 30) == ((), True)
        server.silent = {"A", "AAAA"}
        be_impatient(source)
        with pytest.raises(SourceFailed, match=r"no answer about AAAA of web.test .too late."):
            await source.look()

    run(scenario)


def test_services_with_their_numbers():
    async def scenario(server):
        server.add("a.test", "50 A 10.0.0.1", "50 A 10.0.0.2")
        server.add("b.test", "9 AAAA 2001:db8::1")
        server.add("_x._tcp.test", "60 SRV 10 5 81 a.test.", "60 SRV 0 0 82 b.test.", "60 SRV 3 1 83 gone.test.")
        source = source_of("{srv: _x._tcp.test}", server, tls=True)
        found = await source.look()
        assert shown(found) == [("[2001:db8::1]:82", 1, 0), ("10.0.0.1:81", 5, 10), ("10.0.0.2:81", 5, 10)]
        assert [one.server_name for one in found.endpoints] == ["b.test", "a.test", "a.test"]
        assert found.again == 9
        assert [str(one.address) for one in (await source_of("{srv: {name: _x._tcp.test, family: ipv6}}", server).look()).endpoints] == ["[2001:db8::1]:82"]  # fmt: skip

    run(scenario)


def test_large_priorities_go_by_their_order():
    async def scenario(server):
        server.add("a.test", "50 A 10.0.0.1")
        server.add(
            "_x._tcp.test", *(f"60 SRV {priority} 1 {80 + priority % 7} a.test." for priority in (65535, 200, 3))
        )
        found = await source_of("{srv: _x._tcp.test}", server).look()
        assert sorted(priority for _, _, priority in shown(found)) == [0, 1, 2]

    run(scenario)


def test_a_service_that_is_not_offered_is_empty_and_targets_without_address_are_none():
    async def scenario(server):
        source = source_of("{srv: _x._tcp.test}", server)
        server.put("_x._tcp.test", "60 SRV 0 0 0 .")
        assert (await source.look()).endpoints == ()
        server.put("_x._tcp.test", "60 SRV 0 0 80 gone.test.")
        with pytest.raises(SourceFailed, match=r"no target of _x._tcp.test has an address"):
            await source.look()
        server.silent = {"SRV"}
        be_impatient(source)
        with pytest.raises(SourceFailed, match="no answer about SRV"):
            await source.look()

    run(scenario)


def test_what_comes_along_uncalled_for_is_not_believed():
    async def scenario(server):
        import dns.message
        import dns.rrset

        def forged(query):
            answer = dns.message.make_response(query)
            answer.answer.append(dns.rrset.from_text("_x._tcp.test.", 60, "IN", "SRV", "0 1 80 a.test."))
            answer.additional.append(dns.rrset.from_text("bank.test.", 60, "IN", "A", "10.6.6.6"))
            answer.additional.append(dns.rrset.from_text("a.test.", 60, "IN", "A", "10.0.0.1"))
            return answer

        server.behaviour = forged
        assert shown(await source_of("{srv: _x._tcp.test}", server).look()) == [("10.0.0.1:80", 1, 0)]

    run(scenario)


def test_a_target_that_is_silent_keeps_its_addresses():
    async def scenario(server):
        server.add("a.test", "50 A 10.0.0.1")
        server.add("_x._tcp.test", "60 SRV 0 1 80 a.test.")
        source = source_of("{srv: _x._tcp.test}", server)
        await source.look()
        server.silent = {"A", "AAAA"}

        def answer_once(query):
            server.behaviour = None
            be_impatient(source)
            return server.answer(query)

        server.behaviour = answer_once
        found = await source.look()
        assert shown(found) == [("10.0.0.1:80", 1, 0)]
        assert "no answer about A of a.test" in found.doubt

    run(scenario)


def test_localhost_needs_no_server():
    found = asyncio.run(source_of("{dns: {address: 'localhost:80', family: ipv4}}").look())
    assert shown(found) == [("127.0.0.1:80", 1, 0)]


def test_a_file_is_read_when_it_has_come_to_rest(tmp_path):
    async def scenario():
        path = tmp_path / "l.yaml"
        source = source_of(f"{{file: {path}}}")
        with pytest.raises(SourceFailed, match="no such file or directory"):
            await source.look()
        path.write_text("- a:1\n")
        os.utime(path, (1, 1))
        assert shown(await source.look()) == [("a:1", 1, 0)]
        path.write_text("- a:1\n- b:1\n")
        assert (await source.look()).endpoints is None
        assert shown(await source.look()) == [("a:1", 1, 0), ("b:1", 1, 0)]
        path.write_text("- a\n")
        assert (await source.look()).endpoints is None
        for _ in range(2):
            with pytest.raises(SourceFailed, match=r"l.yaml:1:3"):
                await source.look()
        path.write_bytes(b"\xff\n")
        with pytest.raises(SourceFailed, match=r"l.yaml:1:3"):
            await source.look()
        with pytest.raises(SourceFailed, match="not UTF-8"):
            await source.look()
        # away and back as it was: it is read again
        path.unlink()
        with pytest.raises(SourceFailed):
            await source.look()
        path.write_text("- c:1\n")
        assert shown(await source.look()) == [("c:1", 1, 0)]

    asyncio.run(scenario())


def test_a_directory_is_no_list(tmp_path):
    with pytest.raises(SourceFailed, match="is a directory"):
        asyncio.run(source_of(f"{{file: {tmp_path}}}").look())
