"""Routes chosen by what a TLS client says first, without opening anything: for streams, and for names that pass."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.bridge import Alpn, Ja4
from limen.config.models.section import Section, Several, given
from limen.config.refusal import Refused
from limen.config.scalars import HelloName, Name


class HelloMatch(Section):
    """Conditions on the client hello; all that are given must hold, and one of the values of a list."""

    sni: Annotated[tuple[HelloName, ...], Several(single=True)] | None = Field(
        default=None,
        description="Name that the client asks for (SNI), in any case: exact, `*.example.com` for one label below "
        "`example.com`, as in certificates, or `.example.com` for the name itself and all below it. One or a list.",
    )
    alpn: Annotated[tuple[Alpn, ...], Several(single=True)] | None = Field(
        default=None,
        description="Protocol that is among those the client offers (ALPN), such as `h2`, `http/1.1` or `imap`. One "
        "or a list.",
    )
    ja4: Annotated[tuple[Ja4, ...], Several(single=True)] | None = Field(
        default=None,
        description="JA4 fingerprint of the client hello, `*` and `?` stand for characters: "
        "`t13d1516h2_8daaf6152771_*`. One or a list.",
    )

    @model_validator(mode="after")
    def _some_condition(self) -> HelloMatch:
        if not given(self, "sni", "alpn", "ja4"):
            raise Refused("the match has no condition", "name `sni`, `alpn` or `ja4`, or leave `match` out")
        return self


class OpaqueRoute(Section):
    """Where connections with a certain client hello go, as they are."""

    name: Name | None = Field(
        default=None,
        description="Name in logs and metrics; the listener's name and the route's number by default.",
    )
    match: HelloMatch | None = Field(
        default=None,
        description="Which connections; all that are left if left out, and in a `stream` also those that are no TLS.",
    )
    upstream: Name = Field(description="The upstream, by name.")
