"""What is asked of an endpoint: made once per revision from the configuration, so that a probe formats nothing."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from limen import __version__

if TYPE_CHECKING:
    from limen.config.addresses import Address
    from limen.config.models.health import Probe
    from limen.config.models.upstreams import Upstream
    from limen.egress.passage import Passage

# PROXY protocol for a connection of the proxy's own (its specification, 2.1 and 2.2).
_PREFACES = {"v1": b"PROXY UNKNOWN\r\n", "v2": b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"}


@dataclass(frozen=True, slots=True)
class Encryption:
    """TLS of an upstream, for probes; equal when `identity` is."""

    identity: str
    context: ssl.SSLContext = field(compare=False, repr=False)
    server_name: str = ""
    """Instead of the endpoint's host."""
    pins: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """One endpoint's probe. Equal questions have equal answers: their state is kept over a reload."""

    probe: Probe
    host: str
    """Name or literal, without brackets."""
    port: int
    preface: bytes = b""
    request: bytes = b""
    encryption: Encryption | None = None
    pattern: re.Pattern[bytes] | None = None
    passage: Passage | None = None
    """The way out that is probed; None: the endpoint itself is."""


def question_of(probe: Probe, upstream: Upstream, address: Address, encryption: Encryption | None) -> Question:
    """The question for the endpoint at `address`; `encryption` is what its upstream's connections have."""
    moved = probe.port is not None and probe.port != address.port
    pattern = probe.body.pattern if probe.body is not None else None
    return Question(
        probe,
        address.host,
        probe.port if probe.port is not None else address.port,
        # another port is another service: nothing says that it knows the protocol
        preface=b"" if moved else _PREFACES.get(upstream.proxy_protocol or "", b""),
        request=_request(probe, address) if probe.type == "http" else b"",
        encryption=None if probe.plain or probe.type == "tcp" else encryption,
        pattern=re.compile(pattern.encode("utf-8")) if pattern is not None else None,
    )


def question_by(probe: Probe, target: Address, passage: Passage) -> Question:
    """The question for the way out `passage`: whether it leads to `target`."""
    request = _request(probe, target) if probe.type == "http" else b""
    return Question(probe, target.host, target.port, request=request, passage=passage)


def _request(probe: Probe, address: Address) -> bytes:
    fields = {
        "Host": str(address) if probe.host == "endpoint" else probe.host,
        "User-Agent": f"limen-probe/{__version__}",
        "Accept": "*/*",
        "Connection": "close",
    }
    given = {name.lower() for name in probe.send}
    lines = [f"{name}: {value}" for name, value in fields.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in probe.send.items()]
    return "\r\n".join([f"{probe.method} {probe.path} HTTP/1.1", *lines, "", ""]).encode("latin-1")
