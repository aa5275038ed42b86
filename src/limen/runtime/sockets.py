"""Listening sockets: how an address is written, bound, shared among workers and given up.

A TCP listener has one SO_REUSEPORT socket per worker, a unix listener one for all. The supervisor keeps every one of
them open, so that a worker that dies or is replaced loses no connection that waits in a backlog.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from limen.config.addresses import Address
from limen.errors import LimenError

# The kernel cuts this to net.core.somaxconn (4096 on Linux >= 5.4).
BACKLOG = 4096
# linux/in.h, linux/in6.h: Python has no names for them.
_IP_TRANSPARENT = 19
_IPV6_TRANSPARENT = 75


class BindError(LimenError):
    """An address cannot be listened on; the text says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class ListenerSockets:
    """The bound sockets of one listener; TCP: index = worker, as far as there are workers."""

    key: str
    address: Address
    """As bound, with the chosen port."""
    sockets: tuple[socket.socket, ...]

    def for_worker(self, number: int, *, workers: int) -> list[socket.socket]:
        """What worker `number` of `workers` serves. Sockets beyond the count go to the others: none may starve."""
        if self.address.path:
            return [self.sockets[0]]
        return [sock for index, sock in enumerate(self.sockets) if index % workers == number]

    def open(self, sockets: Iterable[socket.socket]) -> None:
        """Lets connections in on some of the sockets; again on an open one is harmless. Raises BindError.

        Bound and not yet open, a socket takes no connection that nobody would answer if all comes to nothing.
        """
        for sock in sockets:
            try:
                sock.listen(BACKLOG)
            except OSError as error:
                raise BindError(f"cannot listen on {self.address}: {_reason(error)}") from error

    def close(self, *, unlink: bool = True) -> None:
        """Closes the supervisor's own descriptors; `unlink` removes a unix socket's path."""
        if self.address.path and unlink:
            remove_unix_path(self.address.path, self.sockets[0])
        for sock in self.sockets:
            sock.close()


def listen_all(
    key: str,
    address: Address,
    *,
    workers: int,
    inherited: Sequence[socket.socket] = (),
    own_ports: Collection[int] = (),
) -> ListenerSockets:
    """Binds what one listener needs (`open` lets connections in): takes over `inherited` sockets, adds the missing.

    `own_ports` are ports this supervisor listens on already: not asked whether somebody else does. Raises BindError;
    then nothing new stays open (inherited sockets do).
    """
    if address.path:
        sock = inherited[0] if inherited else listen_unix(address.path)
        return ListenerSockets(key, address, (sock,))
    sockets = list(inherited)
    try:
        if sockets:
            address = _bound(sockets[0])
        elif address.port and address.port not in own_ports:
            _refuse_taken(address)
        while len(sockets) < workers:
            sockets.append(_bind_tcp(address, shared=True))
            address = _bound(sockets[0])
    except BindError:
        for sock in sockets[len(inherited) :]:
            sock.close()
        raise
    return ListenerSockets(key, address, tuple(sockets))


def make_transparent(listener: ListenerSockets) -> None:
    """Lets sockets take connections to any address (TPROXY); harmless when they do already. Raises BindError."""
    for sock in listener.sockets:
        level, option = (socket.SOL_IP, _IP_TRANSPARENT)
        if sock.family == socket.AF_INET6:
            level, option = (socket.IPPROTO_IPV6, _IPV6_TRANSPARENT)
        try:
            sock.setsockopt(level, option, 1)
        except OSError as error:
            reason = "it needs CAP_NET_ADMIN" if error.errno == errno.EPERM else _reason(error)
            raise BindError(f"`transparent: tproxy` on {listener.address}: {reason}") from error


def listen_one(address: Address) -> socket.socket:
    """One socket that nobody else may share (the admin address; a path gets mode 0600). Raises BindError."""
    if address.path:
        return listen_unix(address.path, mode=0o600)
    sock = _bind_tcp(address, shared=False)
    sock.listen(BACKLOG)
    return sock


def listen_unix(path: str, *, mode: int | None = None) -> socket.socket:
    """Binds a unix socket, replacing one that nobody listens on any more. Raises BindError."""
    _clear_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        if mode is not None:
            # Before listen(): until then nobody can connect.
            os.chmod(path, mode)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise BindError(f"cannot listen on unix:{path}: {_reason(error)}") from error
    return sock


def remove_unix_path(path: str, sock: socket.socket) -> None:
    """Removes the path of our socket, if it is one still: while we listen nobody else takes the path over."""
    with contextlib.suppress(OSError):
        if sock.getsockname() == path and stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


def describe(sock: socket.socket) -> str:
    """The address a socket is bound to, as it would be configured."""
    return str(_bound(sock))


def _bound(sock: socket.socket) -> Address:
    name = sock.getsockname()
    if isinstance(name, str):
        return Address(path=name)
    return Address(host=str(name[0]), port=int(name[1]))


def _bind_tcp(address: Address, *, shared: bool) -> socket.socket:
    sock, sockaddr = _socket_for(address)
    try:
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(sockaddr)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
    return sock


def _refuse_taken(address: Address) -> None:
    """SO_REUSEPORT would silently share the port with any process of our user: ask once without it."""
    sock, sockaddr = _socket_for(address)
    try:
        sock.bind(sockaddr)
    except OSError as error:
        raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
    finally:
        sock.close()


def _socket_for(address: Address) -> tuple[socket.socket, tuple[object, ...]]:
    try:
        family, kind, protocol, _, sockaddr = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # [::] means IPv6 only, whatever the system's default: mapped IPv4 addresses would slip past address rules.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock, sockaddr


def _clear_stale(path: str) -> None:
    try:
        found = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise BindError(f"cannot listen on unix:{path}: there is a file of that name that is not a socket")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        probe.connect(path)
    except ConnectionRefusedError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    except OSError as error:
        # EAGAIN: somebody listens and is busy. Anything else: not ours to remove.
        reason = "address already in use" if error.errno == errno.EAGAIN else _reason(error)
        raise BindError(f"cannot listen on unix:{path}: {reason}") from error
    else:
        raise BindError(f"cannot listen on unix:{path}: address already in use: another process listens there")
    finally:
        probe.close()


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "address already in use: another process listens there"
        case errno.EACCES:
            return "permission denied (ports below 1024 need privileges or CAP_NET_BIND_SERVICE)"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return error.strerror or str(error)
