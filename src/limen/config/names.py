"""Host names with letters beyond ASCII: the one place that says what they are called on the wire.

UTS #46, non-transitional, as browsers do it: `straße.de` is `xn--strae-oqa.de`, not `strasse.de`. What a client sends
is ASCII already; what stands in configurations and lists is turned once, when it is read.
"""

from __future__ import annotations

import idna


def to_ascii(name: str) -> str:
    """The name in ASCII, in lower case. Raises ValueError."""
    if name.isascii():
        return name.lower()
    return idna.encode(name, uts46=True, transitional=False).decode("ascii")
