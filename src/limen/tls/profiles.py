"""Profiles: versions, ciphers, suites and groups of a listener, after Mozilla's Server Side TLS, version 6.0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.config.tls import is_suite

if TYPE_CHECKING:
    from limen.config.models.tls import ListenerTls

VERSIONS = {"1.2": 0x0303, "1.3": 0x0304}

# https://data.tlsref.org/guidelines/6.0.json: forward secrecy and authenticated encryption only. No order is imposed:
# clients know better whether their hardware has AES.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
HYBRID_GROUP = "X25519MLKEM768"
"""Safe against quantum computers of the future; libssl knows it from 3.5 on."""
GROUPS = (HYBRID_GROUP, "X25519", "prime256v1", "secp384r1")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a listener agrees to, in libssl's words."""

    minimum: int
    ciphers: str
    suites: str
    groups: tuple[str, ...]
    """Lists to try in this order: an older libssl refuses a list with a group that it does not know."""


INTERMEDIATE = Terms(VERSIONS["1.2"], ":".join(CIPHERS), ":".join(SUITES), (":".join(GROUPS), ":".join(GROUPS[1:])))
"""The profile of listeners that say nothing."""


def terms_of(tls: ListenerTls) -> Terms:
    """The profile, with what the listener says itself in its place."""
    oldest = tls.minimum or ("1.3" if tls.profile == "modern" else "1.2")
    named = tls.ciphers or ()
    ciphers = tuple(name for name in named if not is_suite(name)) or CIPHERS
    suites = tuple(name for name in named if is_suite(name)) or SUITES
    groups = (":".join(tls.groups),) if tls.groups else INTERMEDIATE.groups
    return Terms(VERSIONS[oldest], ":".join(ciphers), ":".join(suites), groups)
