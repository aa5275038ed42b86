"""Files of names and password hashes, as `htpasswd` writes them, read strictly: each line is right, or none counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from limen.errors import LimenError

MOST_LINES = 1_000_000
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(
    r"\$argon2(?:id|i|d)\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,4}),p=([0-9]{1,3})\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)
_DEAREST_BCRYPT = 16
"""Cost of a bcrypt hash at most: 4 s of a core."""
_LARGEST_ARGON2 = 1 << 20
"""KiB of memory of an Argon2 hash at most: 1 GiB."""
_REFUSED = (
    (re.compile(r"\$apr1\$|\$1\$"), "MD5"),
    (re.compile(r"\{SHA\}|\{SSHA\}"), "SHA-1"),
    (re.compile(r"\$5\$"), "SHA-256 crypt"),
    (re.compile(r"\$6\$"), "SHA-512 crypt"),
    (re.compile(r"\$(?:y|gy|7)\$"), "yescrypt"),
    (re.compile(r"[./A-Za-z0-9]{13}\Z"), "DES crypt, or a plain text"),
)


class FileRefused(LimenError):
    """A file that is not taken; the message names the line."""


@dataclass(frozen=True, slots=True)
class PasswordTable:
    """Hashes by name."""

    hashes: Mapping[str, str] = field(repr=False)
    stand_in: str = field(repr=False)
    """A hash that is verified for names that nobody has: of the kind and cost that most have here."""


def parse_passwords(content: bytes, stand_ins: Mapping[str, str]) -> PasswordTable:
    """Reads a file. `stand_ins` are hashes of nobody's password by kind (`bcrypt`, `argon2`).

    Raises FileRefused with the number of the line.
    """
    hashes: dict[str, str] = {}
    settings: Counter[str] = Counter()
    for number, name, hashed in _lines(content):
        if name in hashes:
            raise FileRefused(f"line {number}: the name {name!r} stands twice")
        settings[_setting(number, hashed)] += 1
        hashes[name] = hashed
    most = settings.most_common(1)[0][0] if settings else ""
    return PasswordTable(hashes, _stand_in(most, hashes, stand_ins))


def _lines(content: bytes) -> list[tuple[int, str, str]]:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        broken = content[: error.start].count(b"\n") + 1
        raise FileRefused(f"line {broken}: it is not UTF-8") from None
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        name, colon, hashed = bare.partition(":")
        if not colon or not name or not hashed:
            raise FileRefused(f"line {number}: write it like name:hash (htpasswd -B makes such lines)")
        found.append((number, name, hashed))
        if len(found) > MOST_LINES:
            raise FileRefused(f"line {number}: over {MOST_LINES} names")
    return found


def _setting(number: int, hashed: str) -> str:
    """Kind and cost of a hash, which make up the time that verifying takes."""
    bcrypt = _BCRYPT.fullmatch(hashed)
    if bcrypt:
        if int(bcrypt[1]) > _DEAREST_BCRYPT:
            raise FileRefused(f"line {number}: a bcrypt cost of {bcrypt[1]} is more than {_DEAREST_BCRYPT}")
        return f"bcrypt {bcrypt[1]}"
    argon2 = _ARGON2.fullmatch(hashed)
    if argon2:
        if int(argon2[1]) > _LARGEST_ARGON2:
            raise FileRefused(f"line {number}: an Argon2 hash of {argon2[1]} KiB of memory is more than 1 GiB")
        return hashed.rpartition("$")[0].rpartition("$")[0]
    kind = next(
        (name for pattern, name in _REFUSED if pattern.match(hashed)), "a plain text, or of a kind unknown here"
    )
    raise FileRefused(f"line {number}: the hash is {kind}; only bcrypt (htpasswd -B) and Argon2 are taken")


def _stand_in(setting: str, hashes: Mapping[str, str], stand_ins: Mapping[str, str]) -> str:
    """A hash that takes as long to verify as most do, and which no password fits."""
    kind, _, cost = setting.partition(" ")
    if kind == "bcrypt":
        # another cost of the same hash: the digest no longer fits any password that is known to anybody
        return f"$2b${cost}${stand_ins['bcrypt'][7:]}"
    if setting.startswith("$argon2"):
        example = next(hashed for hashed in hashes.values() if hashed.startswith(setting))
        salt, digest = example.split("$")[-2:]
        return f"{setting}${'A' * len(salt)}${'A' * len(digest)}"
    return stand_ins["bcrypt"]
