"""Reads the Prometheus text of our own exposition back into numbers, as far as `limen top` needs it."""

from __future__ import annotations

from collections.abc import Mapping


def parse(exposition: bytes) -> Mapping[str, float]:
    """Each sample, name with labels as printed, to its value; lines that are none are skipped."""
    samples: dict[str, float] = {}
    for line in exposition.decode(errors="replace").splitlines():
        if not line or line.startswith("#"):
            continue
        key, _, value = line.rpartition(" ")
        try:
            samples[key] = float(value)
        except ValueError:
            continue
    return samples
