"""What clients see of origins: pages for errors, and what is masked of answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several, WrittenAs, given
from limen.config.refusal import Refused
from limen.config.scalars import ErrorStatus, FieldValue, Flag, PageFile, Text

MASKED = WrittenAs((True, {}))


class ErrorPage(Section):
    """What is shown for a status, as HTML, JSON or text: what the client's `Accept` likes best.

    `{status}`, `{reason}`, `{request_id}` and `{host}` are filled in, escaped. Where there is no page of a kind, JSON
    (RFC 9457) and text have a plain one of their own. Up to 64 KiB each.
    """

    file: Annotated[tuple[PageFile, ...], Several(single=True)] | None = Field(
        default=None,
        description="A file that ends in `.html`, `.json` or `.txt`, or one of each. The first is for clients that "
        "take anything. Read when the configuration is loaded.",
    )
    html: Text | None = Field(default=None, description="The page itself, as HTML.")
    json_: Text | None = Field(default=None, alias="json", description="The page itself, as JSON.")
    text: Text | None = Field(default=None, description="The page itself, as plain text.")
    origin: Flag = Field(
        default=False,
        description="Show it also instead of an origin's answer of this status. Its Retry-After, WWW-Authenticate and "
        "Allow are passed on.",
    )

    @model_validator(mode="after")
    def _some(self) -> ErrorPage:
        if not given(self, "file", "html", "json_", "text"):
            raise Refused("no page is given", "write `file`, `html`, `json` or `text`")
        kinds = [page.kind for page in self.file or ()]
        kinds += [kind for kind, key in (("html", "html"), ("json", "json_"), ("text", "text")) if given(self, key)]
        twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
        if twice is not None:
            raise Refused(f"there are two pages of the kind {twice}", "give one of each")
        return self


ErrorPages = dict[ErrorStatus, ErrorPage]


class Mask(Section):
    """What is hidden of origins in their answers; all of it with `mask: true`."""

    software: Flag = Field(
        default=True,
        description="Remove fields that name an origin's software: Server, X-Powered-By, X-AspNet-Version, "
        "X-AspNetMvc-Version, X-Generator, X-Runtime, X-Version, X-Backend-Server, X-Served-By.",
    )
    location: Flag = Field(
        default=True,
        description="Rewrite `Location` where it names an origin: the scheme and Host of the request instead, and the "
        "path as clients know it (what `rewrite` strips put back, what it adds taken off).",
    )
    cookies: Flag = Field(
        default=True,
        description="Rewrite cookies: a `Domain` that names an origin is left out, so that the cookie belongs to the "
        "host that the client asked for; `Path` is changed like that of `location`.",
    )
    cookie_domain: FieldValue | None = Field(
        default=None, description="`Domain` for all cookies that have one, such as `example.com`."
    )
    hosts: Annotated[tuple[Text, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Further names of origins, with a port or without. Known by themselves are the endpoints, `host` "
        "of the route and the server name of the upstream's TLS.",
    )
