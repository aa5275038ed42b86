"""From a section of the configuration to its source; what a source needs is imported with the first of its kind."""

from __future__ import annotations

from limen.config.listing import Listing
from limen.config.models.discover import Sources
from limen.config.models.resolver import Resolver as ResolverModel
from limen.egress.discovery.source import Source


def make_source(settings: Sources, resolver: ResolverModel, *, tls: bool) -> Source:
    """The source that a section names; `tls`: whether the upstream speaks it."""
    text = settings.file.path if settings.file is not None else ""
    listing = Listing(text, defaults=settings.defaults.written, most=settings.most)
    if settings.file is not None:
        from limen.egress.discovery.file import WatchedList

        return WatchedList(settings.file, listing)
    from limen.egress.resolver import resolver_of

    asked = resolver_of(resolver)
    if settings.http is not None:
        from limen.egress.discovery.http import PolledList

        return PolledList(settings.http, asked, listing)
    from limen.egress.discovery.dns import AddressSource, ServiceSource

    if settings.srv is not None:
        return ServiceSource(settings.srv, asked, listing, most=settings.most, tls=tls)
    assert settings.dns is not None  # noqa: S101 one of the four is there
    return AddressSource(settings.dns, asked, listing, most=settings.most, tls=tls)
