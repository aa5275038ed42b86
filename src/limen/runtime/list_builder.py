"""A process of its own that turns the text of a list into its table: `limen.runtime.lists` starts it.

So the supervisor runs no compiled code, holds no text of a million lines, and goes on while this one works.
Exit status 3 and a line on standard output: the file is not taken, and why.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys

from limen.config.names import to_ascii
from limen.runtime.list_formats import plain_lines

REFUSED = 3
_KEY = 16


def main(arguments: list[str]) -> int:
    """PATH DESCRIPTOR REQUEST, 16 bytes on standard input: the table to the descriptor, a summary to standard output.

    REQUEST is JSON, with the fields of limen.runtime.lists.Request. The bytes are the key of a table of names.
    """
    path, descriptor, request = arguments[0], int(arguments[1]), json.loads(arguments[2])
    largest = request["largest"]
    try:
        with open(path, "rb") as file:
            text = file.read(largest + 1)
        if len(text) > largest:
            return _refused(f"the file is larger than {largest} bytes")
        if request["sha256"] and hashlib.sha256(text).hexdigest() != request["sha256"]:
            return _refused("its SHA-256 is another than `sha256`")
        summary, table = _addresses(text, request) if request["format"] == "addresses" else _names(text, request)
    except OSError as error:
        return _refused(error.strerror or str(error))
    except (ValueError, MemoryError) as error:
        return _refused(str(error) or "out of memory")
    with open(descriptor, "wb", closefd=False) as memory:
        memory.write(table)
    sys.stdout.write(json.dumps({**summary, "size": os.fstat(descriptor).st_size}))
    return 0


def _addresses(text: bytes, request: dict[str, object]) -> tuple[dict[str, object], bytearray]:
    from limen.engine.listing import build

    table = build(text, int(str(request["most"])))
    head = [int.from_bytes(table[start : start + 8], "little") for start in range(0, 48, 8)]
    return {"entries": head[5], "ranges": sum(head[2:5]), "ignored": {}}, table


def _names(text: bytes, request: dict[str, object]) -> tuple[dict[str, object], bytearray]:
    from limen.engine.host_listing import build

    kind = str(request["format"])
    if kind in ("json", "csv"):
        categories = request["categories"]
        text, kind = plain_lines(text, kind, categories if isinstance(categories, list) else []), "domains"
    key = sys.stdin.buffer.read(_KEY)
    table, ignored = build(text, kind, key, to_ascii, below=bool(request["below"]), most=int(str(request["most"])))
    # the number of names stands in the sixth word
    entries = int.from_bytes(table[40:48], "little")
    return {"entries": entries, "ranges": entries, "ignored": ignored}, table


def _refused(reason: str) -> int:
    sys.stdout.write(reason)
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
