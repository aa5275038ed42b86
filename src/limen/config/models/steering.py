"""Keeping clients where they were, and splitting a route: cookies that Limen sets, shares of the exchanges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.balance import HashKey
from limen.config.models.section import Section, Several, Shorthand, WrittenAs
from limen.config.refusal import Refused, shown
from limen.config.scalars import (
    AutoFlag,
    CookieDomain,
    CookieName,
    CookiePath,
    CookieSecret,
    Flag,
    Name,
    choice,
    duration,
    whole,
)

SHARES_MOST = 64
# What may be meant by something else than a cookie, and how it is written.
_HASHES = {
    "field": "{by: field, name: X-Session}",
    "client": "client",
    "host": "host",
    "path": "path",
    "query": "{by: query, name: id}",
}


class SetCookie(Section):
    """A cookie that Limen sets, signed: what was not signed here is like no cookie."""

    name: CookieName | None = Field(
        default=None, description="Its name; by default `limen_` and a few digits made of the names of what it chooses."
    )
    key: Annotated[tuple[CookieSecret, ...], Several(single=True)] | None = Field(
        default=None,
        repr=False,
        description="What its values are signed with, 16 characters or more: `${NAME}` or `{file: path}`. Of several "
        "the first signs and all are believed, so that a key can be changed. Machines with the same key know each "
        "other's cookies. Without one a key is made at the start, which outlives reloads and handovers, but no "
        "restart.",
    )
    path: CookiePath = Field(default="/", description="`Path`: below which clients send it.")
    domain: CookieDomain | None = Field(
        default=None, description="`Domain`: to which hosts clients send it; without it only to the one that set it."
    )
    max_age: Annotated[float, duration("1s", "400d")] | None = Field(
        default=None,
        description="`Max-Age`: how long it is kept, from when it was set; without it until the browser ends.",
    )
    secure: AutoFlag = Field(
        default=None, description="`Secure`: `auto` is on where the client came by TLS; `true` always."
    )
    http_only: Flag = Field(default=True, description="`HttpOnly`: scripts of a page cannot see it.")
    same_site: Annotated[str, choice("lax", "strict", "none")] = Field(
        default="lax", description="`SameSite`. `none`, for pages of other sites, needs `Secure`."
    )
    hide: Flag = Field(default=True, description="Whether it is taken out of what origins see.")

    @model_validator(mode="after")
    def _sendable(self) -> SetCookie:
        if self.same_site == "none" and self.secure is False:
            raise Refused("browsers drop a cookie with `same_site: none` without `Secure`", "leave out `secure: false`")
        prefix = next((one for one in ("__Host-", "__Secure-") if (self.name or "").startswith(one)), None)
        if prefix is not None and self.secure is not True:
            raise Refused(f"the prefix {prefix} asks for `secure: true`", "write it, or change the name", at="name")
        if prefix == "__Host-" and (self.domain is not None or self.path != "/"):
            raise Refused("the prefix __Host- goes with `path: /` and without `domain`", "change the name", at="name")
        return self


class Sticky(Section):
    """Clients keep their endpoint by a cookie."""

    cookie: Annotated[SetCookie, Shorthand("name")] = Field(
        description="The cookie that Limen sets: its name, or a section."
    )


class StickyWord(WrittenAs):
    """Metadata of `sticky`, which may be the word `cookie`. What needs no cookie is a policy: it has one spelling."""

    def __init__(self) -> None:
        super().__init__(("cookie", {"cookie": {}}))

    def _written_out(self, value: object) -> object:
        asked = value if isinstance(value, str) else next(iter(value), "") if isinstance(value, dict) else ""
        if asked in _HASHES:
            hint = f"write `balance: {{hash: {_HASHES[asked]}}}`"
            raise Refused(f"to stick by {asked} is what the policy hash does", hint)
        return super()._written_out(value)


class Share(Section):
    """A part of the exchanges of a route."""

    weight: Annotated[int, whole(0, 65535)] = Field(
        description="Its part, in proportion to the other weights. 0 takes only clients whose cookie says so."
    )
    upstream: Name = Field(description="Where it goes, by name.")


class Split(Section):
    """A route that goes to several upstreams."""

    to: Annotated[tuple[Share, ...], Several(needed=True)] = Field(description="The shares, each with a weight.")
    by: Annotated[HashKey, Shorthand("by")] | None = Field(
        default=None,
        description="What always goes to the same share: `client`, `host`, `path`, or a `field`, `cookie` or `query` "
        "parameter by its `name`. Requests that lack it, and all without this key, are shared out one by one.",
    )
    cookie: Annotated[SetCookie, Shorthand("name")] | None = Field(
        default=None,
        description="Let clients keep their share by a cookie that Limen sets, also when weights change. With `by` "
        "that decides for clients that have none yet.",
    )

    @model_validator(mode="after")
    def _shares(self) -> Split:
        names = [share.upstream for share in self.to]
        twin = next((number for number, name in enumerate(names) if name in names[:number]), None)
        if twin is not None:
            raise Refused(f"the upstream {shown(names[twin])} has two shares", "add their weights", at=("to", twin))
        if len(names) > SHARES_MOST:
            raise Refused(f"{len(names)} shares are too many", f"at most {SHARES_MOST}", at="to")
        if not any(share.weight for share in self.to):
            raise Refused("no share has a weight above 0", "give one to a share", at="to")
        return self
