"""Parsing of what says where somebody is, and of the parts of cookies that keep clients where they were."""

from __future__ import annotations

import re

from limen.config.refusal import Refused, shown
from limen.config.tls import parse_server_name

CONTINENTS = ("AF", "AN", "AS", "EU", "NA", "OC", "SA")
SECRET_LEAST = 16
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_COOKIE_PATH = re.compile(r"/[!-:<-~]*", re.ASCII)


def parse_country(text: str) -> str:
    """A code of ISO 3166-1 alpha-2, in capitals."""
    if not _COUNTRY.fullmatch(text):
        raise Refused(f"{shown(text)} is not a country", "two capital letters, such as DE or US")
    return text


def parse_continent(text: str) -> str:
    """A code of a continent as MMDB files have it."""
    if text not in CONTINENTS:
        raise Refused(f"{shown(text)} is not a continent", f"one of {', '.join(CONTINENTS)}")
    return text


def parse_coordinates(value: object) -> tuple[float, float]:
    """`[latitude, longitude]` in degrees."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Refused(f"expected latitude and longitude, found {shown(value)}", "write it like [50.1, 8.7]")
    found = []
    for part, most, name in zip(value, (90.0, 180.0), ("latitude", "longitude"), strict=True):
        if not isinstance(part, int | float) or isinstance(part, bool) or not -most <= part <= most:
            raise Refused(f"{shown(part)} is not a {name}", f"degrees from -{most:g} to {most:g}")
        found.append(float(part))
    return found[0], found[1]


def parse_cookie_path(text: str) -> str:
    """The `Path` of a cookie."""
    if not _COOKIE_PATH.fullmatch(text):
        raise Refused(f"{shown(text)} is not a path of a cookie", "begin it with /, without spaces and semicolons")
    return text


def parse_cookie_domain(text: str) -> str:
    """The `Domain` of a cookie: a host name, whose first dot browsers ignore."""
    return parse_server_name(text.removeprefix("."))


def parse_secret(text: str) -> str:
    """What cookies are signed with; never shown."""
    if len(text) < SECRET_LEAST:
        raise Refused(
            f"a secret of {len(text)} characters can be guessed", f"{SECRET_LEAST} or more: openssl rand -base64 32"
        )
    return text
