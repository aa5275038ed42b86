"""What a running instance says of its endpoints, for tests of health."""

from __future__ import annotations

import json
from typing import Any

from tests.support.process import LimenProcess, wait_until


def upstream(limen: LimenProcess, name: str = "web") -> dict[str, Any]:
    """The row of an upstream."""
    found: dict[str, Any] = json.loads(limen.admin(f"/upstreams/{name}").text)
    return found


def endpoints(limen: LimenProcess, name: str = "web") -> list[dict[str, Any]]:
    """The rows of its endpoints, in the order of the configuration."""
    rows: list[dict[str, Any]] = upstream(limen, name)["endpoints"]
    return rows


def states(limen: LimenProcess, name: str = "web") -> list[str]:
    """Their states."""
    return [row["state"] for row in endpoints(limen, name)]


def wait_for_states(limen: LimenProcess, *expected: str, name: str = "web") -> list[dict[str, Any]]:
    """Their rows once they have these states."""
    rows: list[dict[str, Any]] = []

    def reached() -> bool:
        rows[:] = endpoints(limen, name)
        return [row["state"] for row in rows] == list(expected)

    try:
        wait_until(reached, what=f"states {expected}")
    except TimeoutError as error:
        message = f"{error}: {rows}"
        raise TimeoutError(message) from None
    return rows
