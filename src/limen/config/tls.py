"""TLS words in a configuration: versions, ciphers, groups, names of servers, pinned keys, endpoints as URLs."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from limen.config.addresses import Address, parse_address, parse_host
from limen.config.refusal import Refused, shown

PIN_PATTERN = r"^sha256/[A-Za-z0-9+/]{43}=$"
VERSION_SCHEMA: dict[str, Any] = {"enum": ["1.2", "1.3", 1.2, 1.3]}

_VERSION = re.compile(r"(?:tls\s?v?)?1\.([0-3])", re.IGNORECASE | re.ASCII)
_CIPHER = re.compile(r"[A-Z0-9]+(?:[_-][A-Z0-9]+)+", re.ASCII)
_GROUP = re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,63}", re.ASCII)
# Without authentication or without encryption, or broken for long (RFC 7465, RFC 9155): never what somebody wants.
_BROKEN = re.compile(r"NULL|ANON|ADH|AECDH|EXP|EXPORT|RC4|RC2|DES|3DES|MD5|PSK|SRP", re.ASCII)


def parse_version(text: str) -> str:
    """`1.2` or `1.3`; older ones are refused (RFC 8996)."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        raise Refused(f"{shown(text)} is not a version of TLS", "write 1.2 or 1.3")
    if found[1] in "01":
        raise Refused(f"TLS 1.{found[1]} is broken and not available (RFC 8996)", "write 1.2 or 1.3")
    return f"1.{found[1]}"


def parse_cipher(text: str) -> str:
    """One cipher in OpenSSL's spelling; the library that speaks TLS knows whether it exists."""
    if ":" in text or "," in text:
        raise Refused(f"{shown(text)} holds several ciphers", "write a list: [A, B]")
    if not _CIPHER.fullmatch(text):
        raise Refused(f"{shown(text)} is not a cipher", "write names such as ECDHE-RSA-AES128-GCM-SHA256")
    if any(_BROKEN.fullmatch(word) for word in re.split(r"[_-]", text)):
        raise Refused(f"the cipher {text} protects nobody", "remove it")
    return text


def is_suite(cipher: str) -> bool:
    """Whether it is a suite of TLS 1.3, which libssl has in a list of their own, and not a cipher of TLS 1.2."""
    return cipher.startswith("TLS_")


def parse_group(text: str) -> str:
    """One group of the key exchange; the library that speaks TLS knows whether it exists."""
    if not _GROUP.fullmatch(text):
        raise Refused(f"{shown(text)} is not a group", "write names such as X25519 or secp384r1")
    return text


def parse_server_name(text: str) -> str:
    """A host name or an IP address, without port and brackets."""
    if "://" in text or "/" in text:
        raise Refused(f"{shown(text)} is not a host", "write only the name, such as www.example.com")
    bare = Address(text.strip("[]").lower())
    if bare.ip is not None:
        return str(bare.ip)
    if ":" in text:
        raise Refused(f"{shown(text)} holds a port", "a certificate has no port")
    if "*" in text:
        raise Refused(f"{shown(text)} is not a host", "name one host that the certificate covers")
    return parse_host(text)


def parse_pin(text: str) -> str:
    """`sha256/` and the base64 of 32 bytes, as curl and HPKP (RFC 7469) write it."""
    kind, _, digest = text.partition("/")
    hint = "write sha256/ and 44 characters of base64"
    if kind != "sha256":
        raise Refused(f"{shown(text)} is not a pin", hint)
    try:
        raw = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{shown(text)} is not a pin", hint) from None
    if len(raw) != 32:
        raise Refused(f"{shown(text)} holds {len(raw)} bytes, not the 32 of a SHA-256", hint)
    return f"sha256/{base64.b64encode(raw).decode()}"


def parse_hello_name(text: str) -> str:
    """A name of `match.sni`: exact, `*.` and a name (one label more) or `.` and a name (itself and all below)."""
    for mark in ("*.", "."):
        if text.startswith(mark):
            return mark + parse_server_name(text[len(mark) :])
    name = parse_server_name(text)
    if Address(name).ip is not None:
        raise Refused(f"{shown(text)} is an address, and no client asks for one (RFC 6066)", "leave `sni` out")
    return name


def parse_certificate_pattern(text: str) -> str:
    """A text of a certificate with `*` for any characters."""
    if not text or len(text) > 1024 or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise Refused(f"{shown(text)} is found in no certificate", "write one line of text, with * for any characters")
    return text


def pin_bytes(pin: str) -> bytes:
    """The digest of a parsed pin."""
    return base64.b64decode(pin.removeprefix("sha256/"))


def is_https(written: object) -> bool:
    """Whether an endpoint is written as a URL of HTTPS."""
    return isinstance(written, str) and written[:8].lower() == "https://"


def plain_address(url: str) -> Address:
    """The address of `https://host[:port]`; port 443 by default. Raises Refused."""
    authority = url[8:].removesuffix("/")
    if not authority or re.search(r"[/?#@]", authority):
        raise Refused(f"{shown(url)} is not an endpoint", "write https://host or https://host:port, without a path")
    return parse_address(authority, default_port=443)
