"""Bounds of the whole process."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from limen.config.models.section import Section
from limen.config.scalars import FilePath, duration, optional, whole
from limen.config.units import parse_duration


class Limits(Section):
    """How many connections are open at a time; what comes beyond is closed at once and counted as shed."""

    connections: Annotated[int, whole(1, 1_000_000)] = Field(
        default=10_000, description="Client connections per worker. Mind the open files limit: each may need two."
    )
    idle_connections: Annotated[int, whole(0, 1_000_000)] = Field(
        default=4096,
        description="Idle connections to endpoints per worker, all upstreams together; the one idle longest is closed "
        "first. `pool.idle` bounds those of one endpoint. (Those to the targets of a forward proxy: 1024.)",
    )
    keys: Annotated[int, whole(1024, 16_777_216)] = Field(
        default=262_144,
        description="Keys (clients, tokens ...) that rate limits know at a time, all of them and all workers together, "
        "and as many for concurrency limits; 16 bytes each, taken as they are used. When all places for a key are "
        "taken, a rate limit forgets the one that has used least, and a concurrency limit lets the exchange pass; "
        "both are counted. Another number needs a restart or a handover.",
    )
    quota_file: FilePath | None = Field(
        default=None,
        description="File of what quotas have counted, made where there is none. By default in the state directory "
        "($STATE_DIRECTORY, $XDG_STATE_HOME/limen, /var/lib/limen or ~/.local/state/limen), one for each configuration "
        "file. Another one needs a restart.",
    )
    recheck: Annotated[float, duration("1s", "24h")] = Field(
        default=parse_duration("15m"),
        description="How often tunnels and exchanges under way are judged again: who they are for, by what that rests "
        "on, and by the addresses and rules in force, about the address that was dialled. Beside that after each "
        "reload, and when lists, time windows or files of identities change.",
    )
    per_client: Annotated[int | None, optional(whole(1, 1_000_000))] = Field(
        default=200,
        description="Connections of one client address per worker, over all listeners; `none` for no bound. While it "
        "is not set, loopback addresses are spared, because what runs on this machine often stands for many clients; a "
        "bound that is set spares only addresses that the listener has among its `trusted`.",
    )
