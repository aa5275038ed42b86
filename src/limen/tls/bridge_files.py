"""The files that bridging names, looked at before a configuration is put in force."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from limen.config.findings import Finding
from limen.errors import ConfigError

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.bridge import Bridge, BridgeAuthority
    from limen.config.positions import Path

SOON = 30 * 86400.0
"""Seconds before the end of an authority in which its clients should be given another one."""


def authorities_of(config: Config) -> tuple[BridgeAuthority, ...]:
    """The authorities of all bridging listeners, each once."""
    found = [
        listener.forward.bridge.authority
        for listener in config.listeners
        if listener.forward is not None and listener.forward.bridge is not None
    ]
    return tuple({authority.certificate: authority for authority in found}.values())


def bridge_findings(config: Config) -> Iterator[Finding]:
    """What is wrong with the authorities of bridging listeners, and with those that origins must come from."""
    for number, listener in enumerate(config.listeners):
        if listener.forward is not None and listener.forward.bridge is not None:
            yield from _findings(listener.forward.bridge, ("listeners", number, "forward", "bridge"))


def _findings(bridge: Bridge, path: Path) -> Iterator[Finding]:
    # Only a configuration that bridges loads the library.
    from limen.tls.authority import Authority, certificate_of, read_file, read_key

    if bridge.tls.ca is not None:
        try:
            certificate_of(read_file(FilePath(bridge.tls.ca)))
        except ConfigError as error:
            message = error.message.replace("the authority's certificate", bridge.tls.ca)
            yield Finding((*path, "tls", "ca"), message, "name a PEM file of authorities")
    contents = []
    for key, name, read in (
        ("certificate", bridge.authority.certificate, read_file),
        ("key", bridge.authority.key, read_key),
    ):
        try:
            contents.append(read(FilePath(name)))
        except ConfigError as error:
            hint = error.hint or "`limen ca create` makes an authority"
            yield Finding((*path, "authority", key), error.message, hint)
    if len(contents) < 2:
        return
    try:
        authority = Authority.load(*contents)
    except ConfigError as error:
        yield Finding((*path, "authority"), error.message, error.hint)
        return
    left = authority.not_after - time.time()
    if left < SOON:
        message = f"the authority ends in {int(left // 86400)} days, and its leaves with it"
        hint = "make a new one and have clients trust it in time"
        yield Finding((*path, "authority", "certificate"), message, hint, warning=True)
