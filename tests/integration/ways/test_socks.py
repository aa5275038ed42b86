"""SOCKS 4, 4a and 5: the exchange that CONNECT would have made, told in SOCKS."""

import shutil
import subprocess
import sys

import pytest

from tests.integration.ways.speaking import (
    GREETING,
    faults,
    open5,
    read_reply4,
    read_reply5,
    request4,
    request5,
    target,
)
from tests.support import (
    LimenProcess,
    RawClient,
    RawOrigin,
    Reply,
    ScriptedOrigin,
    blackhole,
    echo,
    free_port,
    json_lines,
    wait_until,
)

TEXT = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {access: {path: "@DIR@/access.jsonl"}}
resolver: {hosts: true, servers: ["127.0.0.1:1"], timeout: 200ms}
listeners:
  - bind: 127.0.0.1:@PORT@
    name: socks
    socks:
      targets: {private: allow}
      access:
        - {name: no-telnet, deny: {ports: [23]}}
        - {name: no-ads, deny: {hosts: [.ads.example]}}
        - allow: {}
      timeouts: {dial: 2s}
    timeouts: {head: 3s}
  - bind: 127.0.0.1:@BOTH@
    name: both
    forward: {socks: true, targets: {private: allow}, access: [{allow: {}}]}
  - bind: 127.0.0.1:@SAFE@
    name: safe
    socks: {versions: 5}
"""


@pytest.fixture(scope="module")
def proxy():
    with LimenProcess(TEXT) as started:
        yield started


def records(proxy: LimenProcess) -> list[dict]:
    return json_lines(proxy.directory / "access.jsonl")


@pytest.mark.sanitize
@pytest.mark.parametrize("name", ["PORT", "BOTH"])
def test_pieces_of_any_size_and_bytes_ahead(proxy, name):
    """Handshake, request and the tunnel's first bytes, in one piece and byte by byte."""
    with RawOrigin(echo) as origin:
        host, port = origin.address.split(":")
        five = GREETING + request5(host, int(port)) + b"sent ahead"
        named = GREETING + request5("localhost", int(port)) + b"sent ahead"
        four = request4(host, int(port), user=b"somebody") + b"sent ahead"
        four_a = request4("localhost", int(port)) + b"sent ahead"
        for data in (five, named, four, four_a):
            for send in (RawClient.send, RawClient.send_bytewise):
                with proxy.connect(name) as client:
                    send(client, data)
                    if data[0] == 5:
                        assert client.read_exactly(2) == b"\x05\x00"
                        assert read_reply5(client) == (0, "0.0.0.0", 0)
                    else:
                        assert read_reply4(client) == 0x5A
                    assert client.read_exactly(10) == b"sent ahead"
                    client.send(b"x" * 100_000)
                    assert client.read_exactly(100_000) == b"x" * 100_000
                    client.half_close()
                    client.expect_end()


def test_http_on_the_same_port(proxy):
    with ScriptedOrigin([Reply(content=b"plain"), Reply(content=b"plain")]) as origin:
        with proxy.connect("BOTH") as client:
            for _ in range(2):
                assert client.request("GET", f"http://{origin.address}/", host=origin.address).content == b"plain"
            # the way was settled by the first bytes: now this is a malformed request
            client.send(GREETING)
            client.send(b"\r\n\r\n")
            assert client.read_response().status == 400
        with proxy.connect() as client:
            response = client.request("GET", f"http://{origin.address}/", host=origin.address)
            assert (response.status, "SOCKS" in response.text) == (400, True)
            client.expect_end()


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        ("127.0.0.1", 23, 2),
        ("track.ads.example", 443, 2),
        ("nobody.invalid", 443, 4),
        ("127.0.0.1", 0, 1),
        ("exa mple", 80, 1),
        ("user@127.0.0.1", 80, 1),
        ("127.0.0.1:80", 80, 1),
    ],
)
def test_refused(proxy, host, port, code):
    with open5(proxy, host, port) as client:
        assert read_reply5(client) == (code, "0.0.0.0", 0)
        client.expect_end()
    with proxy.connect() as client:
        client.send(request4(host, port))
        assert read_reply4(client) == 0x5B
        client.expect_end()


def test_dead_and_silent_targets(proxy):
    with blackhole() as silent:
        for port, code in ((free_port(), 5), (silent, 6)):
            with open5(proxy, "127.0.0.1", port) as client:
                assert read_reply5(client)[0] == code
                client.expect_end()


def test_own_listeners_and_special_addresses(proxy):
    with open5(proxy, "127.0.0.1", proxy.port("BOTH")) as client:
        assert read_reply5(client)[0] == 2
    for host, port in (
        ("127.0.0.1", 443),
        ("localhost", 443),
        ("::1", 443),
        ("::ffff:127.0.0.1", 443),
        ("2130706433", 443),
    ):
        with open5(proxy, host, port, name="SAFE") as client:
            assert read_reply5(client)[0] == 2, host
    # CONNECT to other ports than 443 is not among the safe defaults
    with open5(proxy, "192.0.2.1", 80, name="SAFE") as client:
        assert read_reply5(client)[0] == 2


@pytest.mark.parametrize(
    ("data", "answer", "fault"),
    [
        (b"\x05\x02\x01\x02", b"\x05\xff", "socks_method"),
        (b"\x05\x00", b"\x05\xff", "socks_method"),
        (GREETING + request5("127.0.0.1", 80, 2), b"\x05\x00\x05\x07\x00\x01" + bytes(6), "socks_command"),
        (GREETING + request5("127.0.0.1", 80, 3), b"\x05\x00\x05\x07\x00\x01" + bytes(6), "socks_command"),
        (GREETING + request5("127.0.0.1", 80, 9), b"\x05\x00\x05\x07\x00\x01" + bytes(6), "socks_command"),
        (GREETING + b"\x05\x01\x00\x05", b"\x05\x00\x05\x08\x00\x01" + bytes(6), "socks_address"),
        (GREETING + b"\x05\x01\x01\x01", b"\x05\x00\x05\x01\x00\x01" + bytes(6), "socks"),
        (GREETING + b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b"\x05\x00\x05\x01\x00\x01" + bytes(6), "socks"),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01" + b"u" * 300, b"\x00\x5b" + bytes(6), "socks"),
        (b"\x04\x03\x00\x50\x7f\x00\x00\x01\x00", b"\x00\x5b" + bytes(6), "socks_command"),
    ],
)
def test_malformed(proxy, data, answer, fault):
    before = faults(proxy, fault)
    with proxy.connect() as client:
        client.send(data)
        assert client.read_to_end() == answer
    wait_until(lambda: faults(proxy, fault) > before)


def test_other_versions_than_those_spoken(proxy):
    before = faults(proxy, "socks")
    with proxy.connect("SAFE") as client:
        client.send(request4("127.0.0.1", 443))
        client.read_to_end()
    wait_until(lambda: faults(proxy, "socks") > before)


@pytest.mark.sanitize
def test_half_open_handshakes_end_in_time_and_leave_nothing(proxy):
    descriptors = proxy.open_files()
    before = faults(proxy, "head_timeout")
    clients = [proxy.connect() for _ in range(4)]
    for client, data in zip(
        clients, (b"\x05", b"\x05\x01\x00", b"\x05\x01\x00\x05\x01\x00\x03\xff", b"\x04\x01"), strict=True
    ):
        client.send(data)
    assert [client.read_to_end()[-4:] for client in clients] == [
        b"",
        b"\x01\x00\x00\x00\x00\x00\x00"[-4:],
        bytes(4),
        bytes(4),
    ]
    wait_until(lambda: faults(proxy, "head_timeout") == before + 4)
    for client in clients:
        client.close()
    # and clients that go in the middle
    for data in (b"\x05", GREETING, GREETING + b"\x05\x01", b"\x04"):
        with proxy.connect() as client:
            client.send(data)
        with proxy.connect() as client:
            client.send(data)
            client.reset()
    wait_until(lambda: proxy.open_files() <= descriptors)


def test_the_log_says_what_was_spoken(proxy):
    with RawOrigin(echo) as origin:
        host, port = origin.address.split(":")
        with open5(proxy, host, int(port)) as client:
            assert read_reply5(client)[0] == 0
            client.send(b"hello")
            assert client.read_exactly(5) == b"hello"
        with proxy.connect() as client:
            client.send(request4("localhost", int(port)))
            assert read_reply4(client) == 0x5A
        with open5(proxy, "a.ads.example", 443) as client:
            assert read_reply5(client)[0] == 2

    def found() -> list[dict]:
        return [record for record in records(proxy) if record.get("target") in wanted]

    wanted = [origin.address, f"localhost:{port}", "a.ads.example:443"]
    wait_until(lambda: len(found()) == 3)
    # (tunnels are logged when they end, in whatever order)
    five, four, denied = sorted(found(), key=lambda record: wanted.index(record["target"]))
    assert (five["protocol"], five["method"], five["status"], five["tunnel"]) == ("socks5", "CONNECT", 200, True)
    assert (five["received"], five["sent"]) == (5, 5)
    assert (four["protocol"], four["host"]) == ("socks4", "localhost")
    assert (denied["protocol"], denied["status"], denied["fault"]) == ("socks5", 403, "denied")


# Other people's clients --------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("option", ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"])
def test_curl(proxy, option):
    with ScriptedOrigin(Reply(content=b"through the tunnel")) as origin:
        port = origin.address.rpartition(":")[2]
        command = [
            "curl",
            "-sS",
            "--noproxy",
            "",
            option,
            f"127.0.0.1:{proxy.port('BOTH')}",
            f"http://localhost:{port}/path",
        ]
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
        assert done.stdout == b"through the tunnel"
        assert origin.requests[0].target == "/path"


def test_pysocks(proxy):
    """What requests[socks] and urllib3 stand on."""
    socks = pytest.importorskip("socks")
    with RawOrigin(echo) as origin:
        port = int(origin.address.rpartition(":")[2])
        for kind, remote in ((socks.SOCKS4, True), (socks.SOCKS4, False), (socks.SOCKS5, True), (socks.SOCKS5, False)):
            with socks.socksocket() as client:
                client.settimeout(60)
                client.set_proxy(kind, "127.0.0.1", proxy.port("BOTH"), rdns=remote)
                client.connect(("localhost", port))
                client.sendall(b"hello")
                assert client.recv(5) == b"hello"
        with socks.socksocket() as client:
            client.set_proxy(socks.SOCKS5, "127.0.0.1", proxy.port())
            with pytest.raises(socks.ProxyError, match="0x02: Connection not allowed"):
                client.connect(("127.0.0.1", 23))


@pytest.mark.parametrize("module", ["requests", "httpx"])
def test_python_clients(proxy, module):
    pytest.importorskip(module)
    pytest.importorskip("socks" if module == "requests" else "socksio")
    source = {
        "requests": "import requests, sys; p = sys.argv[1]\n"
        "print(requests.get(sys.argv[2], proxies={'http': p.replace('socks5', 'socks5h')}, timeout=60).text)",
        "httpx": "import httpx, sys\nprint(httpx.Client(proxy=sys.argv[1], timeout=60).get(sys.argv[2]).text)",
    }[module]
    with ScriptedOrigin(Reply(content=b"through the tunnel")) as origin:
        url = f"http://localhost:{origin.address.rpartition(':')[2]}/"
        command = [sys.executable, "-c", source, f"socks5://127.0.0.1:{proxy.port('BOTH')}", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout.strip() == "through the tunnel", done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git(proxy, tmp_path):
    """A clone over the dumb protocol: several connections, each by SOCKS."""
    import functools
    import http.server
    import threading

    source = tmp_path / "source"
    author = ["-c", "user.name=a", "-c", "user.email=a@a.example"]
    for command in (["init", "-q", str(source)], ["-C", str(source), *author, "commit", "-q", "--allow-empty", "-m", "one"],
                    ["-C", str(source), "update-server-info"]):  # fmt: skip
        subprocess.run(["git", *command], check=True, timeout=120)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(source / ".git"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        settings = f"http.proxy=socks5h://127.0.0.1:{proxy.port('BOTH')}"
        url = f"http://localhost:{server.server_address[1]}/"
        subprocess.run(
            ["git", "-c", settings, "clone", "-q", url, str(tmp_path / "copy")], check=True, timeout=120, capture_output=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    assert (tmp_path / "copy" / ".git").is_dir()


def test_target_helper():
    assert target("::1", 80) == b"\x04" + bytes(15) + b"\x01\x00\x50"
