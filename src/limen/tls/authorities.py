"""Authorities and revocation lists: files that libssl reads itself, looked through before it does."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with such a file; a warning forbids nothing."""

    message: str
    hint: str = ""
    warning: bool = False


def _loaded(content: bytes) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        # of old roots, as systems ship them: libssl takes them, and nobody here can mend them
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_pem_x509_certificates(content)


def authorities_troubles(content: bytes) -> Iterator[Trouble]:
    """Of a file with authorities."""
    try:
        found = _loaded(content)
    except ValueError:
        hint = "convert it: openssl x509 -inform der -in FILE" if content[:1] == b"\x30" else ""
        yield Trouble("holds no certificate in PEM form", hint)
        return
    now = time.time()
    expired = [one for one in found if one.not_valid_after_utc.timestamp() <= now]
    if expired:
        names = expired[0].subject.rfc4514_string()
        more = f" and {len(expired) - 1} more" if len(expired) > 1 else ""
        yield Trouble(f"holds an expired authority: {names}{more}", "what it issued is refused", warning=True)
    subjects = {one.subject for one in found}
    orphan = next((one for one in found if one.issuer not in subjects), None)
    if orphan is not None:
        # libssl believes a chain only if it ends in a root
        names, missing = orphan.subject.rfc4514_string(), orphan.issuer.rfc4514_string()
        hint = "add that one: what the first issued is refused without it"
        yield Trouble(f"{names} was issued by {missing}, which is not in the file", hint, warning=True)


def revocation_troubles(content: bytes, authorities: bytes) -> Iterator[Trouble]:
    """Of a file with revocation lists of these authorities."""
    lists = []
    for found in _LIST.findall(content):
        try:
            lists.append(x509.load_pem_x509_crl(found))
        except ValueError as error:
            yield Trouble(f"holds a revocation list that cannot be read: {error}")
            return
    if not lists:
        hint = "convert it: openssl crl -inform der -in FILE" if content[:1] == b"\x30" else ""
        yield Trouble("holds no revocation list in PEM form", hint)
        return
    now = time.time()
    for one in lists:
        until = one.next_update_utc
        if until is not None and until.timestamp() <= now:
            name = one.issuer.rfc4514_string()
            yield Trouble(f"the list of {name} has run out: its clients are refused", "renew it", warning=True)
    try:
        subjects = [one.subject for one in _loaded(authorities)]
    except ValueError:
        # told of by the other file
        return
    issuers = [one.issuer for one in lists]
    for subject in subjects:
        if subject not in issuers:
            name = subject.rfc4514_string()
            yield Trouble(f"holds no list of {name}: its clients are refused", "add it", warning=True)
