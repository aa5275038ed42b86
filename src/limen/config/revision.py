"""A revision: one checked configuration with its number, the identity of its content, and the text it came from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from limen.config.models.root import Config


def digest_of(config: Config) -> str:
    """64 hexadecimal digits that are equal for configurations of equal content, however they are written.

    Comments, order of keys, anchors, shorthands and spelled-out defaults make no difference; the order of routes does.
    """
    content = json.dumps(config.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Revision:
    """A configuration in force, or about to be; numbers count from 1 over the life of a supervisor."""

    number: int
    config: Config
    digest: str
    source: str = field(repr=False, default="")
    """The text as written, secrets not filled in; empty for a configuration made in Python."""

    @classmethod
    def of(cls, number: int, config: Config, source: str = "") -> Revision:
        """The revision of a configuration, with its digest computed."""
        return cls(number, config, digest_of(config), source)
