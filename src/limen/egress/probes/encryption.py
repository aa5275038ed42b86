"""TLS of an upstream as the standard library speaks it, for probes: the same authorities, name, certificate, pins."""

from __future__ import annotations

import hashlib
import os
import ssl
from typing import TYPE_CHECKING

from limen.config.tls import pin_bytes
from limen.egress.probes.question import Encryption
from limen.tls.profiles import VERSIONS

if TYPE_CHECKING:
    from limen.config.models.tls import UpstreamTls
    from limen.tls.material import Material


def encryption_of(name: str, tls: UpstreamTls, material: Material) -> Encryption:
    """What probes of the upstream `name` encrypt with. Raises ValueError for what the library does not take."""
    own = material.upstreams[name]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion(VERSIONS[tls.minimum])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif own.ca:
        context.load_verify_locations(cadata=own.ca.decode("ascii", "ignore"))
    else:
        context.set_default_verify_paths()
    if own.certificate is not None:
        pair = material.pairs[own.certificate]
        _load_pair(context, pair.chain, pair.key)
    digest = hashlib.blake2b(tls.model_dump_json().encode(), digest_size=16)
    digest.update(own.certificate or bytes(16))
    digest.update(own.ca)
    pins = frozenset(pin_bytes(pin) for pin in tls.pin or ())
    return Encryption(digest.hexdigest(), context, tls.server_name or "", pins)


def unverified() -> Encryption:
    """A handshake and nothing else: for `type: tls` before an upstream whose TLS is passed on unopened."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return Encryption("unverified", context)


def _load_pair(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """The library reads files only; this one lies in memory and is gone at once."""
    memory = os.memfd_create("limen-probe", os.MFD_CLOEXEC)
    try:
        os.write(memory, key + b"\n" + chain)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
