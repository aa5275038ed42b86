"""Encrypted questions to unbound: over TLS and HTTPS, in what order it likes, over the end of its connections."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from limen.egress.resolver import Resolver
from limen.egress.sealed import SealedServer
from limen.faults import FaultNumber
from tests.support import available, wait_until
from tests.support.certificates import Authority
from tests.support.name_server import NameServer
from tests.support.unbound import Unbound

pytestmark = pytest.mark.skipif(not available("unbound"), reason="unbound is not installed")

#: ms that unbound keeps a connection without a question.
IDLE = 3000
RECORDS = ["web.test. 60 A 127.0.0.1", "two.test. 60 A 127.0.0.1", "three.test. 60 A 127.0.0.1"]


@pytest.mark.parametrize("kind", ["tls", "https"])
def test_many_questions_in_any_order_over_few_connections(tmp_path: Path, kind: str) -> None:
    authority = Authority(tmp_path)
    records = [f"n{number}.test. 60 A 192.0.2.{number}" for number in range(200)]
    records += [f"big.test. 60 A 10.0.0.{number}" for number in range(100)]

    async def main() -> None:
        async with NameServer() as behind:
            behind.silent = {"A", "AAAA"}
            behind.add("slow.far.test", "60 A 192.0.2.1")
            with Unbound(authority.issue("dns.test"), records, behind=behind.port, idle=IDLE) as unbound:
                path = {"tls": "", "https": "/dns-query"}[kind]
                port = unbound.port if kind == "tls" else unbound.https_port
                server = SealedServer(["127.0.0.1"], port, "dns.test", str(authority.file), path=path)
                resolver = Resolver(sealed=[server], timeout=40, hosts=False, min_ttl=0)
                slow = asyncio.create_task(resolver.resolve("slow.far.test"))
                await asyncio.to_thread(wait_until, lambda: behind.asked.total() > 0)
                line = server._line
                found = await asyncio.gather(*(resolver.resolve(f"n{number}.test") for number in range(200)))
                assert [one.addresses for one in found] == [(f"192.0.2.{number}",) for number in range(200)]
                assert not slow.done()  # it was asked first
                assert line is not None
                assert server._line is line
                behind.silent = set()  # which unbound notices: it asks again and again
                assert (await slow).addresses == ("192.0.2.1",)
                assert len((await resolver.resolve("big.test")).addresses) == 32
                assert (await resolver.resolve("none.test")).fault == FaultNumber.DNS
                assert (await resolver.resolve("refused.example")).fault == FaultNumber.DNS
                # (while unbound waited to ask again it may have ended the one before)
                line = server._line
                assert line is not None
                # unbound's doing: the resolver would keep it
                await asyncio.to_thread(wait_until, lambda: bool(line.ended))
                assert "ended the connection" in line.ended
                resolver.forget()
                assert (await resolver.resolve("n0.test")).addresses == ("192.0.2.0",)
                await resolver.close()

    async def bounded() -> None:
        async with asyncio.timeout(100):
            await main()

    asyncio.run(bounded())


@pytest.mark.parametrize("kind", ["tls", "https"])
def test_of_a_proxy(start_limen, start_origin, tmp_path: Path, kind: str) -> None:
    authority = Authority(tmp_path)
    origin = start_origin()
    with Unbound(authority.issue("dns.test"), RECORDS) as unbound:
        url = f"tls://127.0.0.1:{unbound.port}#dns.test"
        if kind == "https":
            url = f"https://dns.test:{unbound.https_port}/dns-query"
        config = {
            "workers": 1,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "resolver": {
                "servers": [url],
                "bootstrap": {"dns.test": "127.0.0.1"} if kind == "https" else {},
                "tls": {"ca": str(authority.file)},
                "hosts": False,
                "min_ttl": "0s",
                "timeout": "5s",
                "negative_ttl": "0s",
            },
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "forward": {"targets": {"private": "allow"}, "access": [{"allow": {}}]},
                }
            ],
        }
        limen = start_limen(json.dumps(config))

        def ask(name: str) -> int:
            with limen.connect() as client:
                return client.request("GET", f"http://{name}:{origin.port}/").status

        assert ask("web.test") == 200
        assert unbound.asked("web.test") == 2
        wait_until(lambda: limen.metrics()["limen_dns_lookups_total"] >= 1, what="the count of questions")
        unbound.kill()
        assert ask("web.test") == 200  # as kept
        assert ask("two.test") == 502
        # the path is not told: it may say who asks
        limen.wait_for_log(f"name server {re.escape(url.removesuffix('/dns-query'))} fails: Connect call failed")
        unbound.start()
        wait_until(lambda: ask("three.test") == 200, what="names to be resolved again")
        limen.wait_for_log(r"name server .* answers again")
        assert not any(name in limen.log for name in ("web.test", "two.test", "three.test"))
