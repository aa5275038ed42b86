"""HTTP words in a configuration: field names and values, methods, hosts to match, paths, redirect targets.

Everything that will stand in a message head is checked here, so that nothing configured can split or smuggle one.
"""

from __future__ import annotations

import re

from limen.config.addresses import Address, parse_address, parse_host
from limen.config.refusal import Refused, shown

TOKEN_PATTERN = r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"  # noqa: S105 a token of HTTP
HOOK_PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"

_TOKEN = re.compile(TOKEN_PATTERN[1:-1], re.ASCII)
_HOOK = re.compile(HOOK_PATTERN[1:-1], re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"])
_LONGEST_VALUE = 8192

RESERVED_FIELDS = {
    "connection": "Limen writes it as each connection needs",
    "proxy-connection": "it belongs to no standard, and is always removed",
    "keep-alive": "Limen writes it as each connection needs",
    "transfer-encoding": "the framing of a message is not configurable",
    "content-length": "the framing of a message is not configurable",
    "trailer": "the framing of a message is not configurable",
    "te": "the framing of a message is not configurable",
    "upgrade": "use the key `upgrade` of the route",
    "host": "use the key `host` of the route",
}
"""Fields that no edit may touch (RFC 9110 section 7.6.1, RFC 9112 section 6): name in lower case, and the way out."""


def parse_token(text: str, what: str) -> str:
    """An RFC 9110 token, such as a method or a field name."""
    if not text or len(text) > 256 or not _TOKEN.fullmatch(text):
        raise Refused(f"{shown(text)} is not a {what}", "letters, digits and !#$%&'*+-.^_`|~ only")
    return text


def parse_editable_field(text: str) -> str:
    """The name of a field that a configuration may set or remove."""
    name = parse_token(text, "field name")
    reason = RESERVED_FIELDS.get(name.lower())
    if reason:
        raise Refused(f"the field {name} may not be changed", reason)
    return name


def parse_field_value(text: str) -> str:
    """The value of a field: one line, no control characters, no space at either end, at most 8 KiB."""
    if _CONTROL.search(text):
        raise Refused("a field value holds a line break or another control character", "it must be one line of text")
    if text != text.strip(" \t"):
        raise Refused(f"the field value {shown(text)} begins or ends with a space")
    if len(text) > _LONGEST_VALUE:
        raise Refused("a field value is too long", f"at most {_LONGEST_VALUE} characters")
    return text


def parse_method(text: str) -> str:
    """A request method; methods are case-sensitive (RFC 9110 section 9.1)."""
    if text.upper() in _KNOWN_METHODS and text != text.upper():
        raise Refused(f"{shown(text)} is not a method", f"methods are case-sensitive; did you mean {text.upper()}?")
    return parse_token(text, "method")


def parse_hook(text: str) -> str:
    """`module:function`, importable when the worker starts; nothing is imported here."""
    if not _HOOK.fullmatch(text):
        raise Refused(f"{shown(text)} is not a hook", "write module:function, such as myrules:add_tenant")
    return text


def parse_match_host(text: str) -> str:
    """A host of `match`: exact, or `*.suffix` for any number of labels below the suffix; IPv6 in brackets."""
    if text == "*":
        raise Refused("'*' is not a host", "leave out `host` to match every host")
    if "://" in text or "/" in text:
        raise Refused(f"{shown(text)} is not a host", "write only the name, such as www.example.com")
    if text.startswith("["):
        address = parse_address(text, default_port=1)
        if text.endswith("]"):
            return f"[{address.host}]"
    if ":" in text:
        raise Refused(f"{shown(text)} holds a port", "hosts are matched without the port")
    if text.startswith("*."):
        return "*." + parse_host(text[2:], text)
    if "*" in text:
        raise Refused(f"{shown(text)} is not a host", "a star may only stand first, as in *.example.com")
    return parse_host(text)


def parse_target_host(text: str) -> str:
    """A host of an access rule: exact, `.suffix` (the name itself and all below), or a glob as `cdn*.example.com`."""
    if "://" in text or "/" in text:
        raise Refused(f"{shown(text)} is not a host", "write only the name, such as www.example.com")
    if text.startswith("[") and text.endswith("]"):
        return parse_match_host(text)
    if ":" in text:
        raise Refused(f"{shown(text)} holds a port", "use `ports` for the port")
    if "*" in text or "?" in text:
        if not re.fullmatch(r"[A-Za-z0-9_.*?-]+", text, re.ASCII):
            raise Refused(f"{shown(text)} is not a host pattern", "letters, digits, dots, hyphens, * and ? only")
        if text.startswith("*.") and not re.search(r"[*?]", text[2:]):
            return "*." + _parent(text[2:], text)
        return text.lower()
    if text.startswith("."):
        return "." + _parent(text[1:], text)
    return parse_host(text)


ANY_SUFFIX = ".<suffix>"
"""The end of a host that stands for any public suffix."""


def parse_ruled_host(text: str) -> str:
    """The same, or one that ends with ANY_SUFFIX: `www.example.<suffix>`, `.example.<suffix>`, `*.example.<suffix>`."""
    if not text.endswith(ANY_SUFFIX):
        return parse_target_host(text)
    rest = text.removesuffix(ANY_SUFFIX)
    mark = next((mark for mark in ("*.", ".") if rest.startswith(mark)), "")
    name = rest[len(mark) :]
    if not name or any(c in name for c in "*?:[/"):
        raise Refused(f"{shown(text)} is not a host pattern", "a name stands before `.<suffix>`, without wildcards")
    # what is a name is so whatever follows it
    return mark + parse_host(f"{name}.example", text).removesuffix(".example") + ANY_SUFFIX


def _parent(name: str, whole: str) -> str:
    host = parse_host(name, whole)
    if Address(host).ip is not None:
        raise Refused(f"{shown(whole)} is not a host pattern", "no names lie below an address")
    return host


def parse_origin_host(text: str) -> str:
    """`pass`, `endpoint`, or the literal Host (with or without port) that the origin shall see."""
    if text in ("pass", "endpoint"):
        return text
    if text.startswith("unix:"):
        raise Refused(f"{shown(text)} is not a host", "write pass, endpoint or a host name")
    address = parse_address(text, default_port=0, any_port=True)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}" if address.port else host


def parse_path(text: str) -> str:
    """A path or the beginning of one: it starts with a slash, without query, fragment, space or control characters."""
    if not text.startswith("/"):
        raise Refused(f"{shown(text)} is not a path", f"did you mean '/{text}'?" if text else "a path begins with /")
    for character, hint in (("?", "match the query with `query`"), ("#", "a fragment never reaches a server")):
        if character in text:
            raise Refused(f"the path {shown(text)} holds a {character}", hint)
    if re.search(r"[\x00-\x20\x7f]", text):
        raise Refused(f"the path {shown(text)} holds a space or a control character", "write it percent-encoded")
    return text


def parse_path_pattern(text: str) -> str:
    """A glob for a whole path: * within a segment, ** across segments, ? one character."""
    if not text.startswith(("/", "*")):
        raise Refused(
            f"{shown(text)} is not a path pattern", f"did you mean '/{text}'?" if text else "it begins with /"
        )
    if re.search(r"[\x00-\x20\x7f#]", text):
        raise Refused(f"the pattern {shown(text)} holds a space, # or a control character", "write it percent-encoded")
    return text


def parse_sha256(text: str) -> str:
    """A SHA-256 digest in hexadecimal, in lower case."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text, re.ASCII):
        raise Refused(f"{shown(text)} is not a SHA-256 digest", "write its 64 hexadecimal digits")
    return text.lower()


def parse_content_type(text: str) -> str:
    """A content type without parameters: `application/json`, or `image/*` for all of a kind."""
    if not re.fullmatch(r"[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+)", text, re.ASCII):
        raise Refused(f"{shown(text)} is not a content type", "write it like application/json, or image/*")
    return text.lower()


def parse_regex(text: str) -> str:
    """A Python regular expression that compiles."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Refused(f"{shown(text)} is not a regular expression: {error}") from None
    return text


def parse_ldap_url(text: str) -> str:
    """`ldap://host[:port]` or `ldaps://host[:port]`; what is asked for has keys of its own."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("ldap", "ldaps") or re.search(r"[?#@\x00-\x20\x7f]", rest):
        raise Refused(f"{shown(text)} is not a URL", "write ldaps://host or ldap://host:389")
    parse_address(rest.rstrip("/"), default_port=636 if scheme == "ldaps" else 389)
    return text.rstrip("/")


def parse_http_url(text: str) -> str:
    """A URL that Limen itself asks: http or https, a host, no user and no fragment."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("http", "https"):
        raise Refused(f"{shown(text)} is not a URL", "write https://host/path")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise Refused("the URL holds a user", "leave it out; a bearer token is `token`")
    parse_address(authority, default_port=443)
    if "#" in rest or re.search(r"[\x00-\x20\x7f]", rest):
        raise Refused(f"{shown(text)} is not a URL", "without fragment, spaces and control characters")
    return text


def parse_redirect_target(text: str) -> str:
    """Where a redirect points: an http(s) URL or a path, with {host}, {hostname}, {path} and {query} filled in."""
    parse_field_value(text)
    for name in _PLACEHOLDER.findall(text):
        if name not in ("host", "hostname", "path", "query"):
            raise Refused(f"unknown placeholder '{{{name}}}'", "known are {host}, {hostname}, {path} and {query}")
    rest = _PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest or " " in rest:
        raise Refused(f"{shown(text)} is not a redirect target", "write braces and spaces percent-encoded: %7B %7D %20")
    if not re.match(r"https?://[^/?#]|/|\{path\}", text):
        raise Refused(f"{shown(text)} is not a redirect target", "write a URL such as https://{host}{path}, or a path")
    return text
