"""Conditions on the certificate that a client has shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.bridge import Fingerprint
from limen.config.models.section import Section, Several, given
from limen.config.refusal import Refused
from limen.config.scalars import CertificatePattern, Flag


class CertificateMatch(Section):
    """What a client's certificate must be like; all that is given must hold, and one of the values of a list.

    `true` stands for any certificate.
    """

    presented: Flag = Field(default=True, description="`false`: the client has shown none.")
    subject: Annotated[tuple[CertificatePattern, ...], Several(single=True)] | None = Field(
        default=None,
        description="Subject as RFC 4514 writes it, most specific first, with `*` for any characters: "
        "`CN=alice,O=Example` or `CN=*,OU=staff,*`. One or a list.",
    )
    san: Annotated[tuple[CertificatePattern, ...], Several(single=True)] | None = Field(
        default=None,
        description="One of its alternative names: a DNS name, mail address, URI or IP address, with `*` for any "
        "characters: `*.staff.example.com`, `spiffe://example.org/*`. One or a list.",
    )
    fingerprint: Annotated[tuple[Fingerprint, ...], Several(single=True)] | None = Field(
        default=None,
        description="SHA-256 of the certificate in DER form: 64 hexadecimal digits, with or without colons. One or a "
        "list.",
    )

    @model_validator(mode="after")
    def _possible(self) -> CertificateMatch:
        found = given(self, "subject", "san", "fingerprint")
        if found and not self.presented:
            raise Refused(f"`{found[0]}` of a certificate that is not there", "keep one of both", at=found[0])
        return self
