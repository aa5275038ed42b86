"""A small DNS server on 127.0.0.1 (UDP and TCP on one port) whose answers a test writes down."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

#: What a test may do with a question itself: return the answer, or None for silence.
Behaviour = Callable[[dns.message.Message], "dns.message.Message | None"]


@dataclass
class NameServer:
    """Use as `async with`. `zone` maps (name, type) to records "ttl type value"; a name without any
    entry does not exist. Counts its questions."""

    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    truncate: bool = False  # UDP answers are cut, so that TCP is needed
    silent: set[str] = field(default_factory=set)  # types that are not answered
    delay: dict[str, float] = field(default_factory=dict)  # type to seconds
    held: set[str] = field(default_factory=set)  # types whose answers by UDP wait for `release`
    kept: list[Callable[[], None]] = field(default_factory=list)
    behaviour: Behaviour | None = None
    negative_ttl: int = 60
    additional: bool = False  # the addresses of SRV targets come along
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_tcp: int = 0
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, name: str, *records: str) -> None:
        for record in records:
            kind = record.split()[1]
            self.zone.setdefault((name, kind), []).append(record)

    def put(self, name: str, *records: str) -> None:
        """Instead of what the name had, of the types of these records."""
        for kind in {record.split()[1] for record in records}:
            self.zone[name, kind] = [record for record in records if record.split()[1] == kind]

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        if kind in self.silent:
            return None
        if self.behaviour:
            return self.behaviour(query)
        response = dns.message.make_response(query)
        at = name
        while (at, "CNAME") in self.zone and len(response.answer) < 20:
            ttl, _, value = self.zone[at, "CNAME"][0].split()
            response.answer.append(dns.rrset.from_text(f"{at}.", int(ttl), "IN", "CNAME", value))
            at = value.rstrip(".")
            if (at, "outside") in self.zone:  # the rest must be asked for
                return response
        records = [record.split() for record in self.zone.get((at, kind), [])]
        if records:
            response.answer.append(
                dns.rrset.from_text(f"{at}.", int(records[0][0]), "IN", kind, *(" ".join(r[2:]) for r in records))
            )
            if kind == "SRV" and self.additional:
                self._add_targets(response, [r[-1].rstrip(".") for r in records])
        elif not any(known == at for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if not records:
            soa = f"ns.test. root.test. 1 2 3 4 {self.negative_ttl}"
            response.authority.append(dns.rrset.from_text("test.", self.negative_ttl, "IN", "SOA", soa))
        return response

    def _add_targets(self, response: dns.message.Message, targets: list[str]) -> None:
        for target in dict.fromkeys(targets):
            for kind in ("A", "AAAA"):
                records = [record.split() for record in self.zone.get((target, kind), [])]
                if records:
                    found = dns.rrset.from_text(f"{target}.", int(records[0][0]), "IN", kind, *(r[2] for r in records))
                    response.additional.append(found)

    def release(self) -> None:
        """Sends the answers that were held, and holds no more."""
        self.held.clear()
        kept, self.kept = self.kept, []
        for send in kept:
            send()

    def send_or_keep(self, kind: str, send: Callable[[], None]) -> None:
        if kind in self.held:
            self.kept.append(send)
        else:
            asyncio.get_running_loop().call_later(self.delay.get(kind, 0), send)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for attempt in range(10):
            self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self._tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Udp(self), local_addr=("127.0.0.1", self.port)
                )
            except OSError:
                # another process asks somebody from the UDP port of that number
                self._tcp.close()
                if attempt == 9:
                    raise
            else:
                break
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        self.by_tcp += 1
        response = self.answer(dns.message.from_wire(await reader.readexactly(size)))
        if response is not None:
            wire = response.to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2, "big") + wire)
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # of another class at run time in 3.11

    def datagram_received(self, packet: bytes, peer: tuple[str | object, int]) -> None:
        query = dns.message.from_wire(packet)
        if self._server.truncate:
            response: dns.message.Message | None = dns.message.make_response(query)
            assert response
            response.flags |= dns.flags.TC
        else:
            response = self._server.answer(query)
        if response is not None:
            kind = dns.rdatatype.to_text(query.question[0].rdtype)
            self._server.send_or_keep(kind, functools.partial(self._send, _fitting(query, response), peer))

    def _send(self, packet: bytes, peer: tuple[str | object, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(packet, peer)


def _fitting(query: dns.message.Message, response: dns.message.Message) -> bytes:
    """The answer, or that it has to be asked for over TCP."""
    try:
        return response.to_wire()
    except dns.exception.TooBig:
        cut = dns.message.make_response(query)
        cut.flags |= dns.flags.TC
        return cut.to_wire()
