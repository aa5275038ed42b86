"""A process of its own that turns the file of an address list into its table: `limen.runtime.lists` starts it.

So the supervisor runs no compiled code, holds no text of a million lines, and goes on while this one works.
Exit status 3 and a line on standard output: the file is not taken, and why.
"""

from __future__ import annotations

import json
import os
import sys

from limen.engine.listing import build

LARGEST = 1024 * 1024 * 1024
REFUSED = 3


def main(arguments: list[str]) -> int:
    """PATH DESCRIPTOR MOST: the table goes to the descriptor, a summary to standard output."""
    path, descriptor, most = arguments[0], int(arguments[1]), int(arguments[2])
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            return _refused("the file is larger than 1 GiB")
        table = build(text, most)
    except OSError as error:
        return _refused(error.strerror or str(error))
    except (ValueError, MemoryError) as error:
        return _refused(str(error) or "out of memory")
    with open(descriptor, "wb", closefd=False) as memory:
        memory.write(table)
    head = [int.from_bytes(table[start : start + 8], "little") for start in range(0, 48, 8)]
    sys.stdout.write(json.dumps({"entries": head[5], "ranges": sum(head[2:5]), "size": os.fstat(descriptor).st_size}))
    return 0


def _refused(reason: str) -> int:
    sys.stdout.write(reason)
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
