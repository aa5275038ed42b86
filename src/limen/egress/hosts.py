"""The system's own files about names: /etc/hosts and /etc/resolv.conf, read anew when they change."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Hosts = dict[str, tuple[str, ...]]
Servers = tuple[tuple[str, int], ...]

#: A file's time is looked at not more often than this (seconds).
CHECK_INTERVAL = 1.0
#: A larger file is cut: these files are short, and they are read on the event loop.
MAX_SIZE = 1 << 20


class WatchedFile(Generic[T]):
    """A small file with its parsed content, `empty` while it cannot be read."""

    def __init__(self, path: str, parse: Callable[[str], T], *, empty: T) -> None:
        self._path = path
        self._parse = parse
        self._empty = empty
        self._content = empty
        self._signature: tuple[int, int, int] | None = None
        self._checked = float("-inf")

    def read(self) -> T:
        """The content as of at most CHECK_INTERVAL ago."""
        now = time.monotonic()
        if now - self._checked >= CHECK_INTERVAL:
            self._checked = now
            self._refresh()
        return self._content

    def _refresh(self) -> None:
        try:
            state = os.stat(self._path)
            signature = (state.st_mtime_ns, state.st_size, state.st_ino)
            if signature == self._signature:
                return
            with open(self._path, encoding="utf-8", errors="replace") as file:
                self._content = self._parse(file.read(MAX_SIZE))
            self._signature = signature
        except OSError:
            self._content, self._signature = self._empty, None


def parse_hosts(text: str) -> Hosts:
    """Lower-case name to addresses, in the order of the file. Lines without an address are ignored."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        address = words and _plain_address(words[0])
        if not address:
            continue
        for name in words[1:]:
            addresses = found.setdefault(name.lower().rstrip("."), [])
            if address not in addresses:
                addresses.append(address)
    return {name: tuple(addresses) for name, addresses in found.items()}


def parse_resolv(text: str) -> Servers:
    """The `nameserver` lines as (address, port). Search domains and options are not for a proxy."""
    found = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            found.append((words[1], 53))
    return tuple(found)


def parse_server(text: str) -> tuple[str, int]:
    """`ip`, `ip:port` or `[v6]:port` as (address, port). Raises ValueError."""
    address, port = text, "53"
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    if not _is_address(address):
        raise ValueError(f"{text!r} is not the address of a DNS server: write ip, ip:port or [v6]:port")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return address, int(port)


def _plain_address(text: str) -> str | None:
    """The address in its usual form; None for none, and for one with a scope, which no name should hide."""
    try:
        return str(ipaddress.ip_address(text)) if "%" not in text else None
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
