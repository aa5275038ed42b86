"""What a route does about slow, failing and untested origins: retries, times, hedges and mirrors."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several, Shorthand, changed
from limen.config.refusal import Refused, shown
from limen.config.scalars import EditableField, Loading, Name, Scalar, choice, duration, optional, size, whole
from limen.config.units import parse_duration, parse_size

CAUSES = ("dial", "reset", "timeout")
_PERCENT = r"^\d{1,3}(\.\d{1,3})?%$"


def _share(value: object, _: Loading) -> float:
    if isinstance(value, str) and re.fullmatch(_PERCENT, value):
        part = float(value[:-1]) / 100
    elif isinstance(value, int | float) and not isinstance(value, bool):
        part = float(value)
    else:
        raise Refused(f"expected a share, found {shown(value)}", "write it like 10%")
    if not 0 <= part <= 1:
        raise Refused(f"{shown(value)} is out of range", "from 0% to 100%")
    return part


Share = Annotated[
    float,
    Scalar(
        _share,
        {"anyOf": [{"type": "string", "pattern": _PERCENT}, {"type": "number", "minimum": 0, "maximum": 1}]},
        "share, 0% to 100%",
        lambda part: f"{round(part * 100, 3):g}%",
    ),
]


def _most(value: object, loading: Loading) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 100_000:
            raise Refused(f"{shown(value)} is out of range", "from 1 to 100000, or a share such as 5%")
        return int(value)
    if not isinstance(value, str):
        raise Refused(f"expected a number or a share, found {shown(value)}", "write it like 20 or 5%")
    part = _share(value, loading)
    if part == 0:
        raise Refused("no hedge would ever be made", "leave `hedge` out instead")
    return part


Most = Annotated[
    int | float,
    Scalar(
        _most,
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 100_000}, {"type": "string", "pattern": _PERCENT}]},
        "a number, or a share in %",
        lambda most: f"{round(most * 100, 3):g}%" if isinstance(most, float) else str(most),
    ),
]


def _condition(value: object, _: Loading) -> str | int:
    if isinstance(value, str) and value in CAUSES:
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
        return int(value)
    raise Refused(f"{shown(value)} is no condition", "use dial, reset, timeout or a status from 400 to 599")


Condition = Annotated[
    str | int,
    Scalar(
        _condition,
        {"anyOf": [{"enum": [*CAUSES]}, {"type": "integer", "minimum": 400, "maximum": 599}]},
        "`dial`, `reset`, `timeout` or a status, 400 to 599",
    ),
]


class Budget(Section):
    """How many exchanges may be in a retry at a time, so that retries do not bury what ails."""

    share: Share = Field(
        default=0.2, description="Of the exchanges that the upstream is working on, all workers together."
    )
    least: Annotated[int, whole(0, 100_000)] = Field(
        default=10,
        description="Retries that may be under way per upstream, all workers together, whatever the share says.",
    )
    wait: Annotated[float, duration("0s", "1m")] = Field(
        default=parse_duration("1s"),
        description="How long a request that got no answer waits for the budget before it is given up. An answer that "
        "could be retried does not wait: it is passed on.",
    )


class Backoff(Section):
    """Pauses before retries, drawn evenly between zero and a bound that doubles (full jitter)."""

    base: Annotated[float, duration("0s", "1m")] = Field(
        default=parse_duration("25ms"), description="The bound of the first pause; `0s` for no pauses."
    )
    most: Annotated[float, duration("0s", "5m")] = Field(
        default=parse_duration("250ms"), description="The largest bound."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Backoff:
        if self.base > self.most:
            raise Refused("`base` is larger than `most`", "the bound only grows", at="base")
        return self


class Retry(Section):
    """When a request is sent again to another endpoint (or by a new connection), before any response was passed on."""

    attempts: Annotated[int, whole(0, 10)] = Field(
        default=2, description="Further attempts after the first one; 0 turns retries off."
    )
    on: Annotated[tuple[Condition, ...], Several(single=True)] = Field(
        default=("dial", "reset"),
        description="After what: `dial` (no connection, so that the request never left), `reset` (the connection ended "
        "before an answer), `timeout` (no answer in time), or an answer with one of these statuses, such as `503`. "
        "Without it `dial` and `reset`, with `per_try` also `timeout`. One or a list.",
    )
    methods: Annotated[str, choice("safe", "idempotent", "any")] = Field(
        default="safe",
        description="Which requests: `safe` (GET, HEAD, OPTIONS, TRACE), `idempotent` (also PUT and DELETE), or `any`, "
        "which may do things twice. A request that certainly never reached an origin is retried whatever its method.",
    )
    per_try: Annotated[float, duration("10ms", "24h")] | None = Field(
        default=None,
        description="How long one attempt may take, from its beginning to the head of the response; the time that the "
        "client takes to send its content does not count. Without it the times of dial, handshake and response alone.",
    )
    budget: Annotated[Budget, Shorthand("share")] = Field(
        default_factory=Budget, description="How many retries at a time; a share, or a section."
    )
    backoff: Annotated[Backoff, Shorthand("base")] = Field(
        default_factory=Backoff,
        description="Pauses before retries. The first retry goes at once if the upstream has another endpoint.",
    )
    memory: Annotated[int, size("0B", "16MiB")] = Field(
        default=parse_size("64KiB"),
        description="Bytes of a request body kept in memory for a retry; never more than `max`.",
    )
    max: Annotated[int, size("0B", "1GiB")] = Field(
        default=parse_size("1MiB"),
        description="Bytes of a request body kept for a retry in all; beyond `memory` in a spool file. A request with "
        "a larger body is not retried.",
    )

    @property
    def conditions(self) -> tuple[str | int, ...]:
        """What `on` means, with what `per_try` adds."""
        return self.on if self.per_try is None or changed(self, "on") else (*self.on, "timeout")

    @model_validator(mode="after")
    def _memory_within_max(self) -> Retry:
        if self.memory > self.max and changed(self, "memory"):
            raise Refused("`memory` is larger than `max`", "memory is the first part of max", at="memory")
        return self


class Deadline(Section):
    """Telling the origin how much time is left."""

    field: EditableField = Field(
        default="X-Request-Timeout-Ms",
        description="Name of the field. One that the client sends shortens the exchange's time, never lengthens it, "
        "and is replaced.",
    )
    form: Annotated[str, choice("milliseconds", "grpc")] = Field(
        default="milliseconds",
        description="`milliseconds`: a plain number; `grpc`: with a unit, as `grpc-timeout` has it. Always the time "
        "that is left, since clocks differ.",
    )


class RouteTimeouts(Section):
    """How long a route waits for its origin."""

    response: Annotated[float, duration("10ms", "24h")] = Field(
        default=parse_duration("60s"),
        description="From the request being sent until the head of the response (504 beyond).",
    )
    stall: Annotated[float, duration("10ms", "24h")] = Field(
        default=parse_duration("60s"),
        description="How long the origin may send nothing of a response, or take nothing of a request.",
    )
    total: Annotated[float | None, optional(duration("10ms", "24h"))] = Field(
        default=None,
        description="From the head of the request to the end of the response, with all attempts, pauses and hooks: 504 "
        "beyond, or the end of a response that has begun. `none`: streams may last. Tunnels are not bounded by it.",
    )
    deadline: Annotated[Deadline, Shorthand("field")] | None = Field(
        default=None,
        description="Tell origins the time left of `total` (and of the attempt, if `retry.per_try` is shorter).",
    )

    @model_validator(mode="after")
    def _has_deadline(self) -> RouteTimeouts:
        if self.deadline is not None and self.total is None:
            raise Refused("`deadline` tells of a `total` that is not there", "give `total`", at="deadline")
        return self


class Mirror(Section):
    """Copies of requests for another upstream; their answers are thrown away, and nobody waits for them."""

    upstream: Name = Field(description="Where the copies go, by name.")
    share: Share = Field(default=1.0, description="Of the requests of this route, drawn by chance.")
    most: Annotated[int, whole(1, 100_000)] = Field(
        default=100, description="Copies under way at a time, per worker; further ones are not made, but counted."
    )
    field: EditableField = Field(
        default="X-Mirrored",
        description="Name of a field with the value 1 in each copy. One that the client sends is removed.",
    )


class Hedge(Section):
    """A second attempt beside the first one, if that is slow: the first answer counts, the other attempt is ended."""

    after: Annotated[float, duration("1ms", "10m")] = Field(
        description="After how much time without the head of a response. Only for requests with a safe method and no "
        "content, where the upstream has another endpoint, and within `retry.budget`."
    )
    most: Most | None = Field(
        default=None,
        description="Hedges under way at the upstream at a time, all workers together: a number, or a share of the "
        "exchanges that it is working on (one is always allowed). Further ones are not made, but counted. Without it "
        "the budget alone.",
    )
