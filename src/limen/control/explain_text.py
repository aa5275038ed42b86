"""An explanation as lines of text, for `limen explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from limen.control.table import table

_HEAD = ("", "ENDPOINT", "IN FLIGHT", "SHARE", "WHY")


_KINDS = {
    "concurrent": "in flight",
    "bandwidth": "bytes per second",
    "quota of bytes": "bytes in a period",
    "quota of requests": "requests in a period",
    "life": "seconds that a tunnel may last",
}


def explained(answer: Mapping[str, object]) -> list[str]:
    """In the order in which it is decided; the outcome last."""
    return [
        *_arrival(answer),
        *_route(answer),
        *_access(answer),
        *_limits(answer),
        *_share(answer),
        *_upstream(answer),
        *_verdict(answer),
    ]


def _arrival(answer: Mapping[str, object]) -> Iterator[str]:
    yield f"{answer.get('method') or 'bytes'} {answer.get('url')} from {answer.get('from')}"
    named = answer.get("as")
    if isinstance(named, dict):
        groups = ", ".join(map(str, named.get("groups") or ())) or "none"
        yield f"  as {named.get('name')}, groups: {groups}"
    if answer.get("certificate") is not None:
        yield f"  with the certificate of {answer['certificate']}, taken to hold"
    if answer.get("client") not in (None, answer.get("from")):
        yield f"  for the client {answer['client']}, as a trusted proxy says"
    if answer.get("source") == "file":
        yield "  from the file alone: no instance was asked, so every endpoint counts as usable and idle"
    place = _mapping(answer.get("place"))
    if place:
        yield f"  placed at {', '.join(f'{name} {value}' for name, value in place.items())}"
    listener = _mapping(answer.get("listener"))
    yield f"listener  {listener.get('name')} ({listener.get('address')}): {listener.get('reason')}"
    others = listener.get("others")
    if isinstance(others, list) and others:
        yield f"          others like it (--listener): {', '.join(map(str, others))}"
    for note in _list(answer.get("notes")):
        yield f"note      {note}"


def _route(answer: Mapping[str, object]) -> Iterator[str]:
    for row in _list(answer.get("passed_over")):
        yield f"          not {_mapping(row).get('name')}: {_failed(_mapping(row))}"
    if answer.get("passed_over_untold"):
        yield f"          nor {answer['passed_over_untold']} more"
    if "route" not in answer:
        return
    route = _mapping(answer["route"])
    if not route:
        yield "route     none"
        return
    matched = [
        f"{_mapping(one).get('name')} {_value(_mapping(one).get('wanted'))}" for one in _list(route.get("matched"))
    ]
    yield f"route     {route.get('name')}: {', '.join(matched) or 'takes everything'}"
    for name, value in _mapping(answer.get("settings")).items():
        yield f"          {name}: {_value(value)}"
    hooks = _list(answer.get("hooks"))
    if hooks:
        yield f"hooks     {', '.join(map(str, hooks))}: what they do is not foreseen here"


def _access(answer: Mapping[str, object]) -> Iterator[str]:
    access = _mapping(answer.get("access"))
    if access:
        for row in _list(access.get("passed_over")):
            one = _mapping(row)
            yield f"          not {one.get('name') or '#' + str(one.get('number'))}: {_failed(one)}"
        rule = access.get("rule")
        said = f"rule {rule}" if rule is not None else "no rule allows it"
        yield f"access    {access.get('verdict')}: {said}"
        if access.get("dry_rule") is not None:
            yield f"          rule {access['dry_rule']} would have decided, but is dry"
        if access.get("redirect") is not None:
            yield f"          redirected to {access['redirect']}"
        if access.get("egress") is not None:
            yield f"          goes out by {access['egress']}"
        for limit in _list(access.get("limits")):
            yield f"          limit of the rule: {limit}"
    for row in _list(answer.get("addresses")):
        one = _mapping(row)
        yield f"address   {one.get('address')}: {'may be dialled' if one.get('usable') else one.get('reason')}"


def _limits(answer: Mapping[str, object]) -> Iterator[str]:
    for row in _list(answer.get("limits")):
        one = _mapping(row)
        yield f"limit     {one.get('name')}: {one.get('value')} ({one.get('key')})"
    for row in _list(answer.get("rates")):
        one = _mapping(row)
        kind = _KINDS.get(str(one.get("kind")), "at once")
        left = "" if one.get("left") is None else f", {one['left']} left for this client"
        would = "would refuse" if one.get("dry_run") else "refuses"
        yield f"limit     {one.get('name')}: {one.get('most')} {kind}{left}{f': {would}' if one.get('refuses') else ''}"


def _share(answer: Mapping[str, object]) -> Iterator[str]:
    share = _mapping(answer.get("share"))
    if share:
        yield f"share     {share.get('upstream')}, weight {share.get('weight')}: {share.get('reason')}"


def _upstream(answer: Mapping[str, object]) -> Iterator[str]:
    upstream = _mapping(answer.get("upstream"))
    if not upstream:
        return
    exact = "" if upstream.get("exact") else "; drawn, so this order is one of many"
    key = _mapping(upstream.get("key"))
    by = f" ({key.get('by')}{' ' + str(key['name']) if key.get('name') else ''})" if key else ""
    yield (
        f"upstream  {upstream.get('name')}: {upstream.get('policy')}{by}, {upstream.get('meaning')}; "
        f"{upstream.get('live')} of {upstream.get('count')} usable{exact}"
    )
    for row in _list(upstream.get("bounds")):
        one = _mapping(row)
        yield f"          {one.get('name')}: {one.get('now')} of {one.get('most')}"
    sticky = _mapping(upstream.get("sticky"))
    if sticky:
        yield f"sticky    {sticky.get('reason')}"
    rows = [
        (one.get("place") or "-", one.get("address"), _load(one), f"{_number(one.get('share')):.0%}", _why(one))
        for one in map(_mapping, _list(upstream.get("endpoints")))
    ]
    for line in table(_HEAD, rows):
        yield f"          {line}"


def _verdict(answer: Mapping[str, object]) -> Iterator[str]:
    verdict = _mapping(answer.get("verdict"))
    to = f" to {verdict['to']}" if verdict.get("to") else ""
    status = f" with {verdict['status']}" if verdict.get("status") else ""
    fault = f" ({verdict['fault']})" if verdict.get("fault") else ""
    yield f"outcome   {verdict.get('outcome')}{to}{status}{fault}: {verdict.get('reason')}"


def _failed(row: Mapping[str, object]) -> str:
    if row.get("failed") is None:
        return "its conditions hold only one by one"
    return f"{row['failed']} {_value(row.get('wanted'))}"


def _why(row: Mapping[str, object]) -> str:
    """The worker's reason, and what the supervisor knows beside it."""
    detail = row.get("state_reason") if row.get("state") in ("down", "ejected", "warming") else None
    return f"{row.get('reason')} ({detail})" if detail else str(row.get("reason"))


def _load(row: Mapping[str, object]) -> str:
    return f"{row.get('in_flight')}/{row['most']}" if row.get("most") else str(row.get("in_flight"))


def _value(value: object) -> str:
    if isinstance(value, list):
        return " | ".join(map(_value, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
