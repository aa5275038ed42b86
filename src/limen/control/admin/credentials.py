"""Credentials of the admin address: the token of scripts, the users at browsers, and the patience with wrong ones."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

# Wrong ones in a row that cost nothing; then a pause that doubles. In seconds.
FREE_ATTEMPTS = 5
LONGEST_PAUSE = 60.0
# So long after its last failure a client starts anew, and so many clients are remembered.
MEMORY = 600.0
MOST_CLIENTS = 4096


class Shown(enum.Enum):
    """What a client has shown."""

    NOTHING = "nothing"
    WRONG = "wrong"
    TOKEN = "token"  # noqa: S105 the kind of credential
    USER = "user"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Those of one configuration."""

    token: str | None = None
    users: Mapping[str, str] | None = None

    def judge(self, authorization: str | None) -> Shown:
        """What the Authorization field shows; takes the same time for every wrong secret."""
        if not authorization:
            return Shown.NOTHING
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return Shown.TOKEN if _same(rest.strip(), self.token) else Shown.WRONG
        if scheme.lower() != "basic":
            return Shown.WRONG
        name, password = _pair(rest)
        found = False
        # All are compared, whoever it is.
        for user, secret in (self.users or {}).items():
            is_user = _same(name, user)
            is_secret = _same(password, secret)
            found |= is_user and is_secret
        return Shown.USER if found else Shown.WRONG

    @property
    def challenge(self) -> str:
        """WWW-Authenticate: what a browser, or a script, is asked for."""
        return 'Basic realm="limen", charset="UTF-8"' if self.users else 'Bearer realm="limen"'


class Attempts:
    """Wrong credentials by client address, an IPv6 client's by its /64; bounded."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, tuple[int, float, float]] = OrderedDict()  # number, last, wait until

    def pause(self, client: str, now: float) -> float:
        """Seconds that the client has still to wait; 0: it may try."""
        _, _, until = self._clients.get(_place(client), (0, 0.0, 0.0))
        return max(0.0, until - now)

    def failed(self, client: str, now: float) -> None:
        """One more was wrong."""
        place = _place(client)
        number, last, _ = self._clients.pop(place, (0, now, 0.0))
        number = 1 if now - last > MEMORY else number + 1
        over = number - FREE_ATTEMPTS
        self._clients[place] = (number, now, now + min(2.0 ** min(over, 10), LONGEST_PAUSE) if over >= 0 else 0.0)
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)

    def succeeded(self, client: str) -> None:
        """The right ones: forgotten what was before."""
        self._clients.pop(_place(client), None)


def _place(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _pair(text: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


def _same(given: str, secret: str | None) -> bool:
    # Digests have one length: not even that of the secret is told.
    expected = hashlib.sha256((secret or "").encode()).digest()
    return hmac.compare_digest(hashlib.sha256(given.encode(errors="surrogateescape")).digest(), expected) and bool(
        secret
    )
