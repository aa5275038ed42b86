"""Other people's proxies as parents, and Limen itself."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import RawClient, wait_until
from tests.support.origins import RawOrigin, ScriptedOrigin, echo
from tests.support.ports import free_port
from tests.support.programs import available, environment

SQUID = """
http_port 127.0.0.1:{port}
acl all_ports port 1-65535
auth_param basic program {helper} {directory}/users
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log none
cache_log {directory}/cache.log
pid_filename none
coredump_dir {directory}
cache_effective_user proxy
shutdown_lifetime 0 seconds
"""
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 30
MaxClients 20
BasicAuth ann secret
"""
DANTE = """
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0/0 to: 0/0 }}
socks pass {{ from: 0/0 to: 0/0 }}
"""


def _commands(directory: Path) -> Iterator[tuple[str, str, int, list[str]]]:
    """Name, URL (without place), port and command of each program that is there."""
    port = free_port()
    if available("tinyproxy"):
        (directory / "tinyproxy.conf").write_text(TINYPROXY.format(port=port))
        yield "tinyproxy", "http://ann:secret@", port, ["tinyproxy", "-d", "-c", str(directory / "tinyproxy.conf")]
    port = free_port()
    if available("microsocks"):
        yield "microsocks", "socks5://ann:secret@", port, [
            "microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "ann", "-P", "secret"
        ]  # fmt: skip
    port = free_port()
    if available("danted"):
        (directory / "danted.conf").write_text(DANTE.format(port=port))
        yield "dante", "socks5://", port, ["danted", "-f", str(directory / "danted.conf"), "-p", str(directory / "pid")]
    port = free_port()
    helper = "/usr/lib/squid/basic_ncsa_auth"
    if available("squid") and Path(helper).exists():
        (directory / "users").write_text("ann:" + _apr1("secret") + "\n")
        (directory / "squid.conf").write_text(SQUID.format(port=port, directory=directory, helper=helper))
        yield "squid", "http://ann:secret@", port, ["squid", "-N", "-f", str(directory / "squid.conf")]


def _apr1(password: str) -> str:
    return subprocess.run(
        ["openssl", "passwd", "-apr1", password], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def programs() -> Iterator[dict[str, str]]:
    """URLs of running programs by name."""
    with ExitStack() as stack:
        # helpers of squid run as somebody else, who may not enter pytest's own directories
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="limen-parents-")))
        directory.chmod(0o777)
        found = {}
        for name, url, port, command in _commands(directory):
            process = stack.enter_context(
                subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
            found[name] = (f"{url}127.0.0.1:{port}", port)
        for name, (_, port) in found.items():
            wait_until(lambda port=port: _answers(port), what=f"{name} to listen")
        yield {name: url for name, (url, _) in found.items()}


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


PARENT = """
workers: 1
listeners: [{bind: "127.0.0.1:@PORT@", forward: {targets: {private: allow}, access: [{allow: {}}]}}]
"""


def test_programs_as_parents(programs: dict[str, str], start_limen) -> None:
    inner = start_limen(PARENT)
    urls = {**programs, "limen": f"http://127.0.0.1:{inner.port('PORT')}"}
    ports = {name: free_port() for name in urls}
    listeners = "".join(
        f'\n  - {{bind: "127.0.0.1:{port}", forward: {{targets: {{private: allow}}, access: [{{allow: {{}}}}], '
        f"egress: {name}}}}}"
        for name, port in ports.items()
    )
    parents = "".join(f'\n  {name}: {{parents: ["{url}"]}}' for name, url in urls.items())
    # each program with Limen behind it, and all of them in a row
    chains = [*([url, urls["limen"]] for url in programs.values()), list(urls.values())]
    ways = ", ".join(f"{{name: chain{number}, chain: {chain}}}" for number, chain in enumerate(chains))
    text = f"""
workers: 1
listeners:{listeners}
  - {{bind: "127.0.0.1:@CHAINS@", forward: {{targets: {{private: allow}}, access: [{{allow: {{}}}}], egress: chains}}}}
egress:{parents}
  chains: {{parents: [{ways}]}}
"""
    proxy = start_limen(text)
    with ScriptedOrigin() as origin, RawOrigin(echo) as talker:
        places = [*ports.values(), *[proxy.port("CHAINS")] * len(chains)]
        for port in places:
            with _client(port) as client:
                client.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n\r\n")
                assert client.read_response().status == 200, port
            with _client(port) as client:
                client.send(f"CONNECT {talker.address} HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.read_head().status == 200, port
                client.send(b"through" * 4000)  # (not all of them pass a half-close on)
                assert client.read_exactly(28000) == b"through" * 4000
        assert all(b"proxy-authorization" not in request.raw_head.lower() for request in origin.requests)


def _client(port: int) -> RawClient:
    return RawClient(("127.0.0.1", port))
