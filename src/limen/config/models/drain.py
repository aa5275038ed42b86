"""Draining: how a worker ends without breaking exchanges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from limen.config.models.section import Section
from limen.config.scalars import duration
from limen.config.units import parse_duration


class Drain(Section):
    """What happens on TERM, `limen drain` and when a worker is replaced."""

    timeout: Annotated[float, duration("0s", "24h")] = Field(
        default=parse_duration("30s"),
        description="How long live exchanges and tunnels may go on after new connections are refused; the rest is cut.",
    )
