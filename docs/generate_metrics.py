"""Writes docs/metrics.md from the catalogue: python docs/generate_metrics.py (a test holds the two equal)."""

from pathlib import Path

from limen.observe.board import BUCKETS
from limen.observe.catalogue import CATALOGUE, Metric

PAGE = Path(__file__).with_name("metrics.md")

HEAD = """\
# Metrics

<!-- Written by docs/generate_metrics.py from limen/observe/catalogue.py. -->

The admin listener serves them at `/metrics` in the Prometheus text format 0.0.4, summed over all workers.
What was never used is not shown. Counters survive the replacement of a worker and a reload; gauges of a worker
that died are cleared by its successor. Only a restart or a handover begins anew.

| metric | kind | unit | labels | meaning |
| --- | --- | --- | --- | --- |
"""

FOOT = """
Durations are counted into buckets up to {bounds} seconds, and above.

Labels: `route`, `listener`, `upstream` and `endpoint` are the names in the configuration (an endpoint's is its
address). Exchanges that ended before a route took them count under their listener's name. `code` is the class of the
status, `fault` and `side` are those of [faults](faults.md).
"""


def row(metric: Metric) -> str:
    """A metric as a row of the table."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.meaning} |\n"


def text() -> str:
    """The whole page."""
    bounds = ", ".join(f"{bound:g}" for bound in BUCKETS)
    return HEAD + "".join(map(row, CATALOGUE)) + FOOT.format(bounds=bounds)


if __name__ == "__main__":
    PAGE.write_text(text())
