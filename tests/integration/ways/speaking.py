"""SOCKS as a client writes it, byte by byte: for what no ordinary client would send."""

import ipaddress

from tests.support import LimenProcess, RawClient

GREETING = b"\x05\x01\x00"


def target(host: str, port: int) -> bytes:
    """Kind, address, port, as requests, replies and datagrams have them."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\x03" + bytes([len(host)]) + host.encode("latin-1") + port.to_bytes(2, "big")
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed + port.to_bytes(2, "big")


def request5(host: str, port: int, command: int = 1) -> bytes:
    return bytes([5, command, 0]) + target(host, port)


def request4(host: str, port: int, command: int = 1, user: bytes = b"") -> bytes:
    """4, or 4a for a name."""
    start = bytes([4, command]) + port.to_bytes(2, "big")
    try:
        return start + ipaddress.IPv4Address(host).packed + user + b"\0"
    except ValueError:
        return start + b"\0\0\0\1" + user + b"\0" + host.encode("latin-1") + b"\0"


def read_reply5(client: RawClient) -> tuple[int, str, int]:
    """Code, bound address and port."""
    version, code, reserved, kind = client.read_exactly(4)
    assert (version, reserved) == (5, 0)
    address = ipaddress.ip_address(client.read_exactly({1: 4, 4: 16}[kind]))
    return code, str(address), int.from_bytes(client.read_exactly(2), "big")


def read_reply4(client: RawClient) -> int:
    reply = client.read_exactly(8)
    assert reply[0] == 0
    return reply[1]


def open5(proxy: LimenProcess, host: str, port: int, *, name: str = "PORT", command: int = 1) -> RawClient:
    """A connection that has greeted and asked; the reply has to be read."""
    client = proxy.connect(name)
    client.send(GREETING)
    assert client.read_exactly(2) == b"\x05\x00"
    return client.send(request5(host, port, command))


def faults(proxy: LimenProcess, label: str) -> float:
    """How often the fault of this label was counted, by all workers."""
    return sum(
        value for key, value in proxy.metrics().items() if key.startswith("limen_faults_total") and f'"{label}"' in key
    )
