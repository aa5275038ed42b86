"""From the text of an address list to its table; limen.runtime.lists runs it as a process of its own."""

REASONS: dict[int, str]

def build(text: bytes, most: int = 2000000) -> bytearray:
    """The table of a list's text. ValueError names the first wrong line, or says that there are over `most` entries.

    One entry per line: an address, a prefix or a range `first-last`; `#` and `;` begin a comment.
    """
