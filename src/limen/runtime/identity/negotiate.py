"""Kerberos tickets, as browsers show them (SPNEGO, RFC 4559). The only file that knows the library for GSS-API.

One leg or none: a ticket says all in one message. What needs another one (NTLM inside of SPNEGO, a mechanism that has
to be agreed on first) is refused. The keys lie in a file without a name, in memory: nothing of them is written
anywhere, and the process needs no right to read the keytab. Whether a ticket was shown before the library remembers,
for all processes of this user (its replay cache).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import gssapi
from gssapi.exceptions import GSSError

from limen.exchange.identity import Credentials
from limen.policy.identity.keytabs import keys_of, realms_of, write_keytab
from limen.policy.identity.passwords import FileRefused
from limen.runtime.identity.hashing import Pool
from limen.runtime.identity.provider import CredentialsRefused, Found, Proof, ProviderFailed

_ACCEPTING = Pool("negotiate", threads=2, waiting=64)
_SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
_LONGEST_NAME = 256
_WORDS = re.compile(r"Major \(\d+\): (.*), Minor \(\d+\): (.*)")
_NTLM = b"NTLMSSP\0"


Groups = Callable[[str], Awaitable[tuple[str, ...]]]
"""The groups of a name. Raises ProviderFailed and Overloaded."""


class NegotiateProvider:
    """Whose ticket it is."""

    def __init__(
        self,
        keytab: bytes,
        *,
        service: str | None = None,
        realms: Sequence[str] | None = None,
        strip_realm: bool = True,
        groups: Groups | None = None,
    ) -> None:
        """`groups` says in which groups a name is; none without it. Raises FileRefused."""
        self._groups = groups
        entries = keys_of(keytab, service)
        self._realms = realms_of(entries, realms)
        self._strip = strip_realm
        if strip_realm and len(self._realms) > 1:
            raise FileRefused(f"names of several realms would be one: {', '.join(sorted(self._realms))}")
        self._file = os.memfd_create("keytab", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(self._file), "wb") as file:
            file.write(write_keytab(entries))
        self._lock = threading.Lock()
        self._credentials: gssapi.Credentials | None = None

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        return credentials.scheme == "negotiate"

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider."""
        try:
            token = base64.b64decode(credentials.token, validate=True)
        except (binascii.Error, ValueError):
            raise CredentialsRefused("the token is no base64") from None
        if token.startswith(_NTLM):
            raise CredentialsRefused("NTLM is not taken")
        found = await _ACCEPTING.do(partial(self.accept, token))
        return found if self._groups is None else replace(found, groups=await self._groups(found.name))

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. That the ticket has not expired is the proof's own time; a directory is not asked again."""
        return proof.groups if proof.evidence in self._realms else None

    def accept(self, token: bytes) -> Found:
        """Whose it is; blocks. Raises CredentialsRefused and ProviderFailed."""
        context = gssapi.SecurityContext(creds=self._acceptor(), usage="accept")
        try:
            answer = context.step(token)
            if not context.complete:
                raise CredentialsRefused("more than a ticket is offered, or another mechanism than Kerberos")
            lifetime = context.lifetime
            mechanism, flags = context.mech, context.actual_flags
            principal = str(context.initiator_name)
        except GSSError as error:
            raise CredentialsRefused(_told(error)) from None
        if mechanism != gssapi.MechType.kerberos:
            raise CredentialsRefused("another mechanism than Kerberos")
        if gssapi.RequirementFlag.anonymity in flags:
            raise CredentialsRefused("an anonymous ticket")
        name, realm = self._parted(principal)
        told_back = "Negotiate " + base64.b64encode(answer).decode("ascii") if answer else ""
        return Found(name, lifetime=float(lifetime), evidence=realm, for_connection=True, told_back=told_back)

    def _parted(self, principal: str) -> tuple[str, str]:
        """The name that counts here, and its realm."""
        user, _, realm = principal.rpartition("@")
        if realm not in self._realms:
            raise CredentialsRefused(f"a ticket of the realm {realm[:_LONGEST_NAME]}")
        # an escaped character would let a name look like another one
        if not user or "\\" in principal or len(principal) > _LONGEST_NAME or user.startswith("WELLKNOWN/"):
            raise CredentialsRefused("a name that is not taken")
        return user if self._strip else principal, realm

    def _acceptor(self) -> gssapi.Credentials:
        with self._lock:
            if self._credentials is None:
                try:
                    self._credentials = gssapi.Credentials(
                        usage="accept",
                        mechs=[gssapi.MechType.kerberos, _SPNEGO],
                        store={"keytab": f"FILE:/proc/self/fd/{self._file}"},
                    )
                except GSSError as error:
                    raise ProviderFailed(_told(error)) from None
            return self._credentials


def _told(error: GSSError) -> str:
    """What the library says, in one line: the mechanism's own words if it has any."""
    text = " ".join(str(error).split())
    found = _WORDS.match(text)
    return text if found is None else found[1] if found[2].startswith("Unknown") else found[2]
