"""What clients are told of this proxy: the proxy auto-configuration file, and the variables of shells.

The file keeps to what every browser's engine runs (ECMAScript 3), asks no name server, and decides by the host alone.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING

from limen.config.addresses import Address, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from limen.config.models.listeners import Listener
    from limen.config.models.pac import Pac

PATHS = ("/proxy.pac", "/wpad.dat")
LOCAL_HOSTS = ("localhost", ".localhost")
LOCAL_NETWORKS = ("127.0.0.0/8", "::1/128")

_WORDS = {"http": "PROXY", "https": "HTTPS", "socks5": "SOCKS5", "socks4": "SOCKS"}

_FILE = """\
// Made by Limen from its configuration.
var direct = new RegExp(@HOSTS@);
var networks4 = @NETWORKS4@;
var networks6 = @NETWORKS6@;

function four(host) {
    var parts = /^(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})$/.exec(host);
    return parts ? ((parts[1] * 256 + +parts[2]) * 256 + +parts[3]) * 256 + +parts[4] : -1;
}

function groups(text) {
    return text == "" ? [] : text.split(":");
}

function six(host) {
    var halves = host.split("::"), head = groups(halves[0]), bits = "";
    var tail = halves.length > 1 ? groups(halves[1]) : [];
    while (halves.length > 1 && head.length + tail.length < 8) {
        head.push("0");
    }
    head = head.concat(tail);
    for (var i = 0; i < head.length; i++) {
        bits += (65536 + parseInt(head[i], 16)).toString(2).slice(1);
    }
    return bits;
}

function FindProxyForURL(url, host) {
    var i, number, bits;
    host = host.toLowerCase().replace(/^\\[|\\]$/g, "").replace(/\\.$/, "");
    if (direct.test(host)@PLAIN@) {
        return "DIRECT";
    }
    number = four(host);
    for (i = 0; number >= 0 && i < networks4.length; i++) {
        if (number >= networks4[i][0] && number <= networks4[i][1]) {
            return "DIRECT";
        }
    }
    if (host.indexOf(":") >= 0) {
        bits = six(host);
        for (i = 0; i < networks6.length; i++) {
            if (bits.indexOf(networks6[i]) == 0) {
                return "DIRECT";
            }
        }
    }
    return @PROXIES@;
}
"""


def proxies_of(listener: Listener, address: Address) -> tuple[str, ...]:
    """URLs of the proxies that clients of a forward listener are told of; `address` is the one it is bound to."""
    forward = listener.forward
    if forward is None:
        return ()
    if forward.pac is not None and forward.pac.proxies is not None:
        return forward.pac.proxies
    found = []
    if forward.socks is None or not forward.socks.only:
        found.append(f"{'https' if listener.tls is not None else 'http'}://{address}")
    if forward.socks is not None and listener.tls is None:
        found.append(f"socks{max(forward.socks.versions)}://{address}")
    return tuple(found)


def pac_file(pac: Pac, proxies: Sequence[str]) -> str:
    """The file: ASCII, with line feeds."""
    networks = [ipaddress.ip_network(text) for text in (*LOCAL_NETWORKS, *pac.networks)]
    four = [[int(one[0]), int(one[-1])] for one in networks if one.version == 4]
    six = [f"{int(one[0]):0128b}"[: one.prefixlen] for one in networks if one.version == 6]
    lines = [f"{_WORDS[scheme]} {address}" for scheme, _, address in (proxy.partition("://") for proxy in proxies)]
    if pac.fallback == "direct" or not lines:
        lines.append("DIRECT")
    filled = {
        "HOSTS": json.dumps("|".join(f"^{_pattern(host)}$" for host in (*LOCAL_HOSTS, *pac.direct))),
        "NETWORKS4": json.dumps(four),
        "NETWORKS6": json.dumps(six),
        "PLAIN": ' || (host.indexOf(".") < 0 && host.indexOf(":") < 0)' if pac.plain_names else "",
        "PROXIES": json.dumps("; ".join(lines)),
    }
    return re.sub(r"@([A-Z0-9]+)@", lambda found: filled[found[1]], _FILE)


def _pattern(host: str) -> str:
    """A host as rules write it (exact, `.suffix`, glob) as a regular expression that means the same in JavaScript."""
    if host.startswith("."):
        return "(.*\\.)?" + _pattern(host[1:])
    pieces = re.split(r"(\*\*|\*|\?)", host.strip("[]").lower())
    meanings = {"**": ".*", "*": "[^.]*", "?": "[^.]"}
    return "".join(meanings.get(piece) or re.sub(r"([^a-z0-9_-])", r"\\\1", piece) for piece in pieces)


def variables(listener: Listener) -> dict[str, str]:
    """The variables by which programs find a proxy; empty for a listener that is none for them.

    `no_proxy` has no globs: hosts written so are left out, and go by the proxy. A host stands for all below it there.
    """
    forward = listener.forward
    if forward is None or forward.transparent is not None:
        return {}
    proxies = [_for_shells(proxy) for proxy in proxies_of(listener, _reached(listener.bind))]
    plain = next((proxy for proxy in proxies if proxy.startswith("http")), proxies[0] if proxies else "")
    socks = next((proxy for proxy in proxies if proxy.startswith("socks")), plain)
    if not plain:
        return {}
    return {
        "http_proxy": plain,
        "https_proxy": plain,
        "all_proxy": socks,
        "no_proxy": ",".join(_spared(forward.pac)),
    }


def _spared(pac: Pac | None) -> Iterator[str]:
    yield from ("localhost", "127.0.0.1", "::1")
    if pac is not None:
        yield from (host.lstrip(".").strip("[]") for host in pac.direct if "*" not in host and "?" not in host)
        yield from pac.networks


def _for_shells(proxy: str) -> str:
    """Programs such as curl resolve names themselves unless told that the proxy does."""
    scheme, _, address = proxy.partition("://")
    return f"{ {'socks5': 'socks5h', 'socks4': 'socks4a'}.get(scheme, scheme) }://{address}"


def _reached(bind: Address) -> Address:
    """A bound address as programs of this machine reach it."""
    if not bind.is_wildcard:
        return bind
    return parse_address(f"[::1]:{bind.port}" if ":" in bind.host else f"127.0.0.1:{bind.port}")
