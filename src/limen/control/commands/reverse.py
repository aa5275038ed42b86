"""`limen reverse --listen ADDR --to ADDR-OR-URL`: a gateway without a configuration file."""

from __future__ import annotations

import argparse
from urllib.parse import urlsplit

from limen.control.commands.parsers import Subparsers
from limen.control.compose import compose
from limen.control.serve import serve
from limen.errors import ConfigError
from limen.runtime.worker import DEFAULT_CORE


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "reverse",
        help="a gateway in one line",
        description="Passes every request to the origins named, in turn; the rest has the defaults of a configuration.",
    )
    parser.add_argument("--listen", metavar="ADDR", required=True, help="such as 127.0.0.1:8080")
    parser.add_argument(
        "--to", metavar="ADDR-OR-URL", required=True, action="append", help="an origin; several share the load"
    )
    parser.add_argument("--core", default=DEFAULT_CORE, help=argparse.SUPPRESS)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Serves until drained."""
    config = compose(
        {
            "listeners": [{"bind": options.listen, "routes": [{"upstream": "origins"}]}],
            "upstreams": {"origins": {"endpoints": [endpoint(to) for to in options.to]}},
        }
    )
    return serve(config, name=f"reverse {options.listen}", core=options.core)


def endpoint(to: str) -> str:
    """`host:port` of an address or an `http://` URL. Raises ConfigError for what is neither."""
    if "://" not in to:
        return to
    url = urlsplit(to)
    if url.scheme == "https":
        raise ConfigError(f"--to {to}: TLS to origins is not available in this version", hint="write http://host:port")
    if url.scheme != "http" or not url.hostname:
        raise ConfigError(f"--to {to} is not an origin", hint="write host:port or http://host:port")
    if url.path not in ("", "/") or url.query or url.fragment or url.username is not None:
        raise ConfigError(f"--to {to} has more than a host", hint="a path is for the `rewrite` of a configuration file")
    try:
        port = url.port or 80
    except ValueError:
        raise ConfigError(f"--to {to} has no valid port") from None
    return f"[{url.hostname}]:{port}" if ":" in url.hostname else f"{url.hostname}:{port}"
