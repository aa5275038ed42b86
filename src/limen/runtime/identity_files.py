"""The files that identities name, read once by the supervisor for all workers, and again when they change."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from limen.config.findings import Finding
from limen.policy.identity.keytabs import keys_of, realms_of
from limen.policy.identity.passwords import FileRefused, parse_passwords
from limen.policy.identity.tokens import parse_tokens
from limen.tls.signatures import Signature, signature

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.identities import Negotiate, Provider

LARGEST = 64 * 1024 * 1024
"""Bytes of a file at most."""
EXTRAS = {"ldap": ("ldap3", "ldap"), "negotiate": ("gssapi", "kerberos")}
"""Keys that need a package which not everybody has: its name, and that of our extra."""


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """What they hold, and how they looked when they were read."""

    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    files: Mapping[str, Signature | None] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    stale: frozenset[str] = frozenset()
    """Files that can no longer be used, and for which an earlier content stands in."""


NO_IDENTITY_FILES = IdentityFiles()


def read_identity_files(
    config: Config, before: IdentityFiles = NO_IDENTITY_FILES, *, lenient: bool = False
) -> IdentityFiles:
    """Reads what the configuration names, if it looks different from `before`. With errors among the findings it is
    incomplete; `lenient`: what cannot be used any more is a warning, and what was there before stands in.
    """
    contents: dict[str, bytes] = {}
    files: dict[str, Signature | None] = {}
    findings: list[Finding] = []
    stale: set[str] = set()
    for name, provider in config.identities.items():
        findings += _missing_extras(name, provider)
        for place, path in provider.files:
            files[path] = signature(path)
            old = before.contents.get(path)
            if old is not None and files[path] == before.files.get(path) and path not in before.stale:
                contents[path] = old
                continue
            try:
                contents[path] = _read(path, place[1], provider)
            except (OSError, FileRefused) as error:
                reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
                forgiven = lenient and old is not None
                hint = "what it held before stays in force" if forgiven else ""
                findings.append(Finding(("identities", name, *place), f"{path}: {reason}", hint, warning=forgiven))
                if forgiven and old is not None:
                    contents[path] = old
                    stale.add(path)
    return IdentityFiles(contents, files, tuple(findings), frozenset(stale))


def _missing_extras(name: str, provider: Provider) -> Iterator[Finding]:
    for key, (library, extra) in EXTRAS.items():
        if getattr(provider, key) is not None and importlib.util.find_spec(library) is None:
            hint = f"pip install 'limen[{extra}]'"
            yield Finding(("identities", name, key), f"`{key}` needs the package {library}", hint)


def _read(path: str, kind: str, provider: Provider) -> bytes:
    """The content, if it is right."""
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    if len(content) > LARGEST:
        raise FileRefused("larger than 64 MiB")
    if kind == "file":
        # which hash stands in for nobody's does not matter here
        parse_passwords(content, {"bcrypt": ""})
    elif kind == "tokens":
        parse_tokens(content)
    elif kind == "keytab" and provider.negotiate is not None:
        _expect_keytab(content, mode, provider.negotiate)
    else:
        _expect_keys(content)
    return content


def _expect_keytab(content: bytes, mode: int, model: Negotiate) -> None:
    if mode & 0o027:
        raise FileRefused(f"others may use the keys in it (mode {mode:04o})")
    realms = realms_of(keys_of(content, model.service), model.realms)
    if model.strip_realm and len(realms) > 1:
        raise FileRefused(f"names of several realms would be one: {', '.join(sorted(realms))}")


def _expect_keys(content: bytes) -> None:
    try:
        read = json.loads(content)
    except ValueError as error:
        raise FileRefused(f"no JSON: {error}") from None
    keys = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) and isinstance(key.get("kty"), str) for key in keys):
        raise FileRefused("no JSON Web Key Set (RFC 7517)")
