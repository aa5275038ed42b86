"""Configurations made by commands instead of files: the same loading and the same checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from limen.config import loads

if TYPE_CHECKING:
    from limen.config import Config


def compose(sections: Mapping[str, object]) -> Config:
    """The checked configuration of these sections. Raises ConfigErrors."""
    # JSON is YAML: what a file may say and what it is told when it is wrong are the same here.
    return loads(json.dumps(sections), "<command line>")
