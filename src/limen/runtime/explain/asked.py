"""What is asked: a URL and who asks for it, from the command line or from the parameters of `GET /explain`."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from limen.errors import LimenError

URL_LIMIT = 8192
FIELDS_LIMIT = 100
FIELD_LIMIT = 8192
NAME_LIMIT = 256
CERTIFICATE_LIMIT = 4500
"""Bytes of DER: in base64 it has to go into a request line."""
SCHEMES = ("http", "https", "tcp")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_JA4 = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_NAME = re.compile(r"[0-9A-Za-z_.-]{1,255}")
# No control character, no space: what stands there goes into a request line.
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_DEFAULT_PORTS = {"http": 80, "https": 443, "tcp": 0}


class AskedWrongly(LimenError):
    """The question itself is malformed; the text says what."""


def parameters_of(pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    """Parameters of a question, each of which may stand once. Raises AskedWrongly."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise AskedWrongly(f"unknown parameter {name!r}; there are {', '.join(known)}")
        if name in found:
            raise AskedWrongly(f"the parameter {name!r} stands twice")
        found[name] = value
    return found


def limit_of(text: str, least: int, most: int) -> int:
    """How many are asked for, by the parameter `limit`. Raises AskedWrongly."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise AskedWrongly(f"`limit` is a number {f'from {least} to' if least else 'up to'} {most}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the client has shown of itself in its TLS handshake."""

    certificate: bytes = b""
    """In DER, as if it had held; empty: none."""
    ja4: str = ""
    """Fingerprint of its hello; empty: none that is known."""
    sni: str = ""
    """Name that it asks for; empty: the host of an https URL."""


NOTHING = Shown()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question."""

    url: str
    client: str = "127.0.0.1"
    """IP address that the request comes from, or `unix`."""
    method: str = ""
    """Empty: GET, or CONNECT where an https URL goes through a forward listener."""
    fields: tuple[tuple[str, str], ...] = ()
    listener: str = ""
    """Name or address of the listener; empty: found by the URL."""
    identity: str = ""
    """Who it is for, as if they had shown so; empty: nobody."""
    groups: tuple[str, ...] = ()
    """Theirs."""
    shown: Shown = NOTHING

    @property
    def parts(self) -> SplitResult:
        """The URL, split."""
        return urlsplit(self.url)

    @property
    def scheme(self) -> str:
        """http, https or tcp."""
        return self.parts.scheme.lower()

    @property
    def port(self) -> int:
        """Of the URL, or of its scheme; 0: none."""
        return self.parts.port or _DEFAULT_PORTS[self.scheme]

    @property
    def hostname(self) -> str:
        """Without port and brackets, in lower case."""
        return self.parts.hostname or ""

    @property
    def server_name(self) -> str:
        """What the client's hello asks for: never an address (RFC 6066, 3)."""
        try:
            ipaddress.ip_address(self.hostname)
        except ValueError:
            return self.shown.sni or self.hostname
        return self.shown.sni

    @property
    def authority(self) -> str:
        """Host and port as the URL has them, without user and password."""
        return self.parts.netloc.rpartition("@")[2]

    @property
    def path(self) -> str:
        """With the query, as a request line has it."""
        parts = self.parts
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def head(self, *, proxied: bool) -> bytes:
        """The request head as it would come over the wire, to a gateway or (`proxied`) to a forward proxy."""
        method, target = self.method or "GET", self.path
        if proxied and method == "CONNECT":
            host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
            target = f"{host}:{self.port}"
        elif proxied:
            target = f"{self.scheme}://{self.authority}{self.path}"
        lines = [f"{method} {target} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in self.fields):
            lines.append(f"Host: {target if method == 'CONNECT' else self.authority}")
        lines += [f"{name}: {value}" for name, value in self.fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def query(self) -> list[tuple[str, str]]:
        """The parameters of `GET /explain` that ask the same."""
        pairs = [("url", self.url), ("from", self.client)]
        if self.method:
            pairs.append(("method", self.method))
        if self.listener:
            pairs.append(("listener", self.listener))
        if self.identity:
            pairs.append(("as", self.identity))
        if self.shown.certificate:
            pairs.append(("certificate", base64.urlsafe_b64encode(self.shown.certificate).decode()))
        if self.shown.ja4:
            pairs.append(("ja4", self.shown.ja4))
        if self.shown.sni:
            pairs.append(("sni", self.shown.sni))
        pairs += [("group", group) for group in self.groups]
        return pairs + [("field", f"{name}: {value}") for name, value in self.fields]


PARAMETERS = ("url", "from", "method", "field", "listener", "as", "group", "certificate", "ja4", "sni")
_SEVERAL = ("field", "group")


def asked_of(parameters: Iterable[tuple[str, str]]) -> Asked:
    """The question that the parameters of `GET /explain` ask. Raises AskedWrongly."""
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {name: [] for name in _SEVERAL}
    for name, value in parameters:
        if name not in PARAMETERS:
            raise AskedWrongly(f"unknown parameter {name!r}; there are {', '.join(PARAMETERS)}")
        if name in several:
            several[name].append(value)
        elif name in single:
            raise AskedWrongly(f"the parameter {name!r} stands twice")
        else:
            single[name] = value
    return ask(
        single.get("url", ""),
        client=single.get("from", ""),
        method=single.get("method", ""),
        fields=several["field"],
        listener=single.get("listener", ""),
        identity=single.get("as", ""),
        groups=several["group"],
        shown=Shown(_decoded(single.get("certificate", "")), single.get("ja4", ""), single.get("sni", "")),
    )


def ask(
    url: str,
    *,
    client: str = "",
    method: str = "",
    fields: Sequence[str] = (),
    listener: str = "",
    identity: str = "",
    groups: Sequence[str] = (),
    shown: Shown = NOTHING,
) -> Asked:
    """A question from texts as people write them; `fields` as `Name: value`. Raises AskedWrongly."""
    if groups and not identity:
        raise AskedWrongly("groups without a name: say as whom")
    if any(len(text) > NAME_LIMIT or not text for text in (identity or "-", *groups)):
        raise AskedWrongly(f"a name or a group has 1 to {NAME_LIMIT} characters")
    if len(shown.certificate) > CERTIFICATE_LIMIT:
        raise AskedWrongly(f"a certificate has at most {CERTIFICATE_LIMIT} bytes here")
    if shown.ja4 and not _JA4.fullmatch(shown.ja4):
        raise AskedWrongly(f"{shown.ja4[:80]!r} is no JA4; write it like t13d1516h2_8daaf6152771_02713d6af862")
    if shown.sni and not _NAME.fullmatch(shown.sni):
        raise AskedWrongly(f"{shown.sni[:80]!r} is no name of a host")
    asked = Asked(_url(url), _client(client), _method(method), tuple(map(_field, _few(fields))), listener.strip())
    return replace(asked, identity=identity, groups=tuple(_few(groups)), shown=shown)


def encoded(asked: Asked) -> Mapping[str, object]:
    """As fields of a message to a worker."""
    return {"parameters": [list(pair) for pair in asked.query()]}


def decoded(fields: Mapping[str, object]) -> Asked:
    """Reverses `encoded`."""
    parameters = fields["parameters"]
    if not isinstance(parameters, list):
        raise AskedWrongly("no parameters")
    return asked_of((str(name), str(value)) for name, value in parameters)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise AskedWrongly("the certificate is not base64 (that of URLs) of its DER") from None


def _url(text: str) -> str:
    url = text.strip()
    if not url:
        raise AskedWrongly("a URL is needed, such as http://www.example.com/path")
    if "://" not in url:
        url = f"http://{url}"
    if len(url) > URL_LIMIT:
        raise AskedWrongly(f"a URL has at most {URL_LIMIT} characters here")
    if not _VISIBLE.fullmatch(url):
        raise AskedWrongly("the URL holds a character that has to be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AskedWrongly(f"not a URL: {error}") from None
    if parts.scheme.lower() not in SCHEMES:
        raise AskedWrongly(f"the scheme {parts.scheme!r} is not one of {', '.join(SCHEMES)}")
    if not parts.hostname or port == 0:
        raise AskedWrongly("the URL names no host" if not parts.hostname else "there is no port 0")
    return url


def _client(text: str) -> str:
    if not text.strip():
        return "127.0.0.1"
    if text.strip() == "unix":
        return "unix"
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise AskedWrongly(f"the client {text!r} is no IP address") from None


def _method(text: str) -> str:
    if text and not _TOKEN.fullmatch(text):
        raise AskedWrongly(f"{text!r} is no method")
    return text


def _few(fields: Sequence[str]) -> Sequence[str]:
    if len(fields) > FIELDS_LIMIT:
        raise AskedWrongly(f"at most {FIELDS_LIMIT} fields, and as many groups")
    return fields


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()):
        raise AskedWrongly(f"{text[:80]!r} is no field; write it like 'X-Tenant: blue'")
    value = value.strip()
    if len(value) > FIELD_LIMIT or any(ord(c) < 32 or ord(c) == 127 or ord(c) > 255 for c in value):
        raise AskedWrongly(f"the value of {name.strip()} holds a forbidden character, or is too long")
    return name.strip(), value
