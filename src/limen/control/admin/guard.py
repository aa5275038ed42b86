"""Who may ask at a door. The control socket is guarded by its file mode; the admin address by this file.

Without credentials in the configuration only clients of this machine are served; with them, whoever shows them. Either
way it must be safe against what reaches it through others: web pages in an operator's browser (cross-site requests,
DNS rebinding) and proxies that could be talked into forwarding to it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

# Browsers do not send a field of this kind across sites without asking first (CORS preflight), and we never agree.
CONTROL_FIELD = "X-Limen-Control"
# Signs of a proxy on the way: nobody who forwards may reach this address for a client that shows nothing.
_FORWARDED_FIELDS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via")
_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Request:
    """What the guard looks at. `fields` must compare names without regard to case."""

    method: str
    fields: Mapping[str, str]
    client: str | None
    """IP address of the client; None on a unix socket."""
    path: str = "/"
    demands_credentials: bool = False
    """Whether they are looked at afterwards: then it may come from anywhere."""


def refusal(request: Request, hosts: Collection[str] = ()) -> str | None:
    """Why this request may not be answered on the admin address; None when it may, as far as its sender goes.

    `hosts` are names in lower case by which the address may be asked for beside those of loopback.
    """
    why = None if request.demands_credentials else _why_not_anybody(request)
    return why or _why_not_host(request, hosts) or _why_not_page(request)


def refusal_to_change(request: Request, *, bearer: bool) -> str | None:
    """Why it may not change anything: a browser could have been made to send it. `bearer`: it showed the token."""
    if request.method in _READING or bearer or CONTROL_FIELD in request.fields:
        return None
    return f"the field {CONTROL_FIELD} is needed"


def _why_not_anybody(request: Request) -> str | None:
    if request.client is not None and not _is_loopback(request.client):
        return "only clients on this machine are served: no users and no token are configured"
    if any(name in request.fields for name in _FORWARDED_FIELDS):
        return "forwarded requests are not served"
    return None


def _why_not_host(request: Request, hosts: Collection[str]) -> str | None:
    """A page elsewhere can have its name lead here (DNS rebinding); no address and none of our names."""
    if request.client is None:
        return None
    host = _host_of(request.fields.get("Host", ""))
    if host == "localhost" or _is_loopback(host) or host in hosts:
        return None
    if request.demands_credentials:
        return None if _is_address(host) else "the Host must be an IP address, localhost or one of admin.hosts"
    return "the Host must be localhost or a loopback address"


def _why_not_page(request: Request) -> str | None:
    """Only our own page may ask. A link elsewhere may lead to it, though: that shows it and tells nobody else."""
    origin = request.fields.get("Origin")
    if origin is not None and not _is_own(origin, request.fields.get("Host", "")):
        return "requests of other web pages are not served"
    site = request.fields.get("Sec-Fetch-Site", "none")
    if site in ("none", "same-origin") or _is_visit(request):
        return None
    return "requests of other web pages are not served"


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()


def _is_visit(request: Request) -> bool:
    return (
        request.method == "GET"
        and request.path == "/"
        and request.fields.get("Sec-Fetch-Mode") == "navigate"
        and request.fields.get("Sec-Fetch-Dest") == "document"
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _host_of(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit() or authority.endswith("]"):
        host = authority
    return host.removeprefix("[").removesuffix("]").lower()
