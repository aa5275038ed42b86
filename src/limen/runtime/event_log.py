"""The event log of supervisor and workers: lines on standard error, one format, one level for the process."""

from __future__ import annotations

import logging
import sys

LEVELS = ("debug", "info", "warning", "error")
_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"


def configure(level: str) -> None:
    """Sets up logging for the process; may be called again to change the level."""
    logger = logging.getLogger("limen")
    logger.setLevel(level.upper() if level in LEVELS else "INFO")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
    # Only our own lines: an application's root handlers would print each a second time.
    logger.propagate = False
