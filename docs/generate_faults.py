"""Writes docs/faults.md from the table of faults: python docs/generate_faults.py (a test holds the two equal)."""

from pathlib import Path

from limen.faults import FAULTS, Fault

PAGE = Path(__file__).with_name("faults.md")

HEAD = """\
# Faults

<!-- Written by docs/generate_faults.py from limen/faults.py. -->

A fault is a numbered failure. Its label stands in the access log (`fault`) and in the metric
`limen_faults_total`; its token is the `error` of the field `Proxy-Status` (RFC 9209) in the answer.

- **side**: whose failure it is: the client's, the origin's, or Limen's own (internal).
- **status**: of the answer if none has begun; - where the connection ends without one.
- **retry**: whether the request may be sent again, within the route's `retry`: never; idempotent (if the route's
  `retry.methods` covers the method); always (the origin has seen nothing of it).

| number | label | side | phase | status | retry | token | meaning |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def row(fault: Fault) -> str:
    """A fault as a row of the table."""
    status, token = fault.status or "-", f"`{fault.token}`" if fault.token else "-"
    cells = (fault.number, f"`{fault.label}`", fault.side, fault.phase, status, fault.retry, token, fault.sentence)
    return f"| {' | '.join(map(str, cells))} |\n"


def text() -> str:
    """The whole page."""
    return HEAD + "".join(row(FAULTS[number]) for number in sorted(FAULTS))


if __name__ == "__main__":
    PAGE.write_text(text())
