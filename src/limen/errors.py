"""The exception tree: what Limen's Python code raises, one shallow tree under LimenError.

The compiled engine raises none of these: it knows fault numbers, which `limen.faults` maps to the same properties.
This module imports nothing of Limen, so that every layer may raise and catch from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

Side = Literal["client", "origin", "internal"]
"""Whose doing a failure was: the client's, the origin's (or the network towards it), or our own."""

Retry = Literal["never", "idempotent", "reused", "always"]
"""May the exchange be tried again: never, idempotent requests only, on a reused connection only, always."""


class LimenError(Exception):
    """Base of everything Limen raises on purpose; catching it catches all of them and nothing else."""


class ConfigError(LimenError):
    """One problem of a configuration, with its place and the mend.

    `line` and `column` count from 1; 0 means that the place is not known (a configuration made in Python).
    `path` names the key as in `listeners[0].routes[1].upstream`; empty for the file as a whole.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        path: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.hint = hint

    @property
    def place(self) -> str:
        """`FILE:LINE:COL`, as editors and terminals can follow it; shorter where less is known."""
        if not self.line:
            return self.file
        return f"{self.file or '<config>'}:{self.line}:{self.column}"

    def __str__(self) -> str:
        head = "".join(f"{part}: " for part in (self.place, self.path) if part)
        return f"{head}{self.message}" + (f"; {self.hint}" if self.hint else "")

    def __repr__(self) -> str:
        return f"ConfigError({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments are lost by the default of Exception; errors travel from workers to the supervisor.
        return (_rebuild, (self.message, self.file, self.line, self.column, self.path, self.hint))


def _rebuild(message: str, file: str, line: int, column: int, path: str, hint: str) -> ConfigError:
    return ConfigError(message, file=file, line=line, column=column, path=path, hint=hint)


class ConfigErrors(LimenError):
    """All problems of one configuration, in the order of the file; `str` gives one per line."""

    SHOWN = 100
    """Lines that `str` prints at most: one mistake repeated in 10,000 routes must not flood a terminal."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.file, error.line, error.column)))
        super().__init__(self.errors)

    def __iter__(self) -> Iterator[ConfigError]:
        return iter(self.errors)

    def __len__(self) -> int:
        return len(self.errors)

    def __str__(self) -> str:
        lines = [str(error) for error in self.errors[: self.SHOWN]]
        if len(self.errors) > self.SHOWN:
            lines.append(f"... and {len(self.errors) - self.SHOWN} more problems")
        return "\n".join(lines)


class ExchangeError(LimenError):
    """Base of what ends or changes one exchange.

    `status` is the response status that fits if no response has begun, `phase` the phase in which it happened
    ("" where unknown), `token` the RFC 9209 Proxy-Status error type ("" for none).
    """

    side: Side = "internal"
    retry: Retry = "never"
    status: int = 500
    token: str = ""

    def __init__(
        self,
        message: str,
        *,
        phase: str = "",
        side: Side | None = None,
        retry: Retry | None = None,
        status: int | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.phase = phase
        if side is not None:
            self.side = side
        if retry is not None:
            self.retry = retry
        if status is not None:
            self.status = status
        if token is not None:
            self.token = token


class ProtocolError(ExchangeError):
    """A peer broke the rules of its protocol; by default the client did, and gets 400."""

    side = "client"
    status = 400
    token = "http_protocol_error"  # noqa: S105 a word of RFC 9209


class NetworkError(ExchangeError):
    """A connection could not be made, broke, or a name did not resolve; by default on the origin's side."""

    side = "origin"
    retry = "idempotent"
    status = 502
    token = "destination_unavailable"  # noqa: S105 a word of RFC 9209


class PolicyDenied(ExchangeError):
    """A rule, limit or hook refused the exchange; not a failure, and never retried."""

    side = "client"
    status = 403
    token = "http_request_denied"  # noqa: S105 a word of RFC 9209


class BodyTooLarge(LimenError):
    """The content is larger than the bound that the hook declared. Not caught, it ends the exchange with 413 (a
    request's content) or 502 (a response's).
    """


class BodyTruncated(LimenError):
    """The origin broke off before the content was whole. Not caught, it ends the exchange with 502."""


class HookError(ExchangeError):
    """A hook raised, took longer than its `hook_timeout`, or answered what its phase does not allow."""

    token = "proxy_internal_error"  # noqa: S105 a word of RFC 9209


class Internal(ExchangeError):
    """A defect of Limen itself; worth a report, with the log line."""

    token = "proxy_internal_error"  # noqa: S105 a word of RFC 9209
