"""An LDAP directory: binding as somebody proves the password. The only file that knows the LDAP library.

The library blocks, so questions are asked in threads. What clients write is escaped byte by byte, in distinguished
names (RFC 4514, 2.4) and in search filters (RFC 4515, 3): nothing of it is ever read as syntax. An empty password is
refused before anything is sent: directories take it for an anonymous bind, which succeeds (RFC 4513, 5.1.2).
"""

from __future__ import annotations

import math
import secrets
import ssl
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException

from limen.exchange.identity import Credentials
from limen.runtime.identity.hashing import Pool
from limen.runtime.identity.provider import Found, Proof, ProviderFailed

_ASKING = Pool("ldap", threads=4, waiting=64)
_GROUPS_MOST = 1000
_INVALID_CREDENTIALS = 49
# What a directory says of somebody who may not bind, whatever the password: locked, expired, unknown as such.
_REFUSING = {_INVALID_CREDENTIALS, 19, 32, 34, 48, 50, 53}
_ENTRIES_MOST = 2
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def escaped(text: str) -> str:
    """With every byte but ASCII letters and digits as a backslash and two hexadecimal digits, which both RFCs read."""
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:02x}" for byte in text.encode())


@dataclass(frozen=True, slots=True)
class GroupSearch:
    """How groups are found."""

    base: str
    find: str
    attribute: str


@dataclass(frozen=True, slots=True)
class Directory:
    """Where it is, and how it is asked."""

    url: str
    start_tls: bool = False
    ca: str | None = None
    dn: str | None = None
    base: str | None = None
    find: str = ""
    bind_dn: str | None = None
    bind_password: str | None = None
    groups: GroupSearch | None = None
    timeout: float = 5.0


class DirectoryProvider:
    """Basic credentials, verified by binding."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        return credentials.scheme == "basic"

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider."""
        if not credentials.password or "\0" in credentials.password:
            return None
        return await _ASKING.do(partial(ask, self._directory, credentials.name, credentials.password))

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. Only a bind with the password tells, which is not kept."""
        return proof.groups if proof.evidence == self._directory.url else None

    async def groups_of(self, name: str) -> tuple[str, ...]:
        """Of somebody whom another provider has identified; none of a name that it does not have.

        It has to be allowed to search by itself. Raises ProviderFailed and Overloaded.
        """
        return await _ASKING.do(partial(look_up, self._directory, name))


def ask(directory: Directory, name: str, password: str) -> Found | None:
    """Whether somebody of this name has this password, and in which groups they are. Raises ProviderFailed."""
    try:
        server = _server(directory)
        dn = directory.dn.replace("{name}", escaped(name)) if directory.dn is not None else None
        if dn is None:
            dn = _entry(directory, server, name)
        # for a name that nobody has a bind is made as well: the time tells nothing
        asked = dn or f"cn={secrets.token_hex(8)},{directory.base}"
        connection = _connection(directory, server, asked, password)
        try:
            if not _bind(directory, connection) or dn is None:
                return None
            return Found(name, _groups(directory, server, connection, dn, name), evidence=directory.url)
        finally:
            _close(connection)
    except (LDAPException, OSError, ValueError) as error:
        raise ProviderFailed(f"{directory.url}: {str(error) or type(error).__name__}") from None


def look_up(directory: Directory, name: str) -> tuple[str, ...]:
    """The groups of a name, asked as the one who searches. Raises ProviderFailed."""
    try:
        server = _server(directory)
        if directory.dn is not None:
            dn: str | None = directory.dn.replace("{name}", escaped(name))
        else:
            dn = _entry(directory, server, name)
        return _groups(directory, server, None, dn, name) if dn is not None else ()
    except (LDAPException, OSError, ValueError) as error:
        raise ProviderFailed(f"{directory.url}: {str(error) or type(error).__name__}") from None


def _server(directory: Directory) -> ldap3.Server:
    place = urlsplit(directory.url)
    encrypted = place.scheme == "ldaps"
    tls = None
    if encrypted or directory.start_tls:
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=directory.ca, version=ssl.PROTOCOL_TLS_CLIENT)
    return ldap3.Server(
        place.hostname or "",
        port=place.port or (636 if encrypted else 389),
        use_ssl=encrypted,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=directory.timeout,
    )


def _connection(directory: Directory, server: ldap3.Server, dn: str | None, password: str | None) -> ldap3.Connection:
    return ldap3.Connection(
        server,
        user=dn,
        password=password,
        authentication=ldap3.SIMPLE if dn is not None else ldap3.ANONYMOUS,
        auto_bind=ldap3.AUTO_BIND_NONE,
        auto_referrals=False,
        check_names=False,
        read_only=True,
        receive_timeout=math.ceil(directory.timeout),  # (whole seconds: it is packed as such)
    )


def _close(connection: ldap3.Connection) -> None:
    """Ends it, whether it was ever open: the library leaves a socket behind that could not connect."""
    connection.unbind()
    if connection.socket is not None:
        connection.socket.close()


def _bind(directory: Directory, connection: ldap3.Connection) -> bool:
    """Whether it took the name and the password."""
    connection.open()
    if directory.start_tls and not connection.start_tls():
        raise ProviderFailed(f"{directory.url}: TLS could not be begun")
    if connection.bind():
        return True
    code = connection.result["result"]
    if code in _REFUSING:
        return False
    raise ProviderFailed(f"{directory.url}: {connection.result['description']}")


def _entry(directory: Directory, server: ldap3.Server, name: str) -> str | None:
    """The one entry of a name; None for none, and for several."""
    connection = _connection(directory, server, directory.bind_dn, directory.bind_password)
    try:
        if not _bind(directory, connection):
            raise ProviderFailed(f"{directory.url}: it does not let us search")
        connection.search(
            directory.base or "",
            directory.find.replace("{name}", escaped(name)),
            attributes=["1.1"],
            size_limit=_ENTRIES_MOST,
            time_limit=max(1, int(directory.timeout)),
        )
        _expect_found(directory, connection)
        found = [entry["dn"] for entry in connection.response or () if entry["type"] == "searchResEntry"]
        return str(found[0]) if len(found) == 1 else None
    finally:
        _close(connection)


def _groups(
    directory: Directory, server: ldap3.Server, bound: ldap3.Connection | None, dn: str, name: str
) -> tuple[str, ...]:
    """Asked as the one who searches, if there is one, else as the client."""
    search = directory.groups
    if search is None:
        return ()
    connection = bound
    if connection is None or directory.bind_dn is not None:
        connection = _connection(directory, server, directory.bind_dn, directory.bind_password)
    try:
        if connection is not bound and not _bind(directory, connection):
            raise ProviderFailed(f"{directory.url}: it does not let us search")
        connection.search(
            search.base,
            search.find.replace("{dn}", escaped(dn)).replace("{name}", escaped(name)),
            attributes=[search.attribute],
            size_limit=_GROUPS_MOST,
            time_limit=max(1, int(directory.timeout)),
        )
        _expect_found(directory, connection)
        names: list[str] = []
        for entry in connection.response or ():
            if entry["type"] == "searchResEntry":
                names += [
                    value.decode("utf-8", "replace") for value in entry["raw_attributes"].get(search.attribute, ())
                ]
        return tuple(names)
    finally:
        if connection is not bound:
            _close(connection)


def _expect_found(directory: Directory, connection: ldap3.Connection) -> None:
    """Success, or more entries than were asked for; anything else is no answer."""
    if connection.result["result"] not in (0, 4, 32):
        raise ProviderFailed(f"{directory.url}: {connection.result['description']}")
