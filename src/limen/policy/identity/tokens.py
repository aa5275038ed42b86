"""A file of tokens: `name:sha256:digest`, perhaps with groups behind it. Tokens are long and random, so that one round
of SHA-256 is enough, and looking a digest up tells by its time nothing that would help to guess.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from limen.exchange.identity import Named
from limen.policy.identity.passwords import FileRefused

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def parse_tokens(content: bytes) -> Mapping[bytes, Named]:
    """Who it is by digest. Raises FileRefused with the number of the line."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        broken = content[: error.start].count(b"\n") + 1
        raise FileRefused(f"line {broken}: it is not UTF-8") from None
    found: dict[bytes, Named] = {}
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        name, kind, digest, groups = [*bare.split(":", 3), "", "", ""][:4]
        if not name or kind != "sha256" or not _DIGEST.fullmatch(digest):
            raise FileRefused(
                f"line {number}: write it like name:sha256:digest, with 64 hexadecimal digits; a token itself does not "
                "belong here"
            )
        key = bytes.fromhex(digest)
        if key in found:
            raise FileRefused(f"line {number}: the token is also {found[key].name!r}'s")
        found[key] = Named(name, tuple(group for group in (one.strip() for one in groups.split(",")) if group))
    return found


def digest_of(token: str) -> bytes:
    """What a token is looked up by."""
    return hashlib.sha256(token.encode("latin-1", "replace")).digest()
