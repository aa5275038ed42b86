"""SOCKS: which versions a listener speaks, and what beside CONNECT."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from limen.config.models.section import Section, Several, WrittenAs
from limen.config.scalars import Flag, duration, size, whole
from limen.config.units import parse_duration, parse_size


class SocksUdp(Section):
    """UDP ASSOCIATE: datagrams of a client, through the proxy.

    Each target must be allowed by `access` (method `UDP`) and have an address that `targets` lets it have. Datagrams
    are taken from the client's own address only, and answers only from targets that were asked.
    """

    targets: Annotated[int, whole(1, 1024)] = Field(
        default=64, description="Distinct targets (address and port) of one association; more are dropped."
    )
    idle: Annotated[float, duration("1s", "24h")] = Field(
        default=parse_duration("60s"), description="Silence after which an association ends, its connection with it."
    )
    largest: Annotated[int, size("64B", "65507B")] = Field(
        default=parse_size("16KiB"), description="Largest content of a datagram; larger ones are dropped."
    )


class SocksBind(Section):
    """BIND: the proxy waits for one connection from the peer that the client names, and joins it with the client's.

    The peer must be allowed by `access` (method `BIND`) and `targets`, as if it were connected to.
    """

    wait: Annotated[float, duration("1s", "10m")] = Field(
        default=parse_duration("30s"), description="How long the peer is waited for."
    )


class SocksTerms(Section):
    """What both ways of writing SOCKS have."""

    versions: Annotated[tuple[Annotated[int, whole(4, 5)], ...], Several(single=True)] = Field(
        default=(4, 5), description="Versions that are spoken; 4 includes 4a (names)."
    )
    udp: Annotated[SocksUdp | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None, description="Relay datagrams (version 5). Off unless written."
    )
    bind: Annotated[SocksBind | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None, description="Let a peer connect to the client. Off unless written."
    )


class SocksWays(SocksTerms):
    """SOCKS on the port of a forward proxy, told from HTTP by its first byte."""

    only: Flag = Field(default=False, description="No HTTP on this port: what a listener with `socks` has.")
