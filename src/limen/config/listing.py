"""Lists of endpoints as a source gives them: text to models, every problem with its place.

A list is what `endpoints` of an upstream is: `[host:port, {address: host:port, weight: 2}]`, bare or as the only key of
a mapping; or what Prometheus calls http_sd: `[{targets: [host:port], labels: {weight: "2"}}]`, of whose labels those
count that are keys of an endpoint. Its text is a stranger's: no variables or contents of files are put into it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from limen.config import yaml12
from limen.config.models.upstreams import Endpoint
from limen.config.positions import Path, Positions, path_text
from limen.config.refusal import shown
from limen.config.translate import error_at, translate
from limen.errors import ConfigError, ConfigErrors

_NUMBERS = frozenset({"weight", "priority", "max_requests"})
_SHAPE = "write it like [10.0.0.1:8080, {address: 10.0.0.2:8080, weight: 2}]"
# A list of thousands may have the same mistake in each line.
_MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class _Item:
    """One endpoint as written, and where."""

    place: Path
    written: Mapping[str, object]


class Listing:
    """Reads the lists of one source; what stood in the last one is not looked at again."""

    def __init__(self, name: str, *, defaults: Mapping[str, object] | None = None, most: int = 10_000) -> None:
        """`name` stands in messages, `defaults` for what an endpoint does not say; more than `most` are refused."""
        self._name = name
        self._defaults = dict(defaults or {})
        self._most = most
        self._known: dict[str, Endpoint] = {}

    def yaml(self, text: str) -> tuple[Endpoint, ...]:
        """The endpoints of a YAML (or JSON) text. Raises ConfigErrors with lines and columns."""
        outcome = yaml12.read(text.removeprefix("\ufeff"), str)
        if outcome.problems:
            raise ConfigErrors(
                ConfigError(
                    problem.message,
                    file=self._name,
                    line=problem.place.line,
                    column=problem.place.column,
                    path=path_text(problem.path),
                    hint=problem.hint,
                )
                for problem in outcome.problems
            )
        return self._read(Positions(outcome.tree, outcome.start))

    def json(self, content: bytes) -> tuple[Endpoint, ...]:
        """The endpoints of a JSON text. Raises ConfigErrors; values have a path, but no line."""
        try:
            tree = json.loads(content)
        except (ValueError, RecursionError) as error:
            line, column = getattr(error, "lineno", 0), getattr(error, "colno", 0)
            raise ConfigErrors(
                [ConfigError("the text is not JSON", file=self._name, line=line, column=column)]
            ) from None
        return self._read(Positions(None), tree)

    def plain(self, written: Iterable[Mapping[str, object]]) -> tuple[Endpoint, ...]:
        """The endpoints of sections that were made, not read. Raises ConfigErrors."""
        errors: list[ConfigError] = []
        return self._made((_Item((number,), one) for number, one in enumerate(written)), Positions(None), errors)

    def _read(self, positions: Positions, tree: object = None) -> tuple[Endpoint, ...]:
        errors: list[ConfigError] = []
        items = self._items(positions.tree if tree is None else tree, positions, errors)
        return self._made(items, positions, errors)

    def _made(self, items: Iterable[_Item], positions: Positions, errors: list[ConfigError]) -> tuple[Endpoint, ...]:
        known: dict[str, Endpoint] = {}
        found: dict[str, Endpoint] = {}
        for item in items:
            key = repr(sorted(item.written.items()))
            endpoint = known.get(key) or self._known.get(key) or self._endpoint(item, positions, errors)
            if endpoint is None:
                continue
            known[key] = endpoint
            # one that stands twice counts as it stands first
            found.setdefault(str(endpoint.address), endpoint)
            if len(found) > self._most:
                raise ConfigErrors([*errors, ConfigError(f"more than {self._most} endpoints", file=self._name)])
        if errors:
            raise ConfigErrors(errors)
        self._known = known
        return tuple(found.values())

    def _endpoint(self, item: _Item, positions: Positions, errors: list[ConfigError]) -> Endpoint | None:
        try:
            return Endpoint.model_validate({**self._defaults, **item.written})
        except ValidationError as failure:
            errors += translate(failure, positions, self._name, root=Endpoint, place=item.place)
        return None

    def _items(self, tree: object, positions: Positions, errors: list[ConfigError]) -> Iterator[_Item]:
        place: Path = ()
        if isinstance(tree, dict) and tree.keys() == {"endpoints"}:
            place, tree = ("endpoints",), tree["endpoints"]
        if not isinstance(tree, list):
            raise ConfigErrors(
                [error_at(place, f"expected a list, found {shown(tree)}", _SHAPE, positions, self._name)]
            )
        for number, value in enumerate(tree):
            if len(errors) >= _MOST_ERRORS:
                return
            at = (*place, number)
            if isinstance(value, str):
                yield _Item(at, {"address": value})
            elif not isinstance(value, dict):
                message = f"expected an endpoint, found {shown(value)}"
                errors.append(error_at(at, message, _SHAPE, positions, self._name))
            elif "targets" in value:
                yield from self._targets(value, at, positions, errors)
            elif nested := [key for key, inner in value.items() if isinstance(inner, dict | list)]:
                # also no {file: path}: nobody but the configuration has our files read
                message = f"expected one value, found {shown(value[nested[0]])}"
                errors.append(error_at((*at, nested[0]), message, "", positions, self._name))
            else:
                yield _Item(at, value)

    def _targets(
        self, group: Mapping[str, object], at: Path, positions: Positions, errors: list[ConfigError]
    ) -> Iterator[_Item]:
        """A group of http_sd; labels are text, whatever they mean."""
        targets, labels = group["targets"], group.get("labels") or {}
        if not isinstance(targets, list) or not isinstance(labels, dict):
            message = "expected a list of targets and a mapping of labels"
            errors.append(error_at(at, message, "write it like {targets: [a:80], labels: {}}", positions, self._name))
            return
        said: dict[str, object] = {}
        for key, value in labels.items():
            if key not in Endpoint.model_fields or key == "address" or isinstance(value, dict | list):
                continue
            text = str(value)
            said[key] = int(text) if key in _NUMBERS and text.isascii() and text.isdigit() else value
            if key == "backup" and text.lower() in ("true", "false"):
                said[key] = text.lower() == "true"
        for number, target in enumerate(targets):
            if isinstance(target, str):
                yield _Item((*at, "targets", number), {**said, "address": target})
            else:
                message = f"expected host:port, found {shown(target)}"
                errors.append(error_at((*at, "targets", number), message, "", positions, self._name))
