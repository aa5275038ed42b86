"""Who may ask at a door. The control socket is guarded by its file mode; the admin address only by this file.

It has no login, so it must be safe against what reaches a loopback address all the same: web pages in a local browser
(cross-site requests, DNS rebinding) and proxies that could be talked into forwarding to it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

# Browsers do not send a field of this kind across sites without asking first (CORS preflight), and we never agree.
CONTROL_FIELD = "X-Limen-Control"
# Signs of a proxy on the way: nobody who forwards may reach this address.
_FORWARDED_FIELDS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via")


@dataclass(frozen=True, slots=True)
class Request:
    """What the guard looks at. `fields` must compare names without regard to case."""

    method: str
    fields: Mapping[str, str]
    client: str | None
    """IP address of the client; None on a unix socket."""


def refusal(request: Request) -> str | None:
    """Why this request may not be answered on the admin address; None when it may."""
    if request.client is not None and not _is_loopback(request.client):
        return "only clients on this machine are served"
    if request.client is not None and not _is_loopback_host(request.fields.get("Host", "")):
        return "the Host must be localhost or a loopback address"
    if any(name in request.fields for name in _FORWARDED_FIELDS):
        return "forwarded requests are not served"
    if "Origin" in request.fields or request.fields.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "requests of web pages are not served"
    if request.method not in ("GET", "HEAD") and CONTROL_FIELD not in request.fields:
        return f"the field {CONTROL_FIELD} is needed"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_loopback_host(authority: str) -> bool:
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit() or authority.endswith("]"):
        host = authority
    host = host.removeprefix("[").removesuffix("]").lower()
    return host == "localhost" or _is_loopback(host)
