"""The typed scalars of all models: what one value may be, how it is written back, and what editors are told of it.

A `Scalar` binds a parse function to a pydantic field. Parsing refuses with `Refused`, so that no message of a
validation library ever reaches a user. Plain numbers are durations in Python code only: a file must name the unit.
"""

from __future__ import annotations

import contextlib
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from limen.config import addresses, exits, fields, name_servers, pages, places, rates, secrets, tls, units
from limen.config.addresses import Address, Ports
from limen.config.refusal import Expanded, Refused, shown

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loading:
    """What parsing needs to know: where relative paths start, and whether the value came from a file."""

    base: Path
    from_file: bool = True


_FROM_PYTHON = Loading(Path(), from_file=False)


@dataclass(frozen=True, eq=False)
class Scalar:
    """Metadata of a field: `parse` makes the value, `write` the form that parses to it again, `schema` for editors.

    `label` is how the manual calls the type.
    """

    parse: Callable[[object, Loading], object]
    schema: Json
    label: str
    write: Callable[[Any], object] | None = None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        parse = self.parse

        def validate(value: object, info: ValidationInfo) -> object:
            return parse(value, info.context or _FROM_PYTHON)

        written = None
        if self.write is not None:
            written = core_schema.plain_serializer_function_ser_schema(self.write, when_used="json")
        return core_schema.with_info_plain_validator_function(
            validate, serialization=written, metadata={"scalar": self}
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        return dict(self.schema)


def as_text(value: object, loading: Loading, expected: str) -> str:
    """The string that a value stands for: itself, the content of `{file: path}`, or a plain number as it is written."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and secrets.is_file_reference(value):
        return secrets.read_file(value, loading.base)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(getattr(value, "text", value))
    hint = 'put it in quotes: "true"' if value is True else 'put it in quotes: "false"' if value is False else ""
    raise Refused(f"expected {expected}, found {shown(value)}", hint)


def _strings(parse: Callable[[str], object], expected: str) -> Callable[[object, Loading], object]:
    def parsed(value: object, loading: Loading) -> object:
        result = parse(as_text(value, loading, expected))
        # Configurations travel between processes: nothing of where a value came from goes with it.
        return str(result) if isinstance(result, Expanded) else result

    return parsed


# Durations and sizes -------------------------------------------------------------------------------------------------


def duration(low: str = "1ms", high: str = "365d") -> Scalar:
    """Seconds as a float, from `5s` and the like; bounds inclusive."""
    least, most = units.parse_duration(low), units.parse_duration(high)

    def parse(value: object, loading: Loading) -> float:
        if isinstance(value, str):
            seconds = units.parse_duration(value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and not loading.from_file:
            seconds = float(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = units.parse_duration(str(getattr(value, "text", value)))
        else:
            raise Refused(f"expected a duration, found {shown(value)}", "write it like 5s, 250ms, 1m30s or 24h")
        if not least <= seconds <= most:
            raise Refused(f"{shown(value)} is out of range", f"from {low} to {high}")
        return seconds

    schema = {"type": "string", "pattern": units.DURATION_PATTERN, "examples": ["5s", "250ms", "1m30s"]}
    return Scalar(parse, schema, f"duration, {low} to {high}", units.format_duration)


def size(low: str = "1B", high: str = "1024GiB") -> Scalar:
    """Bytes as an int, from `64KiB` and the like or a plain number of bytes; bounds inclusive."""
    least, most = units.parse_size(low), units.parse_size(high)

    def parse(value: object, _: Loading) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            bytes_ = int(value)
        elif isinstance(value, str):
            plain = isinstance(value, Expanded) and value.isascii() and value.isdigit() and len(value) < 20
            bytes_ = int(value) if plain else units.parse_size(value)
        else:
            raise Refused(f"expected a size, found {shown(value)}", "write it like 500B, 64KiB or 16MiB")
        if not least <= bytes_ <= most:
            raise Refused(f"{shown(value)} is out of range", f"from {low} to {high}")
        return bytes_

    schema = {
        "anyOf": [
            {"type": "string", "pattern": units.SIZE_PATTERN, "examples": ["64KiB", "16MiB", "500B"]},
            {"type": "integer", "minimum": least, "maximum": most},
        ]
    }
    return Scalar(parse, schema, f"size, {low} to {high}", units.format_size)


def whole(low: int, high: int) -> Scalar:
    """A whole number; bounds inclusive."""

    def parse(value: object, _: Loading) -> int:
        number = _integer(value)
        if not low <= number <= high:
            raise Refused(f"{shown(value)} is out of range", f"from {low} to {high}")
        return number

    return Scalar(parse, {"type": "integer", "minimum": low, "maximum": high}, f"number, {low} to {high}")


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Expanded) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        raise Refused(f"expected a number, found the text {shown(value)}", "write it without quotes")
    raise Refused(f"expected a whole number, found {shown(value)}")


def ratio(low: float, high: float) -> Scalar:
    """A number that need not be whole; bounds inclusive."""

    def parse(value: object, _: Loading) -> float:
        number: float | None = None
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
        elif isinstance(value, Expanded):
            with contextlib.suppress(ValueError):
                number = float(value)
        if number is None:
            raise Refused(f"expected a number, found {shown(value)}", f"write it like {low:g}")
        if not low <= number <= high:
            raise Refused(f"{shown(value)} is out of range", f"from {low:g} to {high:g}")
        return number

    return Scalar(parse, {"type": "number", "minimum": low, "maximum": high}, f"number, {low:g} to {high:g}")


def _workers() -> Scalar:
    """`auto` or a number of processes."""
    number = whole(1, 1024)

    def parse(value: object, loading: Loading) -> object:
        if isinstance(value, str) and value == "auto":
            return "auto"
        if isinstance(value, str) and not isinstance(value, Expanded):
            raise Refused(f"expected auto or a number, found {shown(value)}", "write auto or a number such as 4")
        return number.parse(value, loading)

    schema = {"anyOf": [{"const": "auto"}, number.schema]}
    return Scalar(parse, schema, "`auto` or a number, 1 to 1024")


def optional(scalar: Scalar) -> Scalar:
    """The scalar, or `none` (also an empty value) for no bound; Python sees None."""

    def parse(value: object, loading: Loading) -> object:
        return None if value is None or value == "none" else scalar.parse(value, loading)

    write = scalar.write
    written = None if write is None else (lambda value: None if value is None else write(value))
    return Scalar(parse, {"anyOf": [scalar.schema, {"enum": ["none", None]}]}, f"{scalar.label}, or `none`", written)


def _flag(value: object, _: Loading) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Expanded) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    hint = "write true or false"
    if isinstance(value, str) and value.lower() in ("yes", "on", "y", "true", "no", "off", "n", "false"):
        hint = "write true" if value.lower() in ("yes", "on", "y", "true") else "write false"
        hint += ", without quotes" if value.lower() in ("true", "false") else ""
    raise Refused(f"expected true or false, found {shown(value)}", hint)


def _auto_flag(value: object, loading: Loading) -> bool | None:
    return None if value is None or value == "auto" else _flag(value, loading)


def _choice(names: tuple[str, ...]) -> Callable[[object, Loading], str]:
    def parse(value: object, _: Loading) -> str:
        if isinstance(value, str) and value in names:
            return str(value)
        raise Refused(f"{shown(value)} is not known here", near(str(value), names) or f"use {either(names)}")

    return parse


def choice(*names: str) -> Scalar:
    """One of a few words."""
    return Scalar(_choice(names), {"enum": [*names]}, " | ".join(f"`{name}`" for name in names))


def either(names: tuple[str, ...]) -> str:
    """`a, b or c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def near(word: str, known: tuple[str, ...]) -> str:
    """`did you mean 'x'` for the known word nearest to a mistaken one; empty if none is near."""
    import difflib

    found = difflib.get_close_matches(word.lower()[:64], known, n=1, cutoff=0.6)
    return f"did you mean '{found[0]}'?" if found else ""


# Names, paths, HTTP --------------------------------------------------------------------------------------------------


def _text(text: str) -> str:
    if "\0" in text:
        raise Refused("the text holds a NUL character")
    return str(text)


def _name(text: str) -> str:
    if (
        not text
        or len(text) > 128
        or any(not 33 <= ord(character) <= 126 or character in "\"'\\{}" for character in text)
    ):
        raise Refused(f"{shown(text)} is not a name", "up to 128 visible ASCII characters, without spaces and quotes")
    return str(text)


def file_path(value: object, loading: Loading) -> str:
    """A path, relative ones from the directory of the configuration; `-` as it is."""
    text = as_text(value, loading, "a path")
    if not text or "\0" in text:
        raise Refused(f"{shown(text)} is not a path")
    if text == "-" or not loading.from_file:
        return str(text)
    return str(loading.base / text)


def _status(low: int, high: int) -> Callable[[object, Loading], int]:
    def parse(value: object, _: Loading) -> int:
        status = _integer(value)
        if not low <= status <= high:
            raise Refused(f"{shown(value)} is not a status that may stand here", f"from {low} to {high}")
        return status

    return parse


def _redirect_status(value: object, _: Loading) -> int:
    status = _integer(value)
    if status not in (301, 302, 303, 307, 308):
        raise Refused(f"{shown(value)} is not a redirect status", "use 301, 302, 303, 307 or 308")
    return status


def _clock(text: str) -> str:
    hours, colon, minutes = text.partition(":")
    digits = hours.isascii() and hours.isdigit() and minutes.isascii() and minutes.isdigit()
    if colon and digits and 1 <= len(hours) <= 2 and len(minutes) == 2:
        total = int(hours) * 60 + int(minutes)
        if total <= 1440 and int(minutes) < 60:
            return f"{int(hours):02}:{minutes}"
    raise Refused(f"{shown(text)} is not a time of day", "write it like 08:00; 24:00 is the end of the day")


def _zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(f"{shown(text)} is not a time zone", "write it like Europe/Paris, or UTC") from None
    return str(text)


def _present(value: object, loading: Loading) -> str | bool:
    if isinstance(value, bool):
        return value
    return fields.parse_field_value(as_text(value, loading, "a value, true or false"))


def _ports(value: object, loading: Loading) -> Ports:
    if isinstance(value, Ports):
        return value
    return addresses.parse_ports(as_text(value, loading, "a port or a range"))


def _page(value: object, loading: Loading) -> pages.PageText:
    if isinstance(value, pages.PageText):
        return value
    if isinstance(value, dict) and value.keys() == {"kind", "text"}:
        return pages.PageText(str(value["kind"]), str(value["text"]))
    return pages.read_page(Path(file_path(value, loading)))


def _rate(value: object, loading: Loading) -> rates.Rate:
    if isinstance(value, rates.Rate):
        return value
    return rates.parse_rate(as_text(value, loading, "a rate"))


def _quota(value: object, loading: Loading) -> rates.Quota:
    return value if isinstance(value, rates.Quota) else rates.parse_quota(as_text(value, loading, "a quota"))


def _bandwidth(value: object, loading: Loading) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and not loading.from_file:
        return value
    return rates.parse_bandwidth(as_text(value, loading, "a bandwidth"))


def _address(*, any_port: bool = False, default_port: int | None = None) -> Callable[[object, Loading], Address]:
    def parse(value: object, loading: Loading) -> Address:
        if isinstance(value, Address):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            raise Refused(f"{shown(value)} is not an address", f"write host:port, such as 127.0.0.1:{value}")
        text = as_text(value, loading, "an address")
        return addresses.parse_address(text, default_port=default_port, any_port=any_port)

    return parse


def _origin_address(value: object, loading: Loading) -> Address:
    if isinstance(value, str) and tls.is_https(value):
        hint = "write https:// at all endpoints, or `tls` beside them"
        raise Refused(f"{shown(value)} is a URL among plain addresses", hint)
    address = _address()(value, loading)
    if address.path:
        raise Refused("an endpoint on a Unix socket is not available in this version", "write host:port")
    if address.is_wildcard:
        raise Refused(f"{shown(str(address))} cannot be dialled", f"did you mean 127.0.0.1:{address.port}?")
    return address


def _named_address(value: object, loading: Loading) -> Address:
    address = _address()(value, loading)
    if address.path or address.ip is not None:
        raise Refused(f"{shown(value)} has no name to look up", "write name:port, or use `endpoints`")
    return address


_TEXT: Json = {"type": "string"}
_ADDRESS: Json = {"type": "string", "pattern": addresses.ADDRESS_PATTERN, "examples": ["127.0.0.1:8080", "[::1]:8080"]}
_ORIGIN: Json = {
    "type": "string",
    "pattern": f"{addresses.ADDRESS_PATTERN}|^https://[^/?#@]+/?$",
    "examples": ["127.0.0.1:9001", "https://www.example.com"],
}
_TOKEN: Json = {"type": "string", "pattern": fields.TOKEN_PATTERN}

Text = Annotated[str, Scalar(_strings(_text, "text"), _TEXT, "text")]
Name = Annotated[str, Scalar(_strings(_name, "a name"), {"type": "string", "minLength": 1, "maxLength": 128}, "name")]
WorkerCount = Annotated[int | Literal["auto"], _workers()]
AutoFlag = Annotated[
    bool | None,
    Scalar(
        _auto_flag,
        {"enum": ["auto", True, False]},
        "`auto`, `true` or `false`",
        lambda value: "auto" if value is None else value,
    ),
]
Flag = Annotated[bool, Scalar(_flag, {"type": "boolean"}, "`true` or `false`")]
FilePath = Annotated[str, Scalar(file_path, {"type": "string", "minLength": 1}, "path")]
Bind = Annotated[Address, Scalar(_address(any_port=True), _ADDRESS, "address", str)]
OriginAddress = Annotated[Address, Scalar(_origin_address, _ORIGIN, "address, or `https://host[:port]`", str)]
NamedAddress = Annotated[Address, Scalar(_named_address, _ADDRESS, "`name:port`", str)]
HostName = Annotated[str, Scalar(_strings(addresses.parse_host, "a name"), _TEXT, "host name")]
Sha256 = Annotated[
    str,
    Scalar(_strings(fields.parse_sha256, "a digest"), {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}, "SHA-256"),
]
ContentType = Annotated[str, Scalar(_strings(fields.parse_content_type, "a content type"), _TEXT, "content type")]
HttpUrl = Annotated[
    str, Scalar(_strings(fields.parse_http_url, "a URL"), {"type": "string", "pattern": r"^https?://[^/?#@]+"}, "URL")
]
LdapUrl = Annotated[
    str,
    Scalar(_strings(fields.parse_ldap_url, "a URL"), {"type": "string", "pattern": r"^ldaps?://[^/?#@]+/?$"}, "URL"),
]
Parent = Annotated[
    exits.ParentUrl,
    Scalar(
        _strings(exits.parse_parent, "a URL"), {"type": "string", "pattern": exits.PARENT_PATTERN}, "URL", exits.written
    ),
]
NameServer = Annotated[
    name_servers.NameServer,
    Scalar(
        _strings(name_servers.parse_name_server, "a name server"),
        {"type": "string", "minLength": 2, "examples": ["192.0.2.53", "tls://192.0.2.53#dns.example.com"]},
        "IP address, or URL",
        str,
    ),
]
IpAddress = Annotated[str, Scalar(_strings(addresses.parse_ip, "an IP address"), _TEXT, "IP address")]
Network = Annotated[
    str,
    Scalar(
        _strings(addresses.parse_network, "a network"),
        {"type": "string", "pattern": addresses.NETWORK_PATTERN, "examples": ["10.0.0.0/8"]},
        "network",
    ),
]
PortRange = Annotated[
    Ports,
    Scalar(
        _ports,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "pattern": addresses.PORTS_PATTERN},
            ]
        },
        "port or range",
        str,
    ),
]
RateText = Annotated[
    rates.Rate,
    Scalar(_rate, {"type": "string", "pattern": rates.RATE_PATTERN, "examples": ["100/s", "1000/h"]}, "rate", str),
]
BandwidthText = Annotated[
    int, Scalar(_bandwidth, {"type": "string", "pattern": rates.BANDWIDTH_PATTERN}, "bandwidth", rates.format_bandwidth)
]
QuotaText = Annotated[rates.Quota, Scalar(_quota, {"type": "string", "pattern": rates.QUOTA_PATTERN}, "quota", str)]
PageFile = Annotated[pages.PageText, Scalar(_page, {"type": "string", "minLength": 1}, "path", pages.written)]
ErrorStatus = Annotated[
    int | str,
    Scalar(
        lambda value, _: pages.parse_status(value),
        {"type": "string", "pattern": "^([45]xx|[45][0-9][0-9])$"},
        "status, `4xx` or `5xx`",
    ),
]
FieldName = Annotated[
    str, Scalar(_strings(lambda text: fields.parse_token(text, "field name"), "a field name"), _TOKEN, "field name")
]
EditableField = Annotated[str, Scalar(_strings(fields.parse_editable_field, "a field name"), _TOKEN, "field name")]
FieldValue = Annotated[str, Scalar(_strings(fields.parse_field_value, "a field value"), _TEXT, "field value")]
Presence = Annotated[
    str | bool, Scalar(_present, {"anyOf": [{"type": "string"}, {"type": "boolean"}]}, "value, `true` or `false`")
]
Method = Annotated[str, Scalar(_strings(fields.parse_method, "a method"), _TOKEN, "method")]
Hook = Annotated[
    str,
    Scalar(
        _strings(fields.parse_hook, "a hook"), {"type": "string", "pattern": fields.HOOK_PATTERN}, "module:function"
    ),
]
MatchHost = Annotated[str, Scalar(_strings(fields.parse_match_host, "a host"), _TEXT, "host")]
TargetHost = Annotated[str, Scalar(_strings(fields.parse_target_host, "a host"), _TEXT, "host")]
RuledHost = Annotated[str, Scalar(_strings(fields.parse_ruled_host, "a host"), _TEXT, "host")]
OriginHost = Annotated[str, Scalar(_strings(fields.parse_origin_host, "a host"), _TEXT, "`pass`, `endpoint` or a host")]
UrlPath = Annotated[str, Scalar(_strings(fields.parse_path, "a path"), {"type": "string", "pattern": "^/"}, "URL path")]
PathPattern = Annotated[str, Scalar(_strings(fields.parse_path_pattern, "a path pattern"), _TEXT, "glob")]
Regex = Annotated[
    str, Scalar(_strings(fields.parse_regex, "a regular expression"), {"type": "string", "format": "regex"}, "regex")
]
RedirectTarget = Annotated[str, Scalar(_strings(fields.parse_redirect_target, "a URL or a path"), _TEXT, "URL or path")]
Status = Annotated[int, Scalar(_status(200, 599), {"type": "integer", "minimum": 200, "maximum": 599}, "status")]
RedirectStatus = Annotated[
    int, Scalar(_redirect_status, {"enum": [301, 302, 303, 307, 308]}, "`301`, `302`, `303`, `307` or `308`")
]
Clock = Annotated[
    str, Scalar(_strings(_clock, "a time of day"), {"type": "string", "pattern": r"^\d{1,2}:\d{2}$"}, "time of day")
]
Zone = Annotated[
    str, Scalar(_strings(_zone, "a time zone"), {"type": "string", "examples": ["Europe/Paris"]}, "time zone")
]
CookieName = Annotated[
    str, Scalar(_strings(lambda text: fields.parse_token(text, "cookie name"), "a cookie name"), _TOKEN, "cookie name")
]
CookiePath = Annotated[str, Scalar(_strings(places.parse_cookie_path, "a path"), _TEXT, "URL path")]
CookieDomain = Annotated[str, Scalar(_strings(places.parse_cookie_domain, "a host"), _TEXT, "host")]
CookieSecret = Annotated[str, Scalar(_strings(places.parse_secret, "a secret"), {"minLength": 16}, "secret")]
Country = Annotated[
    str, Scalar(_strings(places.parse_country, "a country"), {"type": "string", "pattern": "^[A-Z]{2}$"}, "country")
]
Continent = Annotated[
    str, Scalar(_strings(places.parse_continent, "a continent"), {"enum": [*places.CONTINENTS]}, "continent")
]
Coordinates = Annotated[
    tuple[float, float],
    Scalar(
        lambda value, _: places.parse_coordinates(value),
        {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "latitude and longitude",
        list,
    ),
]
TlsVersion = Annotated[str, Scalar(_strings(tls.parse_version, "1.2 or 1.3"), tls.VERSION_SCHEMA, "`1.2` | `1.3`")]
CipherName = Annotated[str, Scalar(_strings(tls.parse_cipher, "a cipher"), _TEXT, "cipher")]
GroupName = Annotated[str, Scalar(_strings(tls.parse_group, "a group"), _TEXT, "group")]
HelloName = Annotated[str, Scalar(_strings(tls.parse_hello_name, "a host"), _TEXT, "host")]
CertificatePattern = Annotated[str, Scalar(_strings(tls.parse_certificate_pattern, "a text"), _TEXT, "glob")]
ServerName = Annotated[str, Scalar(_strings(tls.parse_server_name, "a host"), _TEXT, "host")]
PinnedKey = Annotated[
    str,
    Scalar(_strings(tls.parse_pin, "a pin"), {"type": "string", "pattern": tls.PIN_PATTERN}, "`sha256/BASE64`"),
]
