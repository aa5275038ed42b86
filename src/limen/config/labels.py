"""The words by which ways out are told apart."""

from __future__ import annotations

LABELS = ("country", "region", "city", "provider")
"""Labels of ways, in the order in which they are shown."""
