"""The lines of `limen live`: what is under way, and who has most of it."""

from __future__ import annotations

from collections.abc import Mapping

from limen.control.rates import items, mapping, number
from limen.control.table import duration, printable, table
from limen.control.top_text import byte_count


def listed(found: Mapping[str, object]) -> list[str]:
    """A table of the exchanges, and how many are not shown."""
    rows = list(map(mapping, items(found.get("exchanges"))))
    cells = [
        (
            one.get("id"), one.get("client"), one.get("user") or "-", one.get("target") or "-",
            one.get("rule") or one.get("listener"), one.get("upstream") or "-", one.get("address") or "-",
            one.get("protocol"), one.get("phase"),
            byte_count(one.get("received")), byte_count(one.get("sent")), duration(one.get("age")),
        )
        for one in rows
    ]  # fmt: skip
    head = (
        "ID", "CLIENT", "USER", "TARGET", "RULE", "UPSTREAM", "ADDRESS", "PROTOCOL", "PHASE", "RECEIVED", "SENT", "AGE",
    )  # fmt: skip
    lines = table(head, cells)
    rest = int(number(found.get("count"))) - len(rows)
    if rest > 0:
        lines.append(f"and {rest} more")
    return printable(lines)


def shares(found: Mapping[str, object]) -> list[str]:
    """Tables of the top talkers and targets, by bytes under way."""
    lines: list[str] = []
    for name, title in (("talkers", "CLIENT"), ("targets", "TARGET")):
        rows = [
            (one.get("name") or "-", byte_count(one.get("bytes")), one.get("exchanges"))
            for one in map(mapping, items(found.get(name)))
        ]
        if rows:
            lines += ["", *table((title, "BYTES", "EXCHANGES"), rows)]
    return printable(lines[1:])
