"""Logs: what happened to Limen itself, and the access log of exchanges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Shorthand, changed
from limen.config.refusal import Refused
from limen.config.scalars import FilePath, Flag, choice, duration
from limen.config.units import parse_duration


class AccessLog(Section):
    """One line per exchange."""

    path: FilePath = Field(
        description="File that lines are appended to, relative to the configuration file; `-` is standard output. "
        "After a rename (log rotation) a reload opens it anew."
    )
    format: Annotated[str, choice("json", "combined")] = Field(
        default="json", description="`json` objects, one per line, or the `combined` format of Apache and nginx."
    )
    query: Flag = Field(
        default=False, description="Whether query strings are logged; they often hold what should not be kept."
    )
    tls: Flag = Field(
        default=False,
        description="Whether the client's TLS is logged: version, cipher, server name (SNI), resumption, and subject "
        "and SHA-256 fingerprint of a certificate it has shown. Only in `json`.",
    )
    ja4: Flag = Field(
        default=False, description="Whether the JA4 fingerprint of the client hello is logged. Only in `json`."
    )
    place: Flag = Field(
        default=False,
        description="Whether the client's place is logged, as `places` tell it: country, continent, autonomous system "
        "and region. Only in `json`.",
    )
    flush: Annotated[float, duration("10ms", "1m")] = Field(
        default=parse_duration("1s"), description="Lines are written together, at the latest after this time."
    )

    @model_validator(mode="after")
    def _has_room(self) -> AccessLog:
        for key in changed(self, "tls", "ja4", "place"):
            if self.format != "json":
                raise Refused(f"`{key}` has no place in the format {self.format}", "use `format: json`", at=key)
        return self


class Privacy(Section):
    """How much logs tell of clients and of where they go. Pseudonyms are the same for the same value, in all workers,
    until the period is over; without the key, which is only in memory, nothing leads back from them.
    """

    clients: Annotated[str, choice("full", "network", "pseudonym", "none")] = Field(
        default="full",
        description="Addresses of clients: `full`, their `network` (the first 24 bits, of IPv6 48), a `pseudonym`, or "
        "`none`.",
    )
    users: Annotated[str, choice("full", "pseudonym", "none")] = Field(
        default="full", description="Names of identities, and what certificates of clients say."
    )
    targets: Annotated[str, choice("full", "host", "pseudonym", "none")] = Field(
        default="full",
        description="Where clients go: `full`, only the `host`, a `pseudonym` of it, or `none`. All but `full` leave "
        "out path, query and Referer.",
    )
    rotate: Annotated[float, duration("1m", "400d")] = Field(
        default=parse_duration("24h"), description="After this time everybody has another pseudonym."
    )


class AuditLog(Section):
    """One JSON line per exchange that policy refused, in the form of the access log."""

    path: FilePath = Field(
        description="File that lines are appended to, relative to the configuration file. After a rename (log "
        "rotation) a reload opens it anew."
    )
    query: Flag = Field(default=False, description="Whether query strings are logged.")


class Log(Section):
    """What is logged, and where."""

    level: Annotated[str, choice("debug", "info", "warning", "error")] = Field(
        default="info", description="Least severity of events, which go to standard error."
    )
    access: Annotated[AccessLog, Shorthand("path")] | None = Field(
        default=None, description="The access log; a plain string is its path. None by default."
    )
    privacy: Privacy = Field(
        default_factory=Privacy, description="How much the logs tell of clients and of where they go."
    )
    audit: Annotated[AuditLog, Shorthand("path")] | None = Field(
        default=None,
        description="The audit log of what rules, limits and quotas refused or ended; a plain string is its path. "
        "Independent of `access`. None by default.",
    )
    talkers: Flag = Field(
        default=False,
        description="Keep count of the clients and targets with most bytes, exchanges and refusals, over the last five "
        "minutes, hour and day, for `limen talkers` and the admin page: in memory only, about 10 MB for each worker. "
        "`privacy` holds for it, and listeners with `log: false` are left out.",
    )
    tls_keys: FilePath | None = Field(
        default=None,
        description="Appends the secrets of every TLS connection to this file (mode 0600), in the format that "
        "Wireshark reads (SSLKEYLOGFILE): for debugging only, since whoever has it can read what was sent. None by "
        "default.",
    )
