"""What an origin is spared: its CPU per request when it ends TLS itself, and when Limen ends it in front.

    PYTHONPATH=src:. python bench/offload.py [--new 1500] [--kept 10000]

nginx (one worker) and uvicorn (one process) answer 120 bytes with a certificate of ECDSA P-256; clients speak TLS
1.3, with a new connection and a full handshake for each request, or over one that is kept. Behind Limen the origin is
reached in plain HTTP over connections that Limen keeps; its own CPU stands beside.
"""

import argparse
import json
import ssl
import tempfile
from pathlib import Path

from bench.smoke import cpu_seconds
from tests.support import LimenProcess, NginxOrigin, PythonOrigin, RawClient, available
from tests.support.certificates import Authority, Pair
from tests.support.programs import _Program

NAME = "site.bench.example"
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"120")]})
    await send({"type": "http.response.body", "body": b"x" * 120})
"""


def made(kind: str, pair: Pair | None) -> _Program:
    """The origin, with TLS of its own or without."""
    if kind == "nginx":
        return NginxOrigin({"small": b"x" * 120}, tls=pair)
    return PythonOrigin("uvicorn", ASGI, tls=pair)


def new(port: int, context: ssl.SSLContext, count: int) -> None:
    """Each request on a connection of its own, without resumption."""
    for _ in range(count):
        with RawClient(("127.0.0.1", port)) as client:
            client.secure(context, NAME).request("GET", "/small", host=NAME)


def kept(port: int, context: ssl.SSLContext, count: int) -> None:
    """All requests on one connection."""
    with RawClient(("127.0.0.1", port)) as client:
        client.secure(context, NAME)
        for _ in range(count):
            if client.request("GET", "/small", host=NAME).status != 200:
                raise RuntimeError("not answered")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--new", type=int, default=1500)
    parser.add_argument("--kept", type=int, default=10_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        pair = authority.issue(NAME)
        context = authority.trusting()
        for kind in ("nginx", "uvicorn"):
            if not available(kind):
                print(f"{kind} is not here")
                continue
            for tls in (pair, None):
                with made(kind, tls) as origin:
                    if tls is not None:
                        told = f"{kind} that ends TLS itself"
                        measure(told, origin.port, context, {"origin": [origin.pid]}, wanted)
                        continue
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
                    with LimenProcess(json.dumps(config)) as proxy:
                        pids = {"origin": [origin.pid], "Limen": proxy.worker_pids()}
                        measure(f"{kind} behind Limen", proxy.port(), context, pids, wanted)


def measure(
    told: str, port: int, context: ssl.SSLContext, pids: dict[str, list[int]], wanted: argparse.Namespace
) -> None:
    """CPU of each per request, both ways, printed."""
    for way, run, count in (("new connections", new, wanted.new), ("a kept connection", kept, wanted.kept)):
        run(port, context, count // 20)
        before = {who: cpu_seconds(those) for who, those in pids.items()}
        run(port, context, count)
        each = {who: (cpu_seconds(those) - before[who]) / count * 1e6 for who, those in pids.items()}
        print(f"{told}, {way}: " + ", ".join(f"{who} {used:.0f} µs" for who, used in each.items()), flush=True)


if __name__ == "__main__":
    main()
