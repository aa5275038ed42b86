"""What proxies take off the fields that tell one client from another."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from limen.config.models.section import Section
from limen.config.scalars import FieldValue, Flag, choice


class Scrub(Section):
    """Of requests whose fields the proxy sees (plain and bridged), and of the responses to them."""

    user_agent: FieldValue | None = Field(
        default=None, description="In the place of the client's User-Agent; an empty text for none at all."
    )
    language: FieldValue | None = Field(
        default=None, description="In the place of the client's Accept-Language; an empty text for none at all."
    )
    referer: Annotated[str, choice("keep", "third_party", "origin", "drop")] = Field(
        default="keep",
        description="`third_party`: no Referer where another site's page makes the request; `origin`: only scheme, "
        "host and port of it; `drop`: none.",
    )
    cookies: Annotated[str, choice("keep", "third_party", "drop")] = Field(
        default="keep",
        description="`third_party`: no Cookie and no Set-Cookie where another site's page makes the request; `drop`: "
        "none at all.",
    )
    validators: Flag = Field(
        default=False,
        description="Drop ETag and Last-Modified, with which clients can be told apart, and the conditions of GET and "
        "HEAD on them. Caches of clients then fetch more.",
    )
    hints: Flag = Field(
        default=False, description="Drop client hints (`Sec-CH-*`, `DPR` and the like), and what asks for them."
    )
    signal: Flag = Field(default=False, description="Say that the user objects: `Sec-GPC: 1` and `DNT: 1`.")
