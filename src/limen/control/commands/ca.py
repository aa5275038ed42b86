"""`limen ca create|show|export`: the authority of bridging."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from limen.control.commands.parsers import Subparsers
from limen.errors import ConfigError, LimenError

_DAYS = 3650
_FORMS = ("pem", "der", "p12", "mobileconfig")
_LONGEST_NAME = 64


def add(subparsers: Subparsers) -> None:
    """Declares the command and what it can do."""
    parser = subparsers.add_parser(
        "ca",
        help="make, show and export the authority of bridging",
        description="The authority that signs leaves of bridged hosts. Clients must be told to trust it; whoever has "
        "its key can be any site to them.",
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_create(actions)
    _add_show(actions)
    _add_export(actions)


def _add_create(actions: Subparsers) -> None:
    create = actions.add_parser(
        "create",
        help="make an authority",
        description="Writes a certificate and its key (mode 0600), never over files.",
    )
    create.add_argument("--certificate", metavar="FILE", default="ca.pem", help="where it goes (ca.pem)")
    create.add_argument("--key", metavar="FILE", default="ca.key", help="where its key goes (ca.key)")
    create.add_argument("--name", help="how clients see it (Limen bridge authority of this machine)")
    create.add_argument("--days", type=int, default=_DAYS, help=f"how long it holds ({_DAYS})")
    create.set_defaults(action=create_authority)


def _add_show(actions: Subparsers) -> None:
    show = actions.add_parser("show", help="print names, validity and fingerprints", description="Of a certificate.")
    show.add_argument("certificate", metavar="FILE", nargs="?", default="ca.pem", help="the certificate (ca.pem)")
    show.set_defaults(action=show_authority)


def _add_export(actions: Subparsers) -> None:
    export = actions.add_parser(
        "export",
        help="write the certificate for installation",
        description="Forms: pem (Linux, Firefox), der (Windows, Android), p12 (no key in it, no password), "
        "mobileconfig (iOS, macOS). The key is never written.",
    )
    export.add_argument("certificate", metavar="FILE", nargs="?", default="ca.pem", help="the certificate (ca.pem)")
    export.add_argument("--form", choices=_FORMS, default="pem", help="pem by default")
    export.add_argument("--output", metavar="FILE", default="-", help="where it goes; the standard output by default")
    export.set_defaults(action=export_authority)


def create_authority(options: argparse.Namespace) -> int:
    """Makes it. Raises ConfigError for a bad name or time, LimenError where a file is in the way."""
    from limen.control.authority_forms import described
    from limen.tls.authority import Authority

    if not 1 <= options.days <= 36500:
        raise ConfigError("--days: from 1 to 36500")
    name = options.name or f"Limen bridge authority of {socket.gethostname()}"[:_LONGEST_NAME]
    try:
        authority = Authority.create(name, options.days)
    except ValueError as error:
        raise ConfigError(f"--name: {error}") from None
    certificate, key = Path(options.certificate), Path(options.key)
    if certificate.absolute() == key.absolute():
        raise ConfigError("--certificate and --key name the same file")
    _write(key, authority.key_pem, 0o600)
    try:
        _write(certificate, authority.pem, 0o644)
    except LimenError:
        key.unlink()
        raise
    _print(described(authority.certificate))
    print(f"\nwritten: {certificate}, {key} (keep this one secret)")
    return 0


def show_authority(options: argparse.Namespace) -> int:
    """Prints what one compares before trusting it. Raises ConfigError."""
    from limen.control.authority_forms import described
    from limen.tls.authority import certificate_of, read_file

    _print(described(certificate_of(read_file(Path(options.certificate)))))
    return 0


def export_authority(options: argparse.Namespace) -> int:
    """Writes the certificate. Raises ConfigError, and LimenError where a file is in the way."""
    from limen.control.authority_forms import written
    from limen.tls.authority import certificate_of, read_file

    content = written(certificate_of(read_file(Path(options.certificate))), options.form)
    if options.output == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        _write(Path(options.output), content, 0o644)
    return 0


def _print(lines: list[tuple[str, str]]) -> None:
    for label, value in lines:
        print(f"{label + ':':<13}{value}")


def _write(path: Path, content: bytes, mode: int) -> None:
    """A new file with exactly this mode; an existing one is never touched. Raises LimenError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise LimenError(f"{path} exists and is not overwritten: remove it first, or name another file") from None
    except OSError as error:
        raise LimenError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
