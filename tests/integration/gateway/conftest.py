"""A gateway as a real process, with an access log and metrics that are checked when each test ends."""

import json
import re
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import LimenProcess, json_lines, wait_until

# All of these are back at nothing once every client is gone.
GAUGES = ("limen_connections", "limen_exchanges_in_flight", "limen_tunnels", "limen_endpoint_active")


class Gateway(LimenProcess):
    """One worker, one listener; `settle` shows that nothing is left behind and everything was logged once."""

    @property
    def records(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return json_lines(self.directory / "access.jsonl")

    def wait_for_records(self, count: int) -> list[dict[str, Any]]:
        """The access log once it has `count` records; more are an error."""
        wait_until(lambda: len(self.records) >= count, what=f"{count} records in the access log")
        records = self.records
        assert len(records) == count, records
        return records

    def total(self, name: str, **labels: str) -> float:
        """Sum of the samples of one metric, over all label sets that hold `labels`."""
        found = 0.0
        for key, value in self.metrics().items():
            if key.partition("{")[0] == name and all(f'{label}="{text}"' in key for label, text in labels.items()):
                found += value
        return found

    def faults(self) -> set[str]:
        """Labels of the faults that were counted."""
        return {
            found[1]
            for key, value in self.metrics().items()
            if value and (found := re.match(r'limen_faults_total\{.*fault="(\w+)"', key))
        }

    def settle(self) -> None:
        """Every gauge falls back to zero and there is exactly one record for each exchange counted."""

        def left() -> dict[str, float]:
            return {key: value for key, value in self.metrics().items() if key.partition("{")[0] in GAUGES and value}

        try:
            wait_until(lambda: not left(), what="gauges at zero")
        except Exception as error:
            message = f"left behind: {left()}"
            raise AssertionError(message) from error
        ended = self.total("limen_exchanges_total")
        wait_until(lambda: len(self.records) >= ended, what=f"{ended:g} records")
        assert len(self.records) == ended


@pytest.fixture
def start_gateway():
    """`start_gateway(origin, ...)`: a gateway that is settled and stopped at the end of the test.

    `route` and `listener` are merged over the defaults; `routes` replaces all routes; `upstream` over the upstream;
    `origins` are its endpoints; `extra` are further upstreams.
    """
    started: list[Gateway] = []
    with ExitStack() as stack:

        def start(
            *origins, route=None, routes=None, listener=None, upstream=None, extra=None, root=None, **options
        ) -> Gateway:
            endpoints = [f"@ORIGIN{chr(65 + index)}@" for index in range(len(origins))]
            config = {
                "workers": 1,
                "admin": {"bind": "127.0.0.1:@ADMIN@"},
                "log": {"access": {"path": "access.jsonl", "flush": "20ms"}},
                "listeners": [
                    {
                        "bind": "127.0.0.1:@PORT@",
                        "name": "front",
                        "routes": routes if routes is not None else [{"upstream": "web", **(route or {})}],
                        **(listener or {}),
                    }
                ],
                **(root or {}),
            }
            if origins:
                config["upstreams"] = {"web": {"endpoints": endpoints, **(upstream or {})}, **(extra or {})}
            text = json.dumps(config, indent=1)
            for index, origin in enumerate(origins):
                text = text.replace(endpoints[index], str(getattr(origin, "address", origin)))
            gateway = stack.enter_context(Gateway(text, **options))
            started.append(gateway)
            return gateway

        yield start
        for gateway in started:
            if gateway._process is not None:
                gateway.settle()
