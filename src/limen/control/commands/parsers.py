"""What several commands declare alike."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 argparse has no public name for it
else:
    Subparsers = object


def add_instance(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which running instance is meant."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="the configuration it runs; not needed when only one instance runs"
    )
    parser.add_argument("--control", metavar="PATH", help="its control socket, instead of FILE")
