"""Configurations for the command line's short forms: `limen reverse` and `limen forward`, without a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from limen.config.addresses import Address, parse_address
from limen.config.check import check
from limen.config.models.root import Config
from limen.config.positions import Positions
from limen.config.refusal import Refused, shown
from limen.config.translate import translate
from limen.errors import ConfigError, ConfigErrors

Parsed = TypeVar("Parsed")

UPSTREAM = "origin"
"""Name of the one upstream of `reverse`."""


def reverse(
    listen: str, to: Sequence[str], *, certificate: str = "", key: str = "", self_signed: bool = False
) -> Config:
    """A gateway: everything that arrives at `listen` goes to the addresses `to`, in turn.

    `to` takes `host:port` and URLs such as `http://host[:port][/prefix]` or `https://…`, which means TLS with
    verification; scheme and prefix (put before each path) must be the same for all. TLS is ended where files of a
    `certificate` and its `key` are named, or with one that is `self_signed`. Raises ConfigErrors.
    """
    bind = _argument("--listen", listen, _bind)
    tls = _tls(certificate, key, self_signed=self_signed)
    targets = [_argument("--to", text, _target) for text in to]
    if not targets:
        raise ConfigErrors([ConfigError("--to is missing", hint="name at least one, such as --to 127.0.0.1:9001")])
    prefixes = {target.prefix for target in targets}
    if len({target.encrypted for target in targets}) > 1:
        raise ConfigErrors([ConfigError("--to: some are https and some are not", hint="use a configuration file")])
    if len(prefixes) > 1:
        raise ConfigErrors([ConfigError("--to: the URLs have different paths", hint="use a configuration file")])
    route: dict[str, object] = {"upstream": UPSTREAM}
    prefix = prefixes.pop()
    if prefix:
        route["rewrite"] = {"add": prefix}
    upstream: dict[str, object] = {"endpoints": [str(target.address) for target in targets]}
    if targets[0].encrypted:
        upstream["tls"] = {}
    listener: dict[str, object] = {"bind": bind, "routes": [route]}
    if tls:
        listener["tls"] = tls
    return _made({"listeners": [listener], "upstreams": {UPSTREAM: upstream}})


def forward(listen: str, *, allow_private: bool = False) -> Config:
    """A forward proxy with the safe defaults at `listen`; `allow_private` lets it reach private addresses.

    Raises ConfigErrors.
    """
    bind = _argument("--listen", listen, _bind)
    targets = {"private": "allow" if allow_private else "deny"}
    return _made({"listeners": [{"bind": bind, "forward": {"targets": targets}}]})


def _tls(certificate: str, key: str, *, self_signed: bool) -> dict[str, object]:
    """Of the listener; empty: none."""
    if bool(certificate) != bool(key):
        raise ConfigErrors([ConfigError("--certificate and --key go together", hint="name both files, in PEM")])
    if certificate and self_signed:
        raise ConfigErrors([ConfigError("--self-signed: there is a --certificate", hint="name one of them")])
    if self_signed:
        return {"self_signed": True}
    if not certificate:
        return {}
    return {"certificates": [{"chain": str(Path(certificate).absolute()), "key": str(Path(key).absolute())}]}


def _bind(text: str) -> str:
    if text.isascii() and text.isdigit():
        # Only this machine unless more was said: a short form must not publish by accident.
        text = f"127.0.0.1:{text}"
    return str(parse_address(text, any_port=True))


class _Target(NamedTuple):
    address: Address
    prefix: str = ""
    encrypted: bool = False


def _target(text: str) -> _Target:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _Target(parse_address(text, default_port=80))
    if scheme.lower() not in ("http", "https"):
        raise Refused(f"{shown(text)} is not an http URL", "write host:port or http://host:port")
    if "@" in rest or "?" in rest or "#" in rest:
        raise Refused(f"{shown(text)} holds more than host, port and path", "write http://host:port/path")
    authority, slash, path = rest.partition("/")
    prefix = f"{slash}{path}".rstrip("/")
    encrypted = scheme.lower() == "https"
    return _Target(parse_address(authority, default_port=443 if encrypted else 80), prefix, encrypted)


def _argument(option: str, text: str, parse: Callable[[str], Parsed]) -> Parsed:
    try:
        return parse(text)
    except Refused as refused:
        raise ConfigErrors([ConfigError(f"{option}: {refused.message}", hint=refused.hint)]) from None


def _made(content: dict[str, object]) -> Config:
    try:
        config = Config.model_validate(content)
    except ValidationError as failure:
        raise ConfigErrors(translate(failure, Positions(None), "")) from None
    report = check(config)
    if report.errors:
        raise ConfigErrors(report.errors)
    return config
