"""Credentials from the field that carries them (RFC 9110, 11.4), strictly: what is malformed is like a wrong password.

Basic is RFC 7617: base64 of `name:password`, where only the password may hold colons. UTF-8 is what we ask for; what is
no UTF-8 is read as Latin-1, which older clients send.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

from limen.exchange.identity import Credentials, ShownCertificate

NEGOTIATE = b"negotiate"
LONGEST_NAME = 256
"""Characters; a longer one is nobody's."""
LONGEST_PASSWORD = 1024
"""Bytes: hashing a longer one is work for nothing."""
LONGEST_TOKEN = 16384
"""Bytes. A signed token with many groups takes a few thousand."""

LONGEST_TICKET = 65536
"""Bytes of base64 after `Negotiate`. A ticket of Active Directory with many groups takes up to 48 KB."""

_TOKEN68 = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parse_field(value: bytes, certificate: ShownCertificate | None = None) -> Credentials | None:
    """The credentials of a field; None if they are malformed."""
    scheme, _, rest = value.strip(b" \t").partition(b" ")
    rest = rest.strip(b" \t")
    if scheme.lower() == b"basic":
        return _basic(rest, certificate)
    if scheme.lower() == NEGOTIATE:
        if len(rest) > LONGEST_TICKET or not _TOKEN68.fullmatch(rest):
            return None
        return Credentials("negotiate", token=rest.decode("ascii"), certificate=certificate)
    if not rest or len(rest) > LONGEST_TOKEN:
        return None
    if scheme.lower() == b"bearer":
        if not _TOKEN68.fullmatch(rest):
            return None
        return Credentials("bearer", token=rest.decode("ascii"), certificate=certificate)
    return Credentials(scheme.decode("latin-1").lower(), token=rest.decode("latin-1"), certificate=certificate)


def is_good_once(value: bytes | None) -> bool:
    """Whether the credentials of a field are good for once only: each use has to be verified."""
    return value is not None and value.lstrip(b" \t")[: len(NEGOTIATE)].lower() == NEGOTIATE


def parse_pair(name: bytes, password: bytes, certificate: ShownCertificate | None = None) -> Credentials | None:
    """The same of a name and a password that came otherwise."""
    # nothing to see by when it is compared: the length is the client's own
    if len(password) > LONGEST_PASSWORD:
        return None
    text = _text(name)
    if not text or len(text) > LONGEST_NAME or _CONTROL.search(text):
        return None
    return Credentials("basic", unicodedata.normalize("NFC", text), password=_text(password), certificate=certificate)


def _basic(encoded: bytes, certificate: ShownCertificate | None) -> Credentials | None:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(b":")
    return parse_pair(name, password, certificate) if colon else None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
