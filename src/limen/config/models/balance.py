"""How an upstream chooses among its endpoints, and who waits while all are full."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several, Shorthand
from limen.config.refusal import Refused
from limen.config.scalars import Name, Text, choice, duration, ratio, whole
from limen.config.units import parse_duration

POLICIES = ("round_robin", "least_requests", "two_choices", "random", "peak_ewma", "hash", "first")
"""Policies by their number in the engine."""
NEAREST = "nearest"


class HashKey(Section):
    """What keeps exchanges at one endpoint."""

    by: Annotated[str, choice("client", "host", "path", "field", "cookie", "query")] = Field(
        default="client",
        description="What decides: the client's `client` address (behind trusted proxies), the `host` or the `path` of "
        "the target, or a `field`, a `cookie` or a parameter of the `query`, each by its `name`. What a request lacks "
        "keeps nothing together: such requests are spread.",
    )
    name: Text | None = Field(
        default=None,
        description="Name of the field, the cookie or the parameter; `query` without a name takes the whole query.",
    )

    @model_validator(mode="after")
    def _named(self) -> HashKey:
        if self.by in ("field", "cookie") and not self.name:
            raise Refused(f"`by: {self.by}` needs a `name`", f"write it like {{by: {self.by}, name: session}}")
        if self.name is not None and self.by not in ("field", "cookie", "query"):
            raise Refused(f"`by: {self.by}` has no name", "leave `name` out", at="name")
        return self


class Balance(Section):
    """How an endpoint is chosen."""

    policy: Annotated[str, choice(*POLICIES, NEAREST)] = Field(
        default="round_robin",
        description="`round_robin`: in turn by weight. `least_requests`: the fewest exchanges in flight per weight, "
        "all workers together. `two_choices`: the better of two drawn by weight. `random`: drawn by weight. "
        "`peak_ewma`: the least of decayed peak response time times exchanges in flight. `hash`: always the same one "
        "for the same key. `first`: in the order written, each up to its `max_requests`. "
        "`nearest`: those nearest to the client by `places`, among them by `then`; less usable, full or none of them: "
        "the next ones (`spill_below`).",
    )
    then: Annotated[str, choice(*POLICIES)] | None = Field(
        default=None, description="Of `nearest`: the policy among endpoints that are equally near; `least_requests`."
    )
    order: dict[Name, Annotated[tuple[Name, ...], Several()]] = Field(
        default_factory=dict,
        description="Of `nearest`: regions in the order to use them, by the region of the client. What is not named "
        "comes after, by distance. Without it: the same zone, the same region, then by distance, if it is known.",
    )
    hash: Annotated[HashKey, Shorthand("by")] | None = Field(
        default=None, description="What `hash` goes by; without it the client's address."
    )
    bound: Annotated[float, ratio(1.05, 10)] | None = Field(
        default=None,
        description="Of `hash`: an endpoint that would have more than so many times the mean load passes the exchange "
        "on to the next one of the table. Without it there is no bound.",
    )
    decay: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("10s"), description="Of `peak_ewma`: how soon a peak of the response time is forgotten."
    )

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, written: Any) -> Any:
        """`{hash: ...}` says which policy it is."""
        if isinstance(written, dict) and written.get("hash") is not None and "policy" not in written:
            return {"policy": "hash", **written}
        return written

    @model_validator(mode="after")
    def _fitting(self) -> Balance:
        if self.policy != NEAREST and self.then is not None:
            raise Refused(f"the policy {self.policy} has no `then`", "only `nearest` has one", at="then")
        if self.policy != NEAREST and self.order:
            raise Refused(f"the policy {self.policy} has no `order`", "only `nearest` has one", at="order")
        for region, order in self.order.items():
            if len(set(order)) != len(order):
                raise Refused("a region stands twice", "name each once", at=("order", region))
        if self.hash is not None and self.among != "hash":
            raise Refused(f"the policy {self.among} has no `hash`", "leave it or the `policy` out", at="hash")
        if self.bound is not None and self.among != "hash":
            raise Refused(f"the policy {self.among} has no `bound`", "only `hash` has one", at="bound")
        if self.decay != parse_duration("10s") and self.among != "peak_ewma":
            raise Refused(f"the policy {self.among} has no `decay`", "only `peak_ewma` has one", at="decay")
        return self

    @property
    def among(self) -> str:
        """The policy among endpoints that are equally near."""
        return (self.then or "least_requests") if self.policy == NEAREST else self.policy


class Queue(Section):
    """Exchanges that wait while all endpoints are full."""

    size: Annotated[int, whole(1, 1_000_000)] = Field(
        default=1000, description="How many may wait, per worker; who comes then is shed: 503 and `Retry-After`."
    )
    timeout: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("5s"), description="How long one waits for a place before it is shed."
    )
