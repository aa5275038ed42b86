"""Trying a way out: an echo is asked through it, and says which address it saw."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from limen import __version__
from limen.egress.passage import NotPassed, Passage, Resolve, open_by
from limen.egress.probes.response import HEAD_MOST, NoResponse, read_response

_WORD = re.compile(rb"[0-9A-Fa-f:.]{3,45}")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    address: str
    """As the echo saw it; empty if there was no answer."""
    seconds: float
    reason: str = ""
    """Why there was none."""


async def attempt(passage: Passage, echo: str, resolve: Resolve, timeout: float) -> Trial:
    """Asks the URL `echo` by this way; whatever happens is told, nothing is raised."""
    began = time.monotonic()
    address, reason = "", ""
    try:
        async with asyncio.timeout(timeout):
            address = await _asked(passage, echo, resolve)
    except TimeoutError:
        reason = f"no answer within {timeout:g} s"
    except (NotPassed, NoResponse) as failure:
        reason = str(failure)
    except ssl.SSLCertVerificationError as error:
        reason = f"certificate refused: {error.verify_message}"
    except ssl.SSLError as error:
        reason = f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}"
    except OSError as error:
        reason = (os.strerror(error.errno) if error.errno else str(error) or type(error).__name__).lower()
    return Trial(address, time.monotonic() - began, reason)


async def _asked(passage: Passage, echo: str, resolve: Resolve) -> str:
    url = urlsplit(echo)
    host = url.hostname or ""
    encrypted = url.scheme == "https"
    reader, writer = await open_by(passage, host, url.port or (443 if encrypted else 80), resolve, limit=HEAD_MOST)
    try:
        if encrypted:
            await writer.start_tls(ssl.create_default_context(), server_hostname=host)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\nUser-Agent: limen/{__version__}\r\n"
            "Accept: text/plain, */*\r\nConnection: close\r\n\r\n".encode()
        )
        response = await read_response(reader, method="GET", content=True)
    finally:
        writer.transport.abort()
    if response.status != 200:
        raise NoResponse(f"the echo answered {response.status}")
    found = address_in(response.content)
    if found is None:
        raise NoResponse("the echo's answer holds no address")
    return found


def address_in(content: bytes) -> str | None:
    """The first address in a text, whatever is around it."""
    for word in _WORD.findall(content[:4096]):
        try:
            return str(ipaddress.ip_address(word.decode().strip(".")))
        except ValueError:
            continue
    return None
