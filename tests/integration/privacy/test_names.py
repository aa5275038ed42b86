"""Names of targets, looked up over TLS by a worker of a real proxy."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import pytest

from tests.support.certificates import Authority
from tests.support.dns_thread import NameServerThread


@contextmanager
def over_tls(names: NameServerThread, authority: Authority) -> Iterator[int]:
    """The port where `names` answers over TLS as dns.test."""
    context = authority.serving(authority.issue("dns.test"))
    ready, ports, over = threading.Event(), [], []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while True:
                query = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                response = names.server.answer(dns.message.from_wire(query))
                assert response is not None
                wire = response.to_wire()
                writer.write(len(wire).to_bytes(2) + wire)
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        ended = asyncio.Event()
        ports.append(server.sockets[0].getsockname()[1])
        over.append((asyncio.get_running_loop(), ended))
        ready.set()
        await ended.wait()
        server.close()
        for writer in writers:  # the proxy keeps its connection
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield ports[0]
    finally:
        loop, ended = over[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


@pytest.mark.parametrize(("name", "status"), [("dns.test", 200), ("other.test", 502)])
def test_of_a_server_with_the_right_certificate_only(start_limen, start_origin, tmp_path, name, status) -> None:
    authority = Authority(tmp_path)
    origin = start_origin()
    with NameServerThread() as names, over_tls(names, authority) as port:
        names.server.add("web.test", "60 A 127.0.0.1")
        listener = {
            "bind": "127.0.0.1:@PORT@",
            "forward": {"targets": {"private": "allow"}, "access": [{"allow": {}}]},
        }
        tls = {"name": name, "ca": str(authority.file)}
        config = {
            "workers": 1,
            "resolver": {"servers": [f"127.0.0.1:{port}"], "tls": tls, "hosts": False},
            "listeners": [listener],
        }
        with start_limen(json.dumps(config)).connect() as client:
            assert client.request("GET", f"http://web.test:{origin.port}/").status == status
        assert names.asked("web.test") == (2 if status == 200 else 0)


def test_authorities_are_read_by_the_check(tmp_path) -> None:
    file = tmp_path / "limen.yaml"
    file.write_text(
        "resolver: {servers: [192.0.2.1], tls: {name: dns.test, ca: none.pem}}\nlisteners: [{bind: '127.0.0.1:3128', forward: {}}]\n"
    )
    made = subprocess.run(
        [sys.executable, "-m", "limen", "check", str(file)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 2
    assert "resolver.tls.ca" in made.stderr
    assert "none.pem" in made.stderr
