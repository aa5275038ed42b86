"""What holds for CONNECT holds for SOCKS: hooks, limits, bridging, fronting, TLS to the proxy; and who a client is."""

import asyncio
import json
import socket
import ssl
import threading

import pytest

from limen.engine.access import AccessTable
from limen.engine.demand import Demand
from limen.engine.engine import Engine
from limen.engine.identifying import Claim
from limen.engine.identity import IdentityCache, identity_of
from limen.engine.service import Action, Service
from limen.faults import FaultNumber
from limen.policy.specs import AccessSpec
from tests.integration.bridge.conftest import records, shown
from tests.integration.tls.test_terminate import certificates
from tests.integration.ways.speaking import GREETING, faults, open5, read_reply4, read_reply5, request4, request5
from tests.support import LimenProcess, RawClient, RawOrigin, Reply, ScriptedOrigin, echo, wait_until
from tests.support.certificates import Authority

HOOKS = """
def judge(exchange):
    if exchange.target[1] == 7:
        exchange.reply(403, "not for you")
"""


@pytest.mark.sanitize
def test_bridged_and_judged_by_its_names(start_bridge, organisation, internet):
    """A SOCKS client's TLS is opened like that of CONNECT; inside is HTTP, and only HTTP."""
    proxy = start_bridge({}, socks=True)
    with ScriptedOrigin(
        lambda *_: [Reply(content=b"inside")], tls=internet.serving(internet.issue("a.example"))
    ) as origin:
        for send in (RawClient.send, RawClient.send_bytewise):
            with proxy.connect() as client:
                send(client, GREETING + request5("a.example", origin.port))
                assert client.read_exactly(2) == b"\x05\x00"
                assert read_reply5(client)[0] == 0
                client.secure(organisation.trusting(), "a.example")
                assert "organisation" in shown(client).issuer.rfc4514_string()
                for _ in range(2):
                    response = client.request("GET", "/", host=f"a.example:{origin.port}")
                    assert (response.status, response.content) == (200, b"inside")
                client.send(GREETING + b"\r\n\r\n")
                assert client.read_response().status == 400
        with open5(proxy, "a.example", origin.port) as client:
            assert read_reply5(client)[0] == 0
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client.secure(organisation.trusting(), "b.example")
    wait_until(lambda: any(record.get("fault") == "fronting" for record in records(proxy)))
    fronting = next(record for record in records(proxy) if record.get("fault") == "fronting")
    assert fronting["protocol"] == "socks5"


def test_socks_inside_of_tls(start_limen, tmp_path):
    authority = Authority(tmp_path)
    config = {
        "workers": 1,
        "listeners": [
            {
                "bind": "127.0.0.1:@PORT@",
                "tls": certificates(authority.issue("localhost")),
                "forward": {"socks": True, "targets": {"private": "allow"}, "access": [{"allow": {}}]},
            }
        ],
    }
    proxy = start_limen(json.dumps(config))
    with RawOrigin(echo) as origin:
        port = int(origin.address.rpartition(":")[2])
        for data, version in ((GREETING + request5("localhost", port), 5), (request4("127.0.0.1", port), 4)):
            with proxy.connect() as client:
                client.secure(authority.trusting(), "localhost").send(data + b"sent ahead")
                if version == 5:
                    assert client.read_exactly(2) == b"\x05\x00"
                    assert read_reply5(client)[0] == 0
                else:
                    assert read_reply4(client) == 0x5A
                assert client.read_exactly(10) == b"sent ahead"
                client.send(b"x" * 200_000)
                assert client.read_exactly(200_000) == b"x" * 200_000


def test_hooks_and_limits(start_limen, tmp_path):
    (tmp_path / "judges.py").write_text(HOOKS)
    config = {
        "workers": 1,
        "admin": {"bind": "127.0.0.1:@ADMIN@"},
        "listeners": [
            {
                "bind": "127.0.0.1:@PORT@",
                "socks": {
                    "targets": {"private": "allow"},
                    "access": [{"allow": {}}],
                    "hooks": ["judges:judge"],
                    "limit": {"rate": "3/h", "by": "client"},
                },
            }
        ],
    }
    proxy = start_limen(json.dumps(config), directory=tmp_path)
    with RawOrigin(echo) as origin:
        port = int(origin.address.rpartition(":")[2])
        answers = []
        for wanted in (7, port, port, port):
            with open5(proxy, "127.0.0.1", wanted) as client:
                answers.append(read_reply5(client)[0])
        assert answers == [2, 0, 0, 2]
    wait_until(lambda: faults(proxy, "limit_rate") == 1)


class Identities:
    """Stands where identities are asked about: keeps what was asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes]] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, claim: Claim) -> None:
        assert self.loop is not None
        assert claim.field is None
        assert claim.name is not None
        self.asked.append((claim.name, claim.password))
        if claim.name == b"broken":
            raise RuntimeError("no answer")
        if claim.name != b"never":
            self.loop.call_later(0.0 if claim.name == b"at once" else 0.05, self.settle, claim)

    def settle(self, claim: Claim) -> None:
        if claim.password == b"secret":
            claim.settle(identity_of(claim.name.decode()), lifetime=60.0)
        else:
            claim.settle(fault=FaultNumber.IDENTITY)


@pytest.fixture
def engine():
    """An engine in a thread of this process, whose listener asks who its clients are."""
    identities = Identities()
    made = Engine(report=lambda *_: None, identify=identities)
    made.identities = IdentityCache()
    demand = Demand("chain", proxy=True, challenges=["Basic realm=test"])
    access = AccessTable([AccessSpec(True)])
    service = Service(
        "front", target_source=1, action=Action("front", demand=demand), access=access, private_allowed=True,
        ways=1 | 1 << 4 | 1 << 5, head_timeout=3.0,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        listening.setblocking(False)
        ready = threading.Event()

        async def serve() -> None:
            identities.loop = asyncio.get_running_loop()
            identities.over = asyncio.Event()
            made.listen("front", listening.fileno(), service)
            ready.set()
            await identities.over.wait()
            made.stop()

        def run() -> None:
            with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(made.selector())) as runner:
                runner.run(serve())

        thread = threading.Thread(target=run)
        thread.start()
        assert ready.wait(60)
        try:
            yield listening.getsockname(), identities, made
        finally:
            identities.loop.call_soon_threadsafe(identities.over.set)
            thread.join(10)
        assert not thread.is_alive()


def pair(user: bytes, password: bytes) -> bytes:
    return b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password


def test_user_and_password(engine):
    address, identities, made = engine
    with RawOrigin(echo) as origin:
        port = int(origin.address.rpartition(":")[2])
        ahead = request5("127.0.0.1", port) + b"sent ahead"
        for user in (b"alice", b"at once"):
            for send in (RawClient.send, RawClient.send_bytewise):
                with RawClient(address) as client:
                    send(client, b"\x05\x02\x00\x02" + pair(user, b"secret") + ahead)
                    assert client.read_exactly(4) == b"\x05\x02\x01\x00"
                    assert read_reply5(client)[0] == 0
                    assert client.read_exactly(10) == b"sent ahead"
        # who is known of late is not asked about again
        assert identities.asked == [(b"alice", b"secret"), (b"at once", b"secret")]
        refused = {
            # wrong, and what came ahead goes nowhere
            b"\x05\x01\x02" + pair(b"alice", b"wrong") + ahead: b"\x05\x02\x01\x01",
            b"\x05\x01\x02" + pair(b"broken", b"secret") + ahead: b"\x05\x02\x01\x01",
            # nobody answers in time
            b"\x05\x01\x02" + pair(b"never", b"secret") + ahead: b"\x05\x02\x01\x01",
            b"\x05\x01\x02\x01\x00": b"\x05\x02\x01\x01",
            # no user and password to be had
            b"\x05\x01\x00" + ahead: b"\x05\xff",
            request4("127.0.0.1", port, user=b"alice"): b"\x00\x5d" + bytes(6),
        }
        for data, answer in refused.items():
            with RawClient(address) as client:
                client.send(data)
                assert client.read_to_end() == answer, data
        # clients that go while they are asked about
        for _ in range(3):
            with RawClient(address) as client:
                client.send(b"\x05\x01\x02" + pair(b"never", b"secret"))
                client.reset()
        assert len(origin.connections) == 4
        wait_until(lambda: made.live()["connections"] == 0)


def test_a_process_without_identities_offers_nothing(start_limen):
    proxy: LimenProcess = start_limen("workers: 1\nlisteners: [{bind: 127.0.0.1:@PORT@, socks: {}}]\n")
    with proxy.connect() as client:
        client.send(b"\x05\x02\x00\x02")
        assert client.read_exactly(2) == b"\x05\x00"
