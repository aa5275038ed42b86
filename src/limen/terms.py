"""The shared vocabulary as code: enums whose members mean the same in configuration, engine, logs and docs.

It imports nothing of Limen, so everything may import it. Numbers that compiled code uses too are
repeated in engine/types.pxd and engine/journal.pxd; tests hold them together.
"""

from __future__ import annotations

import enum


class Direction(enum.StrEnum):
    """Where a listener's target comes from: the request (forward) or the configuration (reverse)."""

    FORWARD = "forward"
    REVERSE = "reverse"


class Phase(enum.StrEnum):
    """The steps of an exchange, in their order; TUNNEL and ERROR lie beside the line."""

    ACCEPT = "accept"
    REQUEST = "request"
    ROUTE = "route"
    ACCESS = "access"
    LOOKUP = "lookup"
    EGRESS = "egress"
    FORWARD = "forward"
    RESPONSE = "response"
    REPLY = "reply"
    LOG = "log"
    TUNNEL = "tunnel"
    ERROR = "error"


class Side(enum.StrEnum):
    """Whose failure a fault is."""

    CLIENT = "client"
    ORIGIN = "origin"
    INTERNAL = "internal"


class Retry(enum.StrEnum):
    """Whether a request may be sent again after a fault; attempts, budget and the kept body bound it further."""

    NEVER = "never"
    #: If the route's `retry.methods` covers the method: the origin may have acted on it already.
    IDEMPOTENT = "idempotent"
    #: As IDEMPOTENT, and only if the connection came from the pool.
    REUSED = "reused"
    #: Whatever the method: the origin has seen nothing of the request.
    ALWAYS = "always"


class RetryBlocked(enum.IntEnum):
    """Why a failed attempt was not repeated, as the access log says it (engine/journal.pxd)."""

    NOT_BLOCKED = 0
    ATTEMPTS = 1
    METHOD = 2
    BODY = 3
    BUDGET = 4
    ANSWERED = 5
    NO_ENDPOINT = 6
    FAULT = 7
    CLIENT_CLOSED = 8
    DEADLINE = 9

    @property
    def label(self) -> str:
        """The word in the log; empty for NOT_BLOCKED."""
        return self.name.lower() if self else ""


class Verdict(enum.StrEnum):
    """What rules or a hook decide about an exchange."""

    CONTINUE = "continue"
    REPLY = "reply"
    DENY = "deny"
    TUNNEL = "tunnel"
    CLOSE = "close"


class Method(enum.IntEnum):
    """Request methods that the engine knows by number (engine/types.pxd); OTHER is every other token."""

    OTHER = 0
    GET = 1
    HEAD = 2
    POST = 3
    PUT = 4
    DELETE = 5
    CONNECT = 6
    OPTIONS = 7
    TRACE = 8
    PATCH = 9


#: RFC 9110, 9.2.1 and 9.2.2: without effect that the client asks for; repeatable with the same effect.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}
