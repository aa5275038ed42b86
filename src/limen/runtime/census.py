"""The exchanges and tunnels under way, as `GET /exchanges` lists them: what is asked for, and what a worker answers.

A worker reads its engine's census in portions, with a turn of its loop between two, so that ten thousand tunnels do
not hold it up. The supervisor merges what its workers say; a page goes on where the one before ended.
"""

from __future__ import annotations

import asyncio
import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from limen.runtime.calling import call_all
from limen.runtime.explain.asked import AskedWrongly, limit_of, parameters_of

if TYPE_CHECKING:
    from limen.engine.census import Census
    from limen.engine.demand import Demand
    from limen.engine.engine import Engine
    from limen.engine.identity import Identity
    from limen.runtime.process import WorkerProcess

Row = dict[str, object]

COLUMNS = (
    "client", "user", "target", "listener", "rule", "upstream", "egress", "endpoint", "address", "protocol", "method",
    "phase", "received", "sent",
)  # fmt: skip
"""Of a row beside `id`, `worker` and `age`; in the order of the engine's census."""
FILTERS = ("id", "client", "user", "target", "listener", "rule", "upstream", "egress", "protocol")
PAGE = 100
PAGE_MOST = 1000
TOP = 20
"""Talkers and targets that are named."""

# So many rows are made at a time: about a millisecond.
_PORTION = 256
_ID = re.compile(r"(\d{1,4})-([0-9a-f]{1,16})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exchanges are meant; an empty text sets no condition."""

    id: str = ""
    client: str = ""
    """An address or a network."""
    user: str = ""
    """Name of the identity."""
    target: str = ""
    """`host`, `host:port`, or a pattern with `*`."""
    listener: str = ""
    rule: str = ""
    """Name of the access rule or of the route."""
    upstream: str = ""
    egress: str = ""
    protocol: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether all are meant."""
        return not any(getattr(self, name) for name in FILTERS)

    def fields(self) -> dict[str, str]:
        """The conditions that are set."""
        return {name: getattr(self, name) for name in FILTERS if getattr(self, name)}

    def take(self, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows that are meant."""
        network = ipaddress.ip_network(self.client, strict=False) if self.client and self.client != "unix" else None
        same = [(name, getattr(self, name)) for name in FILTERS if name not in ("client", "target")]
        same = [(name, value) for name, value in same if value]
        target = self.target.lower()
        return [
            row
            for row in rows
            if all(row[name] == value for name, value in same)
            and (not self.client or _is_from(str(row["client"]), network))
            and (not target or _is_to(str(row["target"]), target))
        ]


def _is_from(client: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network | None) -> bool:
    if network is None or client == "unix":
        return network is None and client == "unix"
    address = ipaddress.ip_address(client.rpartition(":")[0].strip("[]"))
    return address in network


def _is_to(target: str, pattern: str) -> bool:
    host = target.rpartition(":")[0]
    return fnmatch.fnmatchcase(target, pattern) or fnmatch.fnmatchcase(host, pattern)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the census."""

    wanted: Wanted = Wanted()
    limit: int = PAGE
    after: str = ""
    """Id of the last row of the page before."""
    top: bool = False
    """Name the clients and targets with most bytes under way, too."""


def question_of(parameters: Iterable[tuple[str, str]]) -> Question:
    """The question that the parameters of `GET /exchanges` ask. Raises AskedWrongly."""
    found = parameters_of(parameters, (*FILTERS, "limit", "after", "top"))
    limit = limit_of(found.pop("limit", str(PAGE)), 0, PAGE_MOST)
    after, top = found.pop("after", ""), found.pop("top", "")
    if after and not _ID.fullmatch(after):
        raise AskedWrongly(f"{after!r} is no id")
    return Question(wanted_of(found), limit, after, top not in ("", "0", "false"))


def wanted_of(found: Mapping[str, object]) -> Wanted:
    """The conditions of a question or of an order to end exchanges. Raises AskedWrongly."""
    for name, value in found.items():
        if name not in FILTERS:
            raise AskedWrongly(f"unknown condition {name!r}; there are {', '.join(FILTERS)}")
        if not isinstance(value, str) or len(value) > 300:
            raise AskedWrongly(f"the condition {name!r} is a text")
    wanted = Wanted(**cast("Mapping[str, str]", found))
    if wanted.id and not _ID.fullmatch(wanted.id):
        raise AskedWrongly(f"{wanted.id!r} is no id")
    if wanted.client and wanted.client != "unix":
        try:
            ipaddress.ip_network(wanted.client, strict=False)
        except ValueError:
            raise AskedWrongly(f"the client {wanted.client!r} is no address and no network") from None
    return wanted


def _order(row: Row) -> tuple[int, int]:
    """By beginning: a page goes on where the one before ended, whatever has come or ended since."""
    return _place(str(row["id"]))


def _place(text: str) -> tuple[int, int]:
    worker, _, started = text.partition("-")
    return int(started, 16), int(worker)


def _page(rows: list[Row], question: Question) -> list[Row]:
    rows.sort(key=_order)
    if question.after:
        place = _place(question.after)
        rows = [row for row in rows if _order(row) > place]
    return rows[: question.limit]


# in a worker


def _rows(census: Census, start: int, number: int) -> list[Row]:
    return [
        {
            "id": f"{number}-{started:x}",
            "worker": number,
            "age": round(cast("int", age) / 1e9, 3),
            **dict(zip(COLUMNS, rest, strict=True)),
        }
        for started, age, *rest in census.rows(start, start + _PORTION)
    ]


async def survey(engine: Engine, number: int, asked: Mapping[str, object]) -> dict[str, object]:
    """What one worker has to say: at most a page of rows, how many there are, and its talkers."""
    from limen.engine.census import Census

    question = _decoded(asked)
    census = Census(engine)
    found: list[Row] = []
    for start in range(0, len(census), _PORTION):
        found += question.wanted.take(_rows(census, start, number))
        await asyncio.sleep(0)
    answer: dict[str, object] = {"count": len(found)}
    if question.top:
        answer["talkers"] = _top(found, "client")
        answer["targets"] = _top(found, "target")
    return {**answer, "rows": _page(found, question)}


async def kill(engine: Engine, number: int, asked: Mapping[str, object]) -> int:
    """Ends those that are meant; how many there were."""
    from limen.engine.census import Census

    question = _decoded(asked)
    census = Census(engine)
    count = 0
    for start in range(0, len(census), _PORTION):
        found = question.wanted.take(_rows(census, start, number))
        if found:
            started = {_place(str(row["id"]))[0] for row in found}
            count += census.kill(start, start + _PORTION, started)
        await asyncio.sleep(0)
    return count


Again = Callable[["Demand", "Identity"], "Identity | None"]
"""As limen.runtime.identity.desk.Desk.again."""


async def recheck(engine: Engine, again: Again) -> int:
    """Judges all that is under way again; how many may not go on."""
    from limen.engine.census import Census

    # many tunnels are of few
    known: dict[tuple[Demand, Identity], Identity | None] = {}

    def asked(demand: Demand, identity: Identity) -> Identity | None:
        if (demand, identity) not in known:
            known[demand, identity] = again(demand, identity)
        return known[demand, identity]

    census = Census(engine)
    count = 0
    for start in range(0, len(census), _PORTION):
        count += census.recheck(start, start + _PORTION, asked)
        await asyncio.sleep(0)
    return count


def _top(rows: Iterable[Row], name: str) -> list[list[object]]:
    """[who, bytes, exchanges] of all rows; a client by its name, if it said one, or its address without the port."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        key = str(row[name])
        if name == "client" and row["user"]:
            key = str(row["user"])
        elif name == "client" and key != "unix":
            key = key.rpartition(":")[0].strip("[]")
        one = sums.setdefault(key, [0, 0])
        one[0] += cast("int", row["received"]) + cast("int", row["sent"])
        one[1] += 1
    most = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))[: TOP * 10]
    return [[key, *one] for key, one in most]


def _decoded(asked: Mapping[str, object]) -> Question:
    parameters = asked["parameters"]
    if not isinstance(parameters, dict):
        raise AskedWrongly("no parameters")
    return question_of((str(name), str(value)) for name, value in parameters.items())


# in the supervisor


def _encoded(question: Question) -> dict[str, object]:
    parameters = {**question.wanted.fields(), "limit": str(question.limit)}
    if question.after:
        parameters["after"] = question.after
    if question.top:
        parameters["top"] = "1"
    return {"parameters": parameters}


async def ask(processes: Sequence[WorkerProcess], question: Question) -> dict[str, object]:
    """A page of all workers, how many there are in all, and where the next page begins."""
    answers = await call_all(processes, "exchanges", _encoded(question))
    rows = _page([row for answer in answers for row in cast("list[Row]", answer["rows"])], question)
    count = sum(cast("int", answer["count"]) for answer in answers)
    more = len(rows) == question.limit and question.limit > 0
    found: dict[str, object] = {"exchanges": rows, "count": count, "next": rows[-1]["id"] if more else None}
    if len(answers) < len(processes):
        found["silent"] = len(processes) - len(answers)
    if question.top:
        for name in ("talkers", "targets"):
            found[name] = _merged([cast("list[list[object]]", answer[name]) for answer in answers])
    return found


def _merged(lists: Iterable[list[list[object]]]) -> list[dict[str, object]]:
    sums: dict[str, list[int]] = {}
    for name, size, count in (one for rows in lists for one in rows):
        total = sums.setdefault(str(name), [0, 0])
        total[0] += cast("int", size)
        total[1] += cast("int", count)
    most = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))[:TOP]
    return [{"name": name, "bytes": size, "exchanges": count} for name, (size, count) in most]


async def order_kill(processes: Sequence[WorkerProcess], wanted: Wanted) -> int:
    """Ends those that are meant on all workers; how many there were."""
    answers = await call_all(processes, "kill", _encoded(Question(wanted)))
    return sum(cast("int", answer["killed"]) for answer in answers)
