"""The root of a configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from limen.config.models.admin import Admin, Control
from limen.config.models.capture import Capture
from limen.config.models.drain import Drain
from limen.config.models.egress import GROUP, Egress
from limen.config.models.icap import IcapService
from limen.config.models.identities import Provider
from limen.config.models.limits import Limits
from limen.config.models.listeners import Listener
from limen.config.models.lists import SharedList
from limen.config.models.log import Log
from limen.config.models.places import Places
from limen.config.models.resolver import Resolver
from limen.config.models.section import Section, Several
from limen.config.models.upstreams import Upstream
from limen.config.scalars import Name, WorkerCount


class Config(Section):
    """A whole configuration, checked for itself; `limen.config.check` does what needs the parts together."""

    workers: WorkerCount = Field(
        default="auto", description="Worker processes; `auto` is one per core that this process may use."
    )
    listeners: Annotated[tuple[Listener, ...], Several(needed=True)] = Field(
        description="The bound addresses, and what they serve."
    )
    upstreams: dict[Name, Upstream] = Field(default_factory=dict, description="Groups of endpoints, by name.")
    egress: dict[Name, Egress] = Field(
        default_factory=dict, description="Ways out of forward proxies, by name: parents, or sources of their own."
    )
    places: Places | None = Field(
        default=None,
        description="Where clients are, for `nearest` and for conditions on country, continent and the like.",
    )
    lists: dict[Name, SharedList] = Field(
        default_factory=dict,
        description="Lists of addresses or of host names, by name: in files, or fetched from URLs.",
    )
    icap: dict[Name, IcapService] = Field(
        default_factory=dict, description="Services that examine or adapt content over ICAP, by name."
    )
    captures: dict[Name, Capture] = Field(
        default_factory=dict,
        description="Files of recorded exchanges, by name; `capture` of listeners, rules and routes chooses which.",
    )
    identities: dict[Name, Provider] = Field(
        default_factory=dict,
        description="Who says who clients are, by name; `identity` of listeners and routes asks them.",
    )
    admin: Admin | None = Field(default=None, description="Metrics, status and API over HTTP; off by default.")
    control: Control = Field(default_factory=Control, description="Socket of the command line.")
    log: Log = Field(default_factory=Log, description="Logs.")
    resolver: Resolver = Field(default_factory=Resolver, description="Name resolution.")
    limits: Limits = Field(default_factory=Limits, description="Bounds of the process.")
    drain: Drain = Field(default_factory=Drain, description="How workers end.")

    @property
    def groups(self) -> dict[str, Upstream]:
        """All that is chosen among, and whose health is known: upstreams, and ways out as `egress/NAME`."""
        if not self.egress:
            return self.upstreams
        return {**self.upstreams, **{GROUP + name: egress.group for name, egress in self.egress.items()}}
