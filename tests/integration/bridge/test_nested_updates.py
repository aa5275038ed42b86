"""Keys that change in the outer TLS of a bridged connection while the inner one shakes hands and speaks.

Neither Python's ssl nor curl changes keys, so the outer TLS is done by hand here, from the secrets of its handshake.
"""

import json
import os
import socket
import ssl
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.integration.bridge.conftest import bridging
from tests.integration.tls.test_bad_input import expanded
from tests.support import LimenProcess, Reply, ScriptedOrigin
from tests.support.certificates import Authority
from tests.support.nested import NestedSocket

CONTENT, HANDSHAKE, ALERT = 0x17, 0x16, 0x15
LARGE = os.urandom(300_000)


class Direction:
    """Records of TLS_AES_256_GCM_SHA384 in one direction (RFC 8446, 5.2)."""

    def __init__(self, secret: bytes) -> None:
        self._follow(secret)

    def _follow(self, secret: bytes) -> None:
        self._secret, self._number = secret, 0
        self._key, self._iv = AESGCM(expanded(secret, b"key", 32)), expanded(secret, b"iv", 12)

    def update(self) -> None:
        """The next keys."""
        self._follow(expanded(self._secret, b"traffic upd", 48))

    def _nonce(self) -> bytes:
        number = self._number
        self._number += 1
        return (int.from_bytes(self._iv) ^ number).to_bytes(12)

    def seal(self, kind: int, content: bytes) -> bytes:
        """One record."""
        head = b"\x17\x03\x03" + struct.pack(">H", len(content) + 17)
        return head + self._key.encrypt(self._nonce(), content + bytes([kind]), head)

    def open(self, head: bytes, sealed: bytes) -> tuple[int, bytes]:
        """Kind and content."""
        content = self._key.decrypt(self._nonce(), sealed, head).rstrip(b"\0")
        return content[-1], content[:-1]


class ChangingTls:
    """A client that changes its keys before each record, and asks the other side to do so, too."""

    def __init__(self, raw: socket.socket, keys: str) -> None:
        secrets = {words[0]: bytes.fromhex(words[2]) for words in map(str.split, keys.splitlines()) if len(words) == 3}
        self._raw = raw
        self._file = raw.makefile("rb")
        self._out = Direction(secrets["CLIENT_TRAFFIC_SECRET_0"])
        self._in = Direction(secrets["SERVER_TRAFFIC_SECRET_0"])
        self._ready = b""
        self.changed = 0
        """By the other side."""

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), 5000):
            self._raw.sendall(self._out.seal(HANDSHAKE, b"\x18\x00\x00\x01\x01"))
            self._out.update()
            self._raw.sendall(self._out.seal(CONTENT, data[start : start + 5000]))

    def recv(self, size: int) -> bytes:
        while not self._ready:
            head = self._file.read(5)
            if len(head) < 5:
                return b""
            kind, content = self._in.open(head, self._file.read(int.from_bytes(head[3:])))
            if kind == CONTENT:
                self._ready = content
            elif kind == ALERT:
                return b""
            elif content[0] == 0x18:
                self._in.update()
                self.changed += 1
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def close(self) -> None:
        self._file.close()
        self._raw.close()

    def shutdown(self, how: int) -> None:
        self._raw.shutdown(how)

    def settimeout(self, seconds: float | None) -> None:
        self._raw.settimeout(seconds)

    def gettimeout(self) -> float | None:
        return self._raw.gettimeout()

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self._raw.setsockopt(level, option, value)


@pytest.mark.sanitize
def test_keys_change_below(dns, organisation: Authority, internet: Authority, tmp_path) -> None:
    pair = internet.issue("localhost")
    config = {
        "workers": 1,
        "resolver": {"servers": [dns.address], "hosts": False},
        "listeners": [
            {
                "bind": "127.0.0.1:@PORT@",
                "tls": {"certificates": [{"chain": str(pair.chain), "key": str(pair.key)}]},
                "forward": {
                    "targets": {"private": "allow"},
                    "access": [{"allow": {}}],
                    "bridge": bridging(organisation, internet),
                },
            }
        ],
    }
    outer = internet.trusting()
    outer.minimum_version = ssl.TLSVersion.TLSv1_3
    outer.keylog_filename = str(tmp_path / "keys")
    with (
        ScriptedOrigin(
            lambda request, _: Reply(content=request.content), tls=internet.serving(internet.issue("a.example"))
        ) as origin,
        LimenProcess(json.dumps(config, indent=1)) as proxy,
        proxy.connect() as client,
    ):
        client.secure(outer, "localhost")
        assert client.socket.cipher()[0] == "TLS_AES_256_GCM_SHA384"
        raw = socket.socket(fileno=client.socket.detach())
        raw.settimeout(60)
        changing = ChangingTls(raw, (tmp_path / "keys").read_text())
        client.socket = changing
        target = f"a.example:{origin.port}"
        client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
        assert client.read_response("CONNECT").status == 200
        client.socket = NestedSocket(changing, organisation.trusting(), "a.example")
        for size in (0, 1, 20_000, len(LARGE)):
            response = client.request("POST", "/", host=target, content=LARGE[:size])
            assert (response.status, response.content) == (200, LARGE[:size])
        assert changing.changed > 10
