"""The check that `limen check` adds for ciphers and groups: the libssl in use knows them.

It loads what workers load, so the supervisor itself does not make it: there the workers refuse what nothing is left of.
"""

from __future__ import annotations

from collections.abc import Iterator

from limen.config import Config
from limen.config.findings import Finding
from limen.config.models.tls import ListenerTls
from limen.config.tls import is_suite

_UNKNOWN = "is not known to the OpenSSL in use"
_CIPHERS_HINT = "see `openssl ciphers`; `limen --version` tells which OpenSSL it is"
_GROUPS_HINT = "write names such as X25519 or secp384r1; `limen --version` tells which OpenSSL it is"


def known_tls_words(config: Config) -> Iterator[Finding]:
    """A finding for each cipher and group that libssl does not know; a warning where it would go on without."""
    for number, listener in enumerate(config.listeners):
        if listener.tls is not None:
            yield from _ciphers(("listeners", number, "tls", "ciphers"), listener.tls)
            yield from _groups(("listeners", number, "tls", "groups"), listener.tls)


def _ciphers(path: tuple[str | int, ...], tls: ListenerTls) -> Iterator[Finding]:
    named = tls.ciphers or ()
    unknown = [place for place, name in enumerate(named) if not _takes(**{_kind(name): name})]
    known = {_kind(name) for place, name in enumerate(named) if place not in unknown}
    for place in unknown:
        # libssl passes over one that it does not know, unless none is left
        yield Finding((*path, place), f"{named[place]} {_UNKNOWN}", _CIPHERS_HINT, warning=_kind(named[place]) in known)


def _groups(path: tuple[str | int, ...], tls: ListenerTls) -> Iterator[Finding]:
    for place, name in enumerate(tls.groups or ()):
        if not _takes(groups=name):
            yield Finding((*path, place), f"{name} {_UNKNOWN}", _GROUPS_HINT)


def _kind(cipher: str) -> str:
    return "suites" if is_suite(cipher) else "ciphers"


def _takes(*, ciphers: str = "", suites: str = "", groups: str = "") -> bool:
    from limen.engine.tls.contexts import ServerContext

    try:
        ServerContext(certificates=(), names={}, default=(), ciphers=ciphers, suites=suites, groups=groups)
    except ValueError:
        return False
    return True
