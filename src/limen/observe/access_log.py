"""The access log's settings, and the journal that a worker writes it with.

Imports the engine: for workers only. docs/access_log.md describes the records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from limen.engine.journal import Journal
from limen.faults import FaultNumber, labels
from limen.observe.discretion import Discretion
from limen.terms import RetryBlocked

REFUSALS = (
    FaultNumber.CLIENT_DENIED,
    FaultNumber.CLIENT_CONNECTIONS,
    FaultNumber.LISTENER_CONNECTIONS,
    FaultNumber.DENIED,
    FaultNumber.TARGET_ADDRESS,
    FaultNumber.LOOP,
    FaultNumber.IDENTITY,
    FaultNumber.SOCKS_METHOD,
    FaultNumber.CLIENT_CERTIFICATE,
    FaultNumber.TLS_REFUSED,
    FaultNumber.FRONTING,
    FaultNumber.LIMIT_RATE,
    FaultNumber.LIMIT_CONCURRENT,
    FaultNumber.QUOTA,
    FaultNumber.REVOKED,
    FaultNumber.KILLED,
    FaultNumber.IDENTITY_REVOKED,
)
"""What policy refuses or ends: the faults that the audit log takes."""


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Where the access log goes and what is in it."""

    path: str  # "-": standard output
    format: Literal["json", "combined", "common"] = "json"
    tls: bool = False  # write what is known of the client's TLS
    ja4: bool = False  # write the fingerprint of its hello
    place: bool = False  # write where it is
    query: bool = False  # write query strings, of targets and referers
    discretion: Discretion = field(default_factory=Discretion)  # what is told of clients
    wanted: tuple[int, ...] = ()  # of an audit log: the faults whose records it takes
    flush: float = 1.0  # seconds after which a buffered record is written at the latest; the worker's timer

    def open(self) -> Journal:
        """A journal with the labels of faults and retry reasons. OSError if the file cannot be opened."""
        return Journal(
            self.path,
            format=self.format,
            query=self.query,
            tls=self.tls,
            ja4=self.ja4,
            place=self.place,
            concealment=self.discretion.concealment,
            faults=[label.encode() for label in labels()],
            reasons=[reason.label.encode() for reason in RetryBlocked],
            wanted=self.wanted,
        )
