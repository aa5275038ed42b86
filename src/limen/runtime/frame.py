"""What services of every kind have: the bounds, times and clients of their listener."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

from limen.engine.addresses import AddressSet
from limen.runtime.guards import address_set
from limen.runtime.pages import compile_pages

if TYPE_CHECKING:
    from limen.config.models.limits import Limits
    from limen.config.models.listeners import Listener
    from limen.engine.pages import Pages
    from limen.engine.tls.contexts import ServerContext
    from limen.engine.tls.passes import PassTable
    from limen.runtime.guards import Lists


class Frame(TypedDict):
    """Arguments of Service that listeners of every kind have."""

    slot: int
    unrouted: int
    port: int
    trusted: AddressSet | None
    preface_from: AddressSet | None
    line: int
    fields: int
    count: int
    trailers: int
    underscores: bool
    head_timeout: float
    idle_timeout: float
    body_timeout: float
    tunnel_idle: float
    tunnel_half: float
    tunnel_life: float
    dial_timeout: NotRequired[float]
    min_rate: int
    min_rate_after: float
    allow: AddressSet | None
    deny: AddressSet | None
    connections_most: int
    pages: Pages | None
    per_client: int
    per_client_loopback: bool
    via: str
    id_field: str
    id_trust: bool
    logged: bool
    scheme: NotRequired[str]
    tls: NotRequired[ServerContext]
    passes: NotRequired[PassTable]
    opened: NotRequired[int]
    asks_ja4: NotRequired[bool]
    add_certificate: NotRequired[bool]
    handshake_timeout: NotRequired[float]


def frame_of(listener: Listener, limits: Limits, lists: Lists, *, slots: tuple[int, int], port: int) -> Frame:
    """Of a listener at `port`; `slots` on the board are its own and that of what no route takes."""
    own_cap = listener.per_client is not None
    per_client = listener.per_client if own_cap else limits.per_client
    preface = listener.proxy_protocol
    return {
        "slot": slots[0],
        "unrouted": slots[1],
        "port": port,
        "trusted": AddressSet(list(listener.trusted)) if listener.trusted else None,
        "preface_from": AddressSet(list(preface.from_)) if preface is not None else None,
        "line": listener.head.line,
        "fields": listener.head.fields,
        "count": listener.head.count,
        "trailers": listener.head.trailers,
        "underscores": listener.head.underscores,
        "head_timeout": listener.timeouts.head,
        "idle_timeout": listener.timeouts.idle,
        "body_timeout": listener.timeouts.body,
        "tunnel_idle": listener.timeouts.tunnel_idle,
        "tunnel_half": listener.timeouts.tunnel_half_closed,
        "tunnel_life": listener.timeouts.tunnel_life,
        "min_rate": listener.min_rate.bytes if listener.min_rate is not None else 0,
        "min_rate_after": listener.min_rate.after if listener.min_rate is not None else 10.0,
        "allow": address_set(listener.allow, lists),
        "deny": address_set(listener.deny, lists),
        "pages": compile_pages(listener.errors),
        "connections_most": listener.connections or 0,
        "per_client": per_client or 0,
        "per_client_loopback": own_cap or "per_client" in limits.model_fields_set,
        "via": listener.via or "",
        "id_field": listener.request_id.field if listener.request_id is not None else "",
        "logged": listener.log,
        "id_trust": listener.request_id.trust if listener.request_id is not None else False,
    }
