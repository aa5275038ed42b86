"""The authorities of bridging, as the admin address serves them for installation.

    /ca             a page with names, fingerprints and links
    /ca/NAME.pem    the certificate; NAME.crt is the same in DER

Certificates are read, parsed and written again: whatever else stands in the file, such as a key, stays there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from limen.errors import ConfigError

if TYPE_CHECKING:
    from cryptography import x509

    from limen.config.models.bridge import BridgeAuthority

PEM_TYPE = "application/x-pem-file"
DER_TYPE = "application/x-x509-ca-cert"

_STYLE = "body{font-family:sans-serif;max-width:48em;margin:2em auto;padding:0 1em}td{padding:.1em 1em .1em 0}"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Download:
    """One file of `/ca`."""

    content: bytes
    content_type: str


def names_of(authorities: Sequence[BridgeAuthority]) -> dict[str, BridgeAuthority]:
    """A name for each, made from its file's, safe in a URL and unique."""
    named: dict[str, BridgeAuthority] = {}
    for authority in authorities:
        stem = _UNSAFE.sub("-", Path(authority.certificate).stem).strip("-") or "authority"
        name, number = stem, 2
        while name in named:
            name, number = f"{stem}-{number}", number + 1
        named[name] = authority
    return named


def page(authorities: Sequence[BridgeAuthority]) -> str:
    """The page of `/ca`: HTML without anything from elsewhere. A certificate that cannot be read is told as such."""
    # Only who asks for the page loads the library.
    from limen.control.authority_forms import common_name, described

    parts = []
    for name, authority in names_of(authorities).items():
        try:
            certificate = _certificate(authority)
        except ConfigError as error:
            parts.append(f"<h2>{html.escape(name)}</h2><p>{html.escape(str(error))}</p>")
            continue
        rows = "".join(
            f"<tr><td>{html.escape(label)}</td><td><code>{html.escape(value)}</code></td></tr>"
            for label, value in described(certificate)
        )
        parts.append(
            f"<h2>{html.escape(common_name(certificate))}</h2><table>{rows}</table>"
            f'<p><a href="/ca/{name}.pem">{name}.pem</a> (Linux, Firefox) &middot; '
            f'<a href="/ca/{name}.crt">{name}.crt</a> (Windows, macOS, Android)</p>'
        )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Authorities</title><style>{_STYLE}</style>'
        "</head><body><h1>Authorities</h1><p>This proxy opens TLS to some hosts and shows certificates signed by these "
        "authorities. Install one only if your organisation asks you to, and compare its fingerprint first: it can be "
        f"any site to whoever trusts it.</p>{''.join(parts)}</body></html>\n"
    )


def download(authorities: Sequence[BridgeAuthority], file: str) -> Download | None:
    """The file `NAME.pem` or `NAME.crt` of `/ca`; None for another. Raises ConfigError if it cannot be read."""
    from limen.control.authority_forms import written

    name, _, ending = file.rpartition(".")
    authority = names_of(authorities).get(name)
    if authority is None or ending not in ("pem", "crt"):
        return None
    certificate = _certificate(authority)
    if ending == "pem":
        return Download(written(certificate, "pem"), PEM_TYPE)
    return Download(written(certificate, "der"), DER_TYPE)


def _certificate(authority: BridgeAuthority) -> x509.Certificate:
    from limen.tls.authority import certificate_of, read_file

    return certificate_of(read_file(Path(authority.certificate)))
