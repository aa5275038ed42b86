"""One probe: connect, encrypt, ask, look at the answer. Whatever happens becomes a finding; nothing is raised."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from limen.egress.passage import NotPassed, open_by
from limen.egress.probes.load import parse_load
from limen.egress.probes.question import Encryption, Question
from limen.egress.probes.response import HEAD_MOST, NoResponse, Response, read_response

# Of the content, this much is searched by a regular expression: a search may cost more than proportionally.
PATTERN_MOST = 4096

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host; none if there are none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found."""

    passed: bool
    reason: str
    seconds: float
    at: float
    """Unix time of its end."""
    load: float | None = None
    """How busy the endpoint said it is, 0 to 1."""


class Failed(Exception):
    """The probe has failed; the text says why."""


async def ask(question: Question, resolve: Resolve) -> Finding:
    """Probes once, within the probe's timeout."""
    timeout = question.probe.timeout
    began = time.monotonic()
    passed, load = False, None
    try:
        async with asyncio.timeout(timeout):
            reason, load = await _asked(question, resolve)
        passed = True
    except TimeoutError:
        reason = f"no answer within {timeout:g} s"
    except (Failed, NoResponse, NotPassed) as failure:
        reason = str(failure)
    except ssl.SSLError as error:
        reason = _tls_reason(error)
    except OSError as error:
        # asyncio has its own words for a failed connection
        reason = (os.strerror(error.errno) if error.errno else type(error).__name__).lower()
    return Finding(passed, reason, time.monotonic() - began, time.time(), load)


async def _asked(question: Question, resolve: Resolve) -> tuple[str, float | None]:
    reader, writer = await _connected(question, resolve)
    try:
        if question.encryption is not None and question.encryption.pins:
            _check_pin(writer, question.encryption)
        if question.probe.type != "http":
            return "connected" if question.probe.type == "tcp" else "handshake done", None
        writer.write(question.request)
        wants_content = question.probe.body is not None
        response = await read_response(reader, method=question.probe.method, content=wants_content)
        return judge(question, response), _load(question, response)
    finally:
        # the answer was all that was wanted of this connection, and its peer may be anything
        if question.encryption is not None:
            writer.transport.abort()
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()


async def _connected(question: Question, resolve: Resolve) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if question.passage is not None:
        return await open_by(question.passage, question.host, question.port, resolve, limit=HEAD_MOST)
    addresses = await resolve(question.host)
    if not addresses:
        raise Failed(f"{question.host} does not resolve")
    failure: OSError | None = None
    for address in addresses:
        try:
            return await _opened(question, address)
        except ssl.SSLError:
            raise
        except OSError as error:
            failure = error
    assert failure is not None  # noqa: S101 there was an address
    raise failure


async def _opened(question: Question, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    encryption = question.encryption
    if encryption is None or question.preface:
        reader, writer = await asyncio.open_connection(address, question.port, limit=HEAD_MOST)
        if question.preface:
            writer.write(question.preface)
        if encryption is not None:
            try:
                await writer.start_tls(encryption.context, server_hostname=encryption.server_name or question.host)
            except BaseException:
                writer.transport.abort()
                raise
        return reader, writer
    return await asyncio.open_connection(
        address,
        question.port,
        limit=HEAD_MOST,
        ssl=encryption.context,
        server_hostname=encryption.server_name or question.host,
    )


def _check_pin(writer: asyncio.StreamWriter, encryption: Encryption) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    key = load_der_x509_certificate(der).public_key() if der else None
    known = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if key is not None else b""
    if hashlib.sha256(known).digest() not in encryption.pins:
        raise Failed("certificate refused: its key is none of those pinned")


def judge(question: Question, response: Response) -> str:
    """The reason of a pass. Raises Failed with what is missing."""
    probe = question.probe
    if not any(response.status in statuses for statuses in probe.status):
        wanted = ", ".join(map(str, probe.status))
        raise Failed(f"status {response.status} is not {wanted}")
    for missing in _missing_fields(question, response):
        raise Failed(missing)
    if probe.body is not None and probe.body.contains and probe.body.contains.encode() not in response.content:
        raise Failed("the content lacks what `body` expects")
    if question.pattern is not None and question.pattern.search(response.content[:PATTERN_MOST]) is None:
        raise Failed("the content does not match the pattern of `body`")
    return f"status {response.status}"


def _missing_fields(question: Question, response: Response) -> Iterator[str]:
    for name, wanted in question.probe.fields.items():
        found = response.all_of(name)
        if wanted is False and found:
            yield f"the field {name} is there"
        elif wanted is True and not found:
            yield f"the field {name} is missing"
        elif isinstance(wanted, str) and wanted not in found:
            yield f"the field {name} is not {wanted}" if found else f"the field {name} is missing"


def _load(question: Question, response: Response) -> float | None:
    name = question.probe.load
    values = response.all_of(name) if name is not None else []
    return parse_load(values[0]) if values else None


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    return f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}"
