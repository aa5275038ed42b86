"""CPU of a TLS 1.3 connection, with a full handshake and with a resumed one: Limen beside nginx.

    PYTHONPATH=src:. python bench/handshakes.py [--count 3000]

Both are gateways with one worker to the same nginx without TLS, with a certificate of ECDSA P-256; each connection
carries one GET of 120 bytes. The client is one loop in Python, so that neither is at its limit: what is compared is
CPU, in turns, in which the machine's moods meet both.
"""

import argparse
import json
import os
import shutil
import ssl
import statistics
import subprocess
import tempfile
from pathlib import Path

from bench.smoke import cpu_seconds
from tests.support import LimenProcess, NginxOrigin, RawClient, free_port, wait_until
from tests.support.certificates import Authority

NAME = "site.bench.example"
NGINX = """
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream web {{ server {origin}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
    ssl_session_tickets on; ssl_session_cache off; ssl_early_data off;
    location / {{ proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


class Client:
    """Connections to one port, resumed or not."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.port, self.context = port, context

    def once(self, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        """One connection with one request; the session to resume. RuntimeError when it was not as asked."""
        with RawClient(("127.0.0.1", self.port)) as client:
            client.socket = stream = self.context.wrap_socket(client.socket, server_hostname=NAME, session=session)
            if client.request("GET", "/small", host=NAME).status != 200:
                raise RuntimeError("not answered")
            if stream.session_reused != (session is not None):
                raise RuntimeError("not resumed" if session else "resumed")
            return stream.session

    def run(self, count: int, *, resumed: bool) -> None:
        """That many connections, one after the other."""
        session = self.once(None) if resumed else None
        for _ in range(count):
            found = self.once(session)
            session = found if resumed else None


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=3000, help="connections of each kind and server, in five turns")
    count = parser.parse_args().count // 5
    with tempfile.TemporaryDirectory() as name, NginxOrigin({"small": b"x" * 120}) as origin:
        folder = Path(name)
        authority = Authority(folder)
        pair = authority.issue(NAME)
        port = free_port()
        path = folder / "nginx.conf"
        path.write_text(
            NGINX.format(folder=folder, origin=origin.address, port=port, chain=pair.chain, key=pair.key),
            encoding="utf-8",
        )
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            print("nginx is not here")
            return
        config = {
            "workers": 1,
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "tls": {"certificates": [{"chain": str(pair.chain), "key": str(pair.key)}]},
                    "routes": [{"upstream": "web"}],
                }
            ],
            "upstreams": {"web": {"endpoints": [origin.address]}},
        }
        nginx = subprocess.Popen([program, "-c", str(path)])
        try:
            with LimenProcess(json.dumps(config)) as proxy:
                servers = {
                    "nginx": (Client(port, authority.trusting()), [nginx.pid]),
                    "Limen": (Client(proxy.port(), authority.trusting()), proxy.worker_pids()),
                }
                wait_until(lambda: answers(servers["nginx"][0]), what="nginx")
                for resumed in (False, True):
                    measure(servers, count, resumed=resumed)
        finally:
            nginx.terminate()
            nginx.wait()


def answers(client: Client) -> bool:
    """Whether the server is up."""
    try:
        client.once(None)
    except ConnectionRefusedError:
        return False
    return True


def measure(servers: dict[str, tuple[Client, list[int]]], count: int, *, resumed: bool) -> None:
    """CPU of each per connection, and the median of the turns' ratios."""
    used: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(5):
        for name, (client, pids) in servers.items():
            client.run(count // 20, resumed=resumed)
            before = cpu_seconds(pids)
            client.run(count, resumed=resumed)
            used[name].append((cpu_seconds(pids) - before) / count * 1e6)
    ratio = statistics.median(mine / theirs for mine, theirs in zip(used["Limen"], used["nginx"], strict=True))
    told = ", ".join(f"{name} {statistics.median(each):.0f} µs" for name, each in used.items())
    print(f"{'resumed' if resumed else 'full'}: {told}, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
