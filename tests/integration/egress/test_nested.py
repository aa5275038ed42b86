"""TLS inside TLS: chains with several `https://` parents, and what goes through them in both directions."""

import hashlib
import os
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.tls.conftest import faults, left
from tests.support import LimenProcess, RawClient, Reply, ScriptedOrigin, run_limen, wait_until
from tests.support.certificates import Authority, Pair
from tests.support.origins import OriginConnection, RawOrigin, echo
from tests.support.parents import Parent
from tests.support.ports import free_port
from tests.support.programs import available, environment

LARGE = os.urandom(3 << 20)

HOP = """
workers: 1
listeners:
  - bind: 127.0.0.1:@TLS@
    tls: {certificates: [{chain: "@CERT@", key: "@KEY@"}]}
    forward: &open {targets: {private: allow}, access: [{allow: {}}], socks: true}
  - {bind: "127.0.0.1:@PLAIN@", forward: *open}
"""
CHAINS = {
    "https-https": ("https", "https"),
    "https-http-https": ("https", "http", "https"),
    "https-https-https": ("https", "https", "https"),
    "socks5-https-socks5": ("socks5", "https", "socks5"),
    "https-socks5-https": ("https", "socks5", "https"),
    "http-https-https": ("http", "https", "https"),
}
OPEN = "targets: {private: allow}, access: [{allow: {}}]"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("localhost")


@pytest.fixture(scope="module")
def hops(pair: Pair) -> Iterator[list[LimenProcess]]:
    """Limen itself, three times."""
    with ExitStack() as stack:
        values = {"CERT": pair.chain, "KEY": pair.key}
        yield [stack.enter_context(LimenProcess(HOP, values=values)) for _ in range(3)]


def url(hop: LimenProcess, kind: str) -> str:
    return f"{kind}://localhost:{hop.port('TLS' if kind == 'https' else 'PLAIN')}"


def config(authority: Authority, chains: dict[str, list[str]], *, extra: str = "") -> str:
    """A listener for each chain, called as it."""
    listeners = "".join(
        f'  - {{bind: "127.0.0.1:@{name}@", name: "{name}", forward: {{{OPEN}, egress: "{name}"}}}}\n'
        for name in chains
    )
    ways = "".join(
        f'  "{name}": {{parents: [{{chain: [{", ".join(chain)}]}}]{extra}'
        + (f', tls: {{ca: "{authority.file}"}}' if any("https:" in hop for hop in chain) else "")
        + "}\n"
        for name, chain in chains.items()
    )
    return f"workers: 1\nadmin: {{bind: '127.0.0.1:@ADMIN@'}}\nlisteners:\n{listeners}egress:\n{ways}"


def key_of(name: str) -> str:
    return name.upper().replace("-", "").replace("5", "")


@pytest.fixture(scope="module")
def proxy(authority: Authority, hops: list[LimenProcess]) -> Iterator[LimenProcess]:
    chains = {
        key_of(name): [url(hop, kind) for hop, kind in zip(hops, kinds, strict=False)] for name, kinds in CHAINS.items()
    }
    with LimenProcess(config(authority, chains)) as started:
        yield started
        wait_until(lambda: not left(started), what="gauges at zero")


def tunnel(client: RawClient, target: str) -> RawClient:
    client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
    assert client.read_head().status == 200
    return client


@pytest.mark.sanitize
@pytest.mark.parametrize("name", CHAINS)
def test_any_mixture(proxy: LimenProcess, name: str) -> None:
    with RawOrigin(echo) as talker, proxy.connect(key_of(name)) as client:
        tunnel(client, talker.address)
        sender = threading.Thread(target=lambda: client.send(LARGE).half_close())
        sender.start()
        came = client.read_to_end()
        sender.join()
        assert hashlib.sha256(came).digest() == hashlib.sha256(LARGE).digest()
    with (
        ScriptedOrigin(lambda request, _: Reply(content=request.content)) as origin,
        proxy.connect(key_of(name)) as client,
    ):
        for size in (0, 1, 16289, 16385, len(LARGE)):
            target = f"http://{origin.address}/"
            response = client.request("POST", target, host=origin.address, content=LARGE[:size])
            assert response.status == 200
            assert hashlib.sha256(response.content).digest() == hashlib.sha256(LARGE[:size]).digest()
        assert len(origin.connections) == 1, "each request takes the connection that rests"


def test_a_slow_reader_holds_the_origin_back(proxy: LimenProcess) -> None:
    size = 96 << 20
    block = LARGE[: 1 << 20]
    sent = []

    def pour(connection: OriginConnection) -> None:
        for _ in range(size // len(block)):
            connection.send(block)
            sent.append(len(block))

    with RawOrigin(pour) as origin, proxy.connect("HTTPSHTTPSHTTPS") as client:
        before = proxy.memory()
        tunnel(client, origin.address)
        # the origin stops on its own: what lies between is bounded
        seen = [-1]
        wait_until(lambda: _stands(seen, sent), what="the origin to be held back")
        assert len(sent) < size // len(block)
        assert proxy.memory() - before < 16 << 20
        digest = hashlib.sha256()
        left_over = size
        while left_over:
            assert client.buffer or client.fill()
            digest.update(client.buffer)
            left_over -= len(client.buffer)
            client.buffer.clear()
        wanted = hashlib.sha256()
        for _ in range(size // len(block)):
            wanted.update(block)
        assert digest.digest() == wanted.digest()
        assert proxy.memory() - before < 16 << 20


def _stands(seen: list[int], sent: list[int]) -> bool:
    """Whether nothing was sent for twenty looks in a row."""
    seen.append(len(sent))
    return len(seen) > 21 and len(sent) > 0 and len(set(seen[-20:])) == 1


@pytest.mark.sanitize
def test_records_in_random_pieces(authority: Authority, hops: list[LimenProcess]) -> None:
    draw = random.Random(3)

    def relay(connection: OriginConnection) -> None:
        with socket.create_connection(("127.0.0.1", hops[0].port("TLS"))) as onward:
            back = threading.Thread(target=_shred, args=(onward, connection.socket, draw))
            back.start()
            _shred(connection.socket, onward, draw)
            back.join()

    with RawOrigin(relay) as first, RawOrigin(echo) as talker:
        chain = [f"https://localhost:{first.port}", url(hops[1], "https"), url(hops[2], "https")]
        with LimenProcess(config(authority, {"PIECES": chain})) as proxy, proxy.connect("PIECES") as client:
            tunnel(client, talker.address)
            client.send(LARGE[:50_000]).half_close()
            assert client.read_to_end() == LARGE[:50_000]


def _shred(source: socket.socket, sink: socket.socket, draw: random.Random) -> None:
    try:
        while data := source.recv(65536):
            while data:
                size = draw.choice((1, 2, 5, 21, 300, 5000))
                sink.sendall(data[:size])
                data = data[size:]
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.sanitize
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_wrong_certificate_at_each_layer(authority: Authority, tmp_path: Path, number: int) -> None:
    right, wrong = authority.issue("localhost"), Authority(tmp_path, "Somebody else").issue("localhost")
    with ExitStack() as stack:
        shown = [wrong if at == number else right for at in range(3)]
        parents = [stack.enter_context(Parent(tls=authority.serving(one))) for one in shown]
        talker = stack.enter_context(RawOrigin(echo))
        chain = [f"https://localhost:{parent.port}" for parent in parents]
        proxy = stack.enter_context(
            LimenProcess(config(authority, {"CHAIN": chain}), allow=["certificate refused: localhost"])
        )
        with proxy.connect("CHAIN") as client:
            client.send(f"CONNECT {talker.address} HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_response("CONNECT").status == 503
        proxy.wait_for_log("certificate refused: localhost: unable to get local issuer")
        wait_until(lambda: faults(proxy) == {"egress": 1}, what="the fault to be counted")
        # those before were asked for the next one, and nobody behind for anything
        assert [len(parent.asked) for parent in parents] == [1] * number + [0] * (3 - number)
        assert not talker.connections
        wait_until(lambda: not left(proxy), what="gauges at zero")


@pytest.mark.sanitize
def test_each_layer_is_resumed_as_itself(authority: Authority, pair: Pair) -> None:
    with ExitStack() as stack:
        parents = [stack.enter_context(Parent(tls=authority.serving(pair))) for _ in range(3)]
        talker = stack.enter_context(RawOrigin(echo))
        chain = [f"https://localhost:{parent.port}" for parent in parents]
        proxy = stack.enter_context(LimenProcess(config(authority, {"CHAIN": chain})))
        for resumed in (False, True, True):
            with proxy.connect("CHAIN") as client:
                tunnel(client, talker.address).send(b"hello")
                assert client.read_exactly(5) == b"hello"
                # (a connection that has been closed tells no more)
                assert [parent.connections[-1].socket.session_reused for parent in parents] == [resumed] * 3


@pytest.mark.sanitize
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("point", ["answer", "tunnel"])
def test_a_parent_that_breaks_off(authority: Authority, pair: Pair, number: int, point: str) -> None:
    with ExitStack() as stack:
        parents = [stack.enter_context(Parent(tls=authority.serving(pair))) for _ in range(3)]
        talker = stack.enter_context(RawOrigin(echo))
        chain = [f"https://localhost:{parent.port}" for parent in parents]
        proxy = stack.enter_context(LimenProcess(config(authority, {"CHAIN": chain})))
        if point == "answer":
            parents[number].manner.answer = b""
            with proxy.connect("CHAIN") as client:
                client.send(f"CONNECT {talker.address} HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.read_response("CONNECT").status == 502
            wait_until(lambda: faults(proxy) == {"parent": 1}, what="the fault to be counted")
        else:
            with proxy.connect("CHAIN") as client:
                tunnel(client, talker.address).send(b"hello")
                assert client.read_exactly(5) == b"hello"
                parents[number].refuse()
                client.expect_end()
        wait_until(lambda: not left(proxy), what="gauges at zero")


PROBED = """
workers: 1
admin: {bind: 127.0.0.1:@ADMIN@}
listeners: [{bind: "127.0.0.1:@PORT@", forward: {targets: {private: allow}, access: [{allow: {}}], egress: chain}}]
egress:
  chain:
    echo: http://@ECHO@/
    parents: [{chain: ["@FIRST@", "@SECOND@", "@THIRD@"], name: all}]
    tls: {ca: "@CA@"}
    probe: {target: "@ECHO@", path: /, interval: 100ms}
"""


def tell_peer(connection: OriginConnection) -> None:
    connection.read_until(b"\r\n\r\n")
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n127.0.0.1")


def test_probes_and_trials_pass_the_same_way(authority: Authority, hops: list[LimenProcess], tmp_path: Path) -> None:
    with RawOrigin(tell_peer) as origin:
        values = {name: url(hop, "https") for name, hop in zip(("FIRST", "SECOND", "THIRD"), hops, strict=True)}
        values.update(CA=str(authority.file), ECHO=origin.address)
        with LimenProcess(PROBED, values=values):
            origin.wait_for_connections(3)
        text = PROBED.replace("@ADMIN@", str(free_port())).replace("@PORT@", str(free_port()))
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (tmp_path / "limen.yaml").write_text(text)
        done = run_limen("egress", "test", str(tmp_path / "limen.yaml"))
        assert (done.returncode, done.stdout.splitlines()[1].split()[:3]) == (0, ["chain", "all", "127.0.0.1"])


HAPROXY = """
global
  maxconn 100
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen tls
  bind 127.0.0.1:{port} ssl crt {pem}
  server tiny 127.0.0.1:{onward}
"""
TINYPROXY = "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth ann secret\n"
SQUID = """
https_port 127.0.0.1:{port} tls-cert={pem}
acl all_ports port 1-65535
http_access allow all_ports
cache deny all
access_log none
cache_log {directory}/cache.log
pid_filename none
coredump_dir {directory}
cache_effective_user proxy
shutdown_lifetime 0 seconds
"""


@pytest.mark.skipif(not (available("haproxy") and available("tinyproxy")), reason="haproxy or tinyproxy is missing")
@pytest.mark.parametrize("order", [0, 1])
def test_programs_as_parents(
    authority: Authority, pair: Pair, hops: list[LimenProcess], tmp_path: Path, order: int
) -> None:
    """haproxy before tinyproxy, and Limen, either one inside the other."""
    port, onward = free_port(), free_port()
    pem = tmp_path / "both.pem"
    pem.write_bytes(pair.chain.read_bytes() + pair.key.read_bytes())
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(port=port, pem=pem, onward=onward))
    (tmp_path / "tinyproxy.conf").write_text(TINYPROXY.format(port=onward))
    with ExitStack() as stack:
        for command in (["tinyproxy", "-d", "-c", "tinyproxy.conf"], ["haproxy", "-f", "haproxy.cfg"]):
            _run(stack, command, tmp_path)
        for one in (port, onward):
            wait_until(lambda one=one: _answers(one), what="the program to listen")
        chain = [f"https://ann:secret@localhost:{port}", url(hops[0], "https"), url(hops[1], "https")]
        _passes(stack, authority, chain[::-1] if order else chain)


def _has_tls(program: str) -> bool:
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout
    return "openssl" in said or "gnutls" in said


@pytest.mark.skipif(not available("squid") or not _has_tls("squid"), reason="no squid with TLS")
def test_squid_as_parent(authority: Authority, pair: Pair, hops: list[LimenProcess], tmp_path: Path) -> None:
    port = free_port()
    pem = tmp_path / "both.pem"
    pem.write_bytes(pair.chain.read_bytes() + pair.key.read_bytes())
    (tmp_path / "squid.conf").write_text(SQUID.format(port=port, pem=pem, directory=tmp_path))
    with ExitStack() as stack:
        _run(stack, ["squid", "-N", "-f", "squid.conf"], tmp_path)
        wait_until(lambda: _answers(port), what="squid to listen")
        _passes(stack, authority, [url(hops[0], "https"), f"https://localhost:{port}", url(hops[1], "https")])


def _run(stack: ExitStack, command: list[str], directory: Path) -> None:
    process = stack.enter_context(
        subprocess.Popen(
            command, cwd=directory, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    )
    stack.callback(process.terminate)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _passes(stack: ExitStack, authority: Authority, chain: list[str]) -> None:
    proxy = stack.enter_context(LimenProcess(config(authority, {"CHAIN": chain})))
    with RawOrigin(echo) as talker, proxy.connect("CHAIN") as client:
        tunnel(client, talker.address)
        sender = threading.Thread(target=client.send, args=(LARGE,))
        sender.start()
        assert hashlib.sha256(client.read_exactly(len(LARGE))).digest() == hashlib.sha256(LARGE).digest()
        sender.join()
