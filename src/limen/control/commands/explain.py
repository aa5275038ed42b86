"""`limen explain URL [FILE]`: which way a request would go, and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from limen.control.client import NotRunning, find
from limen.control.commands.parsers import Subparsers
from limen.control.explain_text import explained
from limen.runtime.explain.asked import Asked, AskedWrongly, Shown, ask


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "explain",
        help="say which way a request would go, and why",
        description="Says which listener, route, rule and endpoint a request would meet, and why the others not. "
        "Asked is the running instance, whose load and health are real; without one, or with --offline, FILE alone. "
        "Nothing is sent.",
    )
    parser.add_argument("url", metavar="URL", help="http://, https:// or tcp://; without a scheme http")
    parser.add_argument("file", metavar="FILE", nargs="?", help="the configuration")
    parser.add_argument("--control", metavar="PATH", help="the control socket of the instance, instead of FILE")
    parser.add_argument("--offline", action="store_true", help="ask FILE even if an instance runs it")
    parser.add_argument("--from", dest="client", metavar="ADDRESS", default="", help="the client (default 127.0.0.1)")
    parser.add_argument("--method", metavar="M", default="", help="default GET; CONNECT for https through a proxy")
    parser.add_argument(
        "--field", metavar="'Name: value'", action="append", default=[], help="a field of the request; repeatable"
    )
    parser.add_argument("--listener", metavar="NAME", default="", help="name or address; by default as the URL says")
    parser.add_argument("--as", dest="identity", metavar="NAME", default="", help="who asks, as if they had shown so")
    parser.add_argument("--group", metavar="NAME", action="append", default=[], help="a group of theirs; repeatable")
    parser.add_argument(
        "--certificate", metavar="CERT", help="the client's certificate (PEM or DER), as if it had held; not FILE's"
    )
    parser.add_argument(
        "--sni", metavar="NAME", default="", help="what the client's hello asks for (default: the host)"
    )
    parser.add_argument("--ja4", metavar="TEXT", default="", help="JA4 of the client's hello")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Prints the explanation. Raises AskedWrongly, NotRunning, Refused and what a wrong file raises."""
    asked = ask(
        options.url,
        client=options.client,
        method=options.method,
        fields=options.field,
        listener=options.listener,
        identity=options.identity,
        groups=options.group,
        shown=Shown(
            _certificate(options.certificate) if options.certificate is not None else b"", options.ja4, options.sni
        ),
    )
    answer = _answer(asked, options)
    print(json.dumps(answer, indent=2) if options.json else "\n".join(explained(answer)))
    return 0


def _certificate(path: str) -> bytes:
    """The first of the file, in DER. Raises AskedWrongly."""
    # slow to import, and seldom needed
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise AskedWrongly(f"{path}: {error.strerror}") from error
    if not content:
        raise AskedWrongly(f"{path} holds no certificate")
    try:
        if b"-----BEGIN" not in content:
            return content
        return x509.load_pem_x509_certificate(content).public_bytes(Encoding.DER)
    except ValueError as error:
        raise AskedWrongly(f"{path} holds no certificate") from error


def _answer(asked: Asked, options: argparse.Namespace) -> Mapping[str, object]:
    if not options.offline:
        try:
            return _of_instance(asked, options.file, options.control)
        except NotRunning:
            if options.file is None or options.control is not None:
                raise
    elif options.file is None:
        raise NotRunning("--offline needs a FILE")
    return _of_file(asked, options.file)


def _of_instance(asked: Asked, file: str | None, control: str | None) -> Mapping[str, object]:
    answer = json.loads(find(file, control).get("/explain?" + urlencode(asked.query())))
    return answer if isinstance(answer, dict) else {}


def _of_file(asked: Asked, file: str) -> Mapping[str, object]:
    # Only who explains a file needs the engine.
    from limen.config import read
    from limen.runtime.explain.alone import explain_alone
    from limen.runtime.provision import Provision

    absolute = Path(file).absolute()
    provision = Provision()
    loaded = provision.load(read(absolute))
    provision.prepare(loaded)
    return explain_alone(asked, loaded, str(absolute.parent), provision.lists.tables(), provision.tickets)
