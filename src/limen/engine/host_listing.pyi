"""From the text of a list of names to its table."""

from collections.abc import Callable

FORMATS: dict[str, int]
WORDS: dict[int, str]

def build(
    text: bytes,
    kind: str,
    key: bytes,
    to_ascii: Callable[[str], str],
    *,
    below: bool = True,
    most: int = 16_000_000,
) -> tuple[bytearray, dict[str, tuple[int, int]]]:
    """The table of a list's text, and of what was not understood: (lines, the first of them) by reason.

    `key` (16 bytes) is that of the hash; `to_ascii` gives a name with other letters its form in ASCII, or raises
    ValueError; `below`: a plain name stands for all below it, too. ValueError if there are over `most` names.
    """
