"""One revision as the supervisor hands it to its workers: the checked configuration and what only it knows.

The workers are our own children on a private socketpair, so pickle is a fair format here: it keeps the typed models
as they are, with secrets already read by the supervisor.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config import Config


@dataclass(frozen=True, slots=True)
class ListenerPlace:
    """Where a configured listener is: its key on the channel and the address it is really bound to."""

    key: str
    index: int
    """Position in `config.listeners`."""
    address: str
    """As bound: `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`; the port is the chosen one when 0 was configured."""


@dataclass(frozen=True, slots=True)
class Revision:
    """An immutable checked configuration with a number that grows by one per reload."""

    number: int
    config: Config
    listeners: tuple[ListenerPlace, ...]
    slots: Mapping[str, Mapping[str, int]]
    """Kind (listener, route, upstream, endpoint) to name to number on the board; see limen.runtime.slots."""
    own_addresses: tuple[str, ...]
    """`host:port` of every listener and of the admin address: never a target of a forward proxy."""
    base: str
    """Directory of the configuration file: hooks are imported from there too, relative paths begin there."""
    digest: str
    """Twelve hexadecimal digits of limen.config.revision.digest_of: equal wherever the same content runs."""


def encode(revision: Revision) -> bytes:
    """The payload of a `prepare` message."""
    return pickle.dumps(revision, protocol=pickle.HIGHEST_PROTOCOL)


def decode(payload: bytes) -> Revision:
    """Reverses `encode`; raises TypeError when the payload is something else."""
    revision = pickle.loads(payload)  # noqa: S301 - written by our own supervisor on a private socketpair
    if not isinstance(revision, Revision):
        raise TypeError(f"payload holds a {type(revision).__name__}, not a Revision")
    return revision
