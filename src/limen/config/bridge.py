"""Words of bridging in a configuration: fingerprints, JA4, ALPN, issuers, and where leaves are kept."""

from __future__ import annotations

import re
from typing import Annotated

from limen.config.refusal import Refused, shown
from limen.config.scalars import Loading, Scalar, as_text, choice, file_path

PROBLEMS = (
    "expired",
    "not_yet_valid",
    "untrusted",
    "name_mismatch",
    "revoked",
    "self_signed",
    "client_certificate_wanted",
    "other",
)
"""What can be wrong with an origin's certificate (or with bridging it), one word each."""

STATE = "state"
"""Word for the state directory, in place of a path."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_JA4 = re.compile(r"[a-z0-9_*?]{1,64}", re.ASCII)


def parse_fingerprint(text: str) -> str:
    """SHA-256 of a certificate: 64 hexadecimal digits in lower case; colons, as openssl prints them, are dropped."""
    digits = text.removeprefix("sha256/").replace(":", "").lower()
    if not _FINGERPRINT.fullmatch(digits):
        hint = "write the 64 hexadecimal digits of `openssl x509 -fingerprint -sha256`"
        raise Refused(f"{shown(text)} is not the SHA-256 of a certificate", hint)
    return digits


def parse_ja4(text: str) -> str:
    """A JA4 fingerprint, or a pattern of one with `*` and `?`."""
    if not _JA4.fullmatch(text):
        raise Refused(f"{shown(text)} is not a JA4", "write it like t13d1516h2_8daaf6152771_02713d6af862, or t10*")
    return text


def parse_alpn(text: str) -> str:
    """The identifier of a protocol in ALPN (RFC 7301)."""
    if not text or len(text) > 255 or not text.isascii() or not text.isprintable():
        raise Refused(f"{shown(text)} is not a protocol", "write it like h2 or http/1.1")
    return text


def parse_issuer(text: str) -> str:
    """A pattern of an issuer's name with `*` and `?`."""
    if not text or len(text) > 512 or not text.isprintable():
        raise Refused(f"{shown(text)} is not a pattern of an issuer", 'write it like "*O=Example*"')
    return text


def _plain(expected: str) -> Scalar:
    parse = {
        "a fingerprint": parse_fingerprint,
        "a JA4": parse_ja4,
        "a protocol": parse_alpn,
        "an issuer": parse_issuer,
    }

    def parsed(value: object, loading: Loading) -> object:
        return str(parse[expected](as_text(value, loading, expected)))

    return Scalar(parsed, {"type": "string", "minLength": 1}, expected.partition(" ")[2])


def _leaf_directory(value: object, loading: Loading) -> str | None:
    if value is None or value == "none":
        return None
    return STATE if value == STATE else file_path(value, loading)


Problem = Annotated[str, choice("any", *PROBLEMS)]
Fingerprint = Annotated[str, _plain("a fingerprint")]
Ja4 = Annotated[str, _plain("a JA4")]
Alpn = Annotated[str, _plain("a protocol")]
Issuer = Annotated[str, _plain("an issuer")]
LeafDirectory = Annotated[
    str | None,
    Scalar(
        _leaf_directory,
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
        "path, `state`, or `none`",
        lambda value: "none" if value is None else value,
    ),
]
