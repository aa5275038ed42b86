"""An exchange's handle kept in memory: what a hook changed can be looked at."""

from __future__ import annotations

from limen.exchange import BodyTooLarge
from limen.exchange.encryption import TlsFacts


class MemoryHandle:
    """Implements limen.exchange.Handle; `calls` are the changes that were handed over."""

    def __init__(self, method: str = "GET", target: str = "/path?a=1", body: bytes = b"") -> None:
        self.method, self.request_target, self.authority = method, target, "example.com"
        self.request_fields = [("Host", "example.com"), ("Accept", "a"), ("accept", "b"), ("X-Old", "1")]
        self.status = 200
        self.response_fields = [("Content-Type", "text/html"), ("Content-Length", "5")]
        self.content = body
        self.reads = 0
        self.looks = 0
        self.destination: tuple[str, int] | None = None
        self.tls_facts: TlsFacts | None = None
        self.calls: list[tuple[object, ...]] = []

    def client(self) -> tuple[str, int]:
        return "192.0.2.7", 1234

    def tls(self) -> TlsFacts | None:
        self.looks += 1
        return self.tls_facts

    def names(self) -> tuple[str, str]:
        return "entry", "api"

    def target(self) -> tuple[str, int] | None:
        return self.destination

    def request_head(self) -> tuple[str, str, str, str, list[tuple[str, str]]]:
        self.looks += 1
        return self.method, self.request_target, self.authority, "1.1", list(self.request_fields)

    def response_head(self) -> tuple[int, str, list[tuple[str, str]]]:
        self.looks += 1
        return self.status, "1.1", list(self.response_fields)

    async def read_body(self, limit: int) -> bytes:
        self.reads += 1
        if len(self.content) > limit:
            raise BodyTooLarge(f"over {limit} bytes")
        return self.content

    def replace_request(self, method: str, target: str, authority: str, fields: list[tuple[str, str]] | None) -> None:
        self.calls.append(("request", method, target, authority, fields))

    def replace_response(self, status: int, fields: list[tuple[str, str]] | None) -> None:
        self.calls.append(("response", status, fields))

    def set_target(self, host: str, port: int) -> None:
        self.calls.append(("target", host, port))

    def set_body(self, body: bytes) -> None:
        self.calls.append(("body", body))

    def reply(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        self.calls.append(("reply", status, fields, body))
