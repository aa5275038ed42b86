"""`limen demo`: two origins, a gateway over them, a forward proxy and the admin address, all on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.config import loads
from limen.control.serve import serve
from limen.errors import LimenError
from limen.runtime.process import child_environment
from limen.runtime.worker import DEFAULT_CORE

if TYPE_CHECKING:
    from limen.config import Config


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo listens; an origin whose port is taken moves to a free one, the others must be free."""

    gateway: int = 8080
    proxy: int = 3128
    admin: int = 9901
    origins: tuple[int, int] = (9001, 9002)


def run_demo(ports: Ports, *, core: str = DEFAULT_CORE) -> int:
    """Runs until interrupted. Raises LimenError when a port is taken."""
    for name, port in (("gateway", ports.gateway), ("proxy", ports.proxy), ("admin", ports.admin)):
        if not _is_free(port):
            raise LimenError(
                f"port {port} for the demo's {name} address is taken by another process; choose one with --{name} PORT"
            )
    with contextlib.ExitStack() as stack:
        one, two = (
            stack.enter_context(_origin(f"origin-{number}", port if _is_free(port) else 0))
            for number, port in enumerate(ports.origins, 1)
        )
        config = _configuration(ports, (one, two))
        return serve(config, name="demo", core=core, ready=lambda: _explain(ports, (one, two)))


def _configuration(ports: Ports, origins: tuple[int, int]) -> Config:
    one, two = origins
    return loads(
        f"""
workers: 2
admin: {{bind: 127.0.0.1:{ports.admin}}}
listeners:
  - name: gateway
    bind: 127.0.0.1:{ports.gateway}
    routes: [{{upstream: origins}}]
  - name: proxy
    bind: 127.0.0.1:{ports.proxy}
    forward:
      # Private targets stay refused, but for the demo's own origins.
      targets: {{allow: [127.0.0.1/32]}}
      access: [{{allow: {{clients: [127.0.0.0/8], ports: [80, 443, {one}, {two}]}}}}]
upstreams:
  origins: {{endpoints: [127.0.0.1:{one}, 127.0.0.1:{two}]}}
""",
        "<demo>",
    )


def _explain(ports: Ports, origins: tuple[int, int]) -> None:
    print(
        f"""
Two origins behind a gateway, in turn:
  curl http://127.0.0.1:{ports.gateway}/
What arrives at an origin:
  curl http://127.0.0.1:{ports.gateway}/echo -d 'hello'
A slow and a large response:
  curl -N 'http://127.0.0.1:{ports.gateway}/slow?seconds=5'
  curl -o /dev/null 'http://127.0.0.1:{ports.gateway}/large?bytes=100000000'
The forward proxy, to an origin and to the world:
  curl -x http://127.0.0.1:{ports.proxy} http://127.0.0.1:{origins[0]}/echo
  curl -x http://127.0.0.1:{ports.proxy} https://example.com/
Refused, because private targets are:
  curl -x http://127.0.0.1:{ports.proxy} http://192.168.0.1/
A live page is at http://127.0.0.1:{ports.admin}/ in a browser; state and metrics:
  curl http://127.0.0.1:{ports.admin}/status
  curl http://127.0.0.1:{ports.admin}/metrics
  limen top
End with Ctrl-C.""",
        flush=True,
    )


@contextlib.contextmanager
def _origin(name: str, port: int) -> Iterator[int]:
    """A running origin; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "limen.control.demo_origin", name, str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
        # Ctrl-C in the terminal is for us: the origins serve until the drain is over.
        start_new_session=True,
    )
    try:
        answer = process.stdout.readline().strip() if process.stdout else ""
        if not answer:
            raise LimenError(f"the demo's {name} did not start")
        yield int(answer)
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
