"""One question to DNS servers: UDP, then TCP for truncated answers, or TLS or HTTPS; the next server when one fails.

The only file that knows dnspython. Every UDP question has a random number and a source port of its own;
answers from elsewhere, to other questions or malformed ones are passed over until the time is up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from limen.egress.sealed import SealedServer
from limen.faults import FaultNumber

#: Links of a CNAME chain, over all questions (dnspython follows 16 within one answer).
MAX_QUESTIONS = 8
#: Rounds through the list of servers.
ROUNDS = 2
#: Addresses kept of one answer.
MAX_ADDRESSES = 32
#: EDNS payload that passes unfragmented (DNS flag day 2020).
PAYLOAD = 1232
#: Encrypted questions are as long as a multiple of this, so that their length says little (RFC 8467, section 4.1).
PADDING = 128

#: Plain, by address and port, or asked over TLS or HTTPS.
Server = tuple[str, int] | SealedServer

_FAMILIES = {4: dns.rdatatype.A, 6: dns.rdatatype.AAAA}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one family of a name has: addresses and their TTL, or none with a fault."""

    addresses: tuple[str, ...]
    ttl: float  # seconds, as the servers said; of a negative answer too
    fault: int  # 0, DNS (no such name, no such address, servers failed) or DNS_TIMEOUT
    certain: bool  # False: nobody answered, so this says nothing about the name


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record (RFC 2782)."""

    target: str  # absolute, without the last dot; empty: the service is not offered here
    port: int
    priority: int
    weight: int


@dataclass(frozen=True, slots=True)
class Services:
    """What SRV records a name has, and the addresses of their targets that came along."""

    services: tuple[Service, ...]
    additional: Mapping[str, tuple[str, ...]]  # by target, of any family
    ttl: float
    fault: int  # as of Answer
    certain: bool


class _Refusal(Exception):
    """A server that cannot or will not say."""


async def look_up(
    name: str,
    family: int,
    servers: Sequence[Server],
    *,
    timeout: float,
    count: Callable[[], None],
    most: int = MAX_ADDRESSES,
) -> Answer:
    """Ask for the addresses of `family` (4 or 6) of an absolute `name` within `timeout` seconds.

    Never raises but for cancellation. `count` is called for every question sent; `most` addresses are kept.
    """
    kind = _FAMILIES[family]
    deadline = time.monotonic() + timeout
    ttl = float("inf")
    try:
        question = dns.name.from_text(name, origin=dns.name.root)
        for _ in range(MAX_QUESTIONS):
            response = await _ask(question, kind, servers, deadline=deadline, count=count)
            found = response.resolve_chaining()
            ttl = min(ttl, found.minimum_ttl)
            if found.answer is not None:
                addresses = tuple(dict.fromkeys(record.address for record in found.answer))
                return Answer(addresses[:most], ttl, FaultNumber.NONE, certain=True)
            if found.canonical_name == question or response.rcode() == dns.rcode.NXDOMAIN:
                return Answer((), ttl, FaultNumber.DNS, certain=True)
            question = found.canonical_name
    except TimeoutError:
        return Answer((), 0, FaultNumber.DNS_TIMEOUT, certain=False)
    except (dns.exception.DNSException, _Refusal):
        return Answer((), 0, FaultNumber.DNS, certain=False)
    return Answer((), ttl, FaultNumber.DNS, certain=True)  # a CNAME chain without an end


async def look_up_services(
    name: str, servers: Sequence[Server], *, timeout: float, count: Callable[[], None]
) -> Services:
    """Ask for the SRV records of an absolute `name` within `timeout` seconds; as `look_up` otherwise."""
    deadline = time.monotonic() + timeout
    try:
        question = dns.name.from_text(name, origin=dns.name.root)
        response = await _ask(question, dns.rdatatype.SRV, servers, deadline=deadline, count=count)
        found = response.resolve_chaining()
    except TimeoutError:
        return Services((), {}, 0, FaultNumber.DNS_TIMEOUT, certain=False)
    except (dns.exception.DNSException, _Refusal):
        return Services((), {}, 0, FaultNumber.DNS, certain=False)
    if found.answer is None:
        return Services((), {}, found.minimum_ttl, FaultNumber.DNS, certain=True)
    services = tuple(
        Service(_plain(record.target), record.port, record.priority, record.weight) for record in found.answer
    )
    # what nobody asked for is believed of the targets alone
    targets = {service.target for service in services}
    additional: dict[str, tuple[str, ...]] = {}
    ttl = found.minimum_ttl
    for records in response.additional:
        target = _plain(records.name)
        if records.rdtype in _FAMILIES.values() and target in targets:
            additional[target] = (*additional.get(target, ()), *(record.address for record in records))
            ttl = min(ttl, records.ttl)
    return Services(services, additional, ttl, FaultNumber.NONE, certain=True)


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


async def _ask(
    question: dns.name.Name,
    kind: dns.rdatatype.RdataType,
    servers: Sequence[Server],
    *,
    deadline: float,
    count: Callable[[], None],
) -> dns.message.QueryMessage:
    """The first answer that is one: the name's records, or that there are none."""
    refused = False
    share = (deadline - time.monotonic()) / max(1, ROUNDS * len(servers))
    for _ in range(ROUNDS):
        for server in servers:
            left = min(deadline - time.monotonic(), share)
            if left <= 0:
                raise TimeoutError
            try:
                return await _ask_one(question, kind, server, timeout=left, count=count)
            except (_Refusal, OSError, EOFError, dns.exception.DNSException) as error:
                refused = refused or not isinstance(error, (TimeoutError, dns.exception.Timeout))
    if refused:
        raise _Refusal
    raise TimeoutError


async def _ask_one(
    question: dns.name.Name,
    kind: dns.rdatatype.RdataType,
    server: Server,
    *,
    timeout: float,
    count: Callable[[], None],
) -> dns.message.QueryMessage:
    async with asyncio.timeout(timeout):
        response = await _exchange(question, kind, server, edns=True, count=count)
        if response.rcode() in (dns.rcode.FORMERR, dns.rcode.NOTIMP):  # servers older than EDNS
            response = await _exchange(question, kind, server, edns=False, count=count)
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise _Refusal
    return response


async def _exchange(
    question: dns.name.Name,
    kind: dns.rdatatype.RdataType,
    server: Server,
    *,
    edns: bool,
    count: Callable[[], None],
) -> dns.message.QueryMessage:
    query = dns.message.make_query(question, kind, use_edns=0 if edns else False, payload=PAYLOAD)
    count()
    if isinstance(server, SealedServer):
        return await _exchange_sealed(question, kind, server, edns=edns)
    address, port = server
    response, _ = await dns.asyncquery.udp_with_fallback(
        query, address, port=port, ignore_unexpected=True, ignore_errors=True
    )
    if not isinstance(response, dns.message.QueryMessage):
        raise _Refusal
    return response


async def _exchange_sealed(
    question: dns.name.Name, kind: dns.rdatatype.RdataType, server: SealedServer, *, edns: bool
) -> dns.message.QueryMessage:
    """A failure is a failure: the question is never asked in the clear instead."""
    query = dns.message.make_query(
        question,
        kind,
        use_edns=0 if edns else False,
        payload=PAYLOAD,
        pad=PADDING * edns,
        # The same question is the same content over HTTPS, for caches (RFC 8484, section 4.1); TLS numbers them itself.
        id=0,
    )
    message, age = await server.ask(query.to_wire())
    response = dns.message.from_wire(message)
    if not isinstance(response, dns.message.QueryMessage) or not query.is_response(response):
        raise _Refusal
    if response.flags & dns.flags.TC:
        raise _Refusal  # nothing that a stream could not hold
    for records in chain(response.answer, response.authority, response.additional) if age else ():
        records.ttl = max(0, records.ttl - age)
    return response
