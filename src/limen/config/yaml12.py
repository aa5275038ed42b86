"""YAML 1.2 (core schema) to a tree with places, in one pass over the events of libyaml.

Stricter than YAML where a configuration is better off: one document, keys are text and stand once, no tags beyond the
core ones, bounded depth, and aliases that cannot multiply (no billion laughs). Problems are collected, not raised, as
long as reading can go on. `<<` merges mappings, as everybody expects of an anchor.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import yaml

from limen.config.positions import NOWHERE, MarkedDict, MarkedList, Path, Place
from limen.config.refusal import Refused

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
except ImportError:  # PyYAML built without libyaml: the same events, some twenty times slower
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Parser(Reader, Scanner, Parser):  # type: ignore[no-redef]
        def __init__(self, stream: str) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)


DEEPEST = 64
"""Levels of nesting; the deepest honest configuration has about ten."""
_TOO_DEEP = f"nested deeper than {DEEPEST} levels"
MOST_ALIASED = 100_000
"""Values that all aliases of a file may stand for together."""

_NUMBER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_CONSTANTS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_STARTS = frozenset("0123456789+-.")
_TAG = "tag:yaml.org,2002:"
_LONGEST_NUMBER = 40
_OWN_BOUND = "exceeded maximum nesting depth"
"""What newer libyaml says of brackets that it reads ahead of its events; older ones leave the bound to us."""
_HINTS = (
    ("while scanning an alias", "a value that begins with * must be in quotes"),
    ("while scanning an anchor", "a value that begins with & must be in quotes"),
    ("mapping values are not allowed", "put a value that holds ': ' in quotes, and check the indentation"),
    ("cannot start any token", "indent with spaces, and put values that begin with @, ` or % in quotes"),
    ("did not find expected key", "check the indentation and quotes of this line and the ones before"),
    ("did not find expected node content", "a value such as [::1]:80 needs quotes"),
    ("did not find expected ',' or", "a bracket or brace is not closed, or a value such as [::1]:80 needs quotes"),
    ("did not find expected <document start>", "a value such as [::1]:80 needs quotes"),
    ("did not find expected '-' indicator", "check the indentation: all items of a list begin in the same column"),
    ("found unexpected end of stream", "a quote is not closed"),
)


class PlainInt(int):
    """A number whose text differs from its usual form (`007`, `0x1F`, `+1`); `text` is what was written."""

    text: str


class PlainFloat(float):
    """A number with a fraction or exponent; `text` is what was written."""

    text: str


@dataclass(slots=True)
class Problem:
    """Something wrong at a place of the text."""

    path: Path
    place: Place
    message: str
    hint: str = ""


@dataclass(slots=True)
class Outcome:
    """What came out of a text: the tree (None if it has none), the place where it begins, and all problems."""

    tree: object = None
    start: Place = NOWHERE
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A container that is being read; `size` counts the values in it, to bound what aliases multiply."""

    node: MarkedDict | MarkedList
    start: Place
    anchor: str | None
    key: str | None = None
    key_place: Place = NOWHERE
    twice: bool = False
    plain_key: bool = False
    size: int = 1
    merges: list[MarkedDict] = field(default_factory=list)


class _Stop(Exception):
    """Reading cannot go on; the problem is already noted."""


def read(text: str, expand: Callable[[str], str]) -> Outcome:
    """Reads one document; `expand` turns each string value into what it stands for, and may raise Refused."""
    outcome = Outcome()
    builder = _Builder(outcome, expand)
    try:
        text.encode()
        parser = _Parser(text)
        try:
            builder.run(parser.get_event)
        finally:
            parser.dispose()
    except _Stop:
        pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else NOWHERE
        said = " ".join(part for part in (error.context, error.problem) if part)
        if _OWN_BOUND in said:
            outcome.problems.append(Problem((), place, _TOO_DEEP))
            return outcome
        hint = next((hint for sign, hint in _HINTS if sign in said), "")
        outcome.problems.append(Problem((), place, f"not readable as YAML: {said or 'syntax error'}", hint))
    except (yaml.YAMLError, ValueError):
        outcome.problems.append(
            Problem((), _first_bad(text), "not readable as YAML: a character that may not stand in a text")
        )
    return outcome


def _first_bad(text: str) -> Place:
    """The place of the first character that YAML does not allow (section 5.1)."""
    match = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if match is None:
        return NOWHERE
    before = text[: match.start()]
    return Place(before.count("\n") + 1, match.start() - (before.rfind("\n") + 1) + 1)


class _Builder:
    """Builds the tree from events, with an own stack: depth is bounded by a number, not by that of the interpreter."""

    def __init__(self, outcome: Outcome, expand: Callable[[str], str]) -> None:
        self.outcome = outcome
        self.expand = expand
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[object, int]] = {}
        self.aliased = 0

    def run(self, next_event: Callable[[], yaml.Event | None]) -> None:
        documents = 0
        while True:
            event = next_event()
            if event is None:
                return
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)  # type: ignore[arg-type]
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._open(event)  # type: ignore[arg-type]
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close()
            elif kind is yaml.AliasEvent:
                self._alias(event)  # type: ignore[arg-type]
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._problem(_place(event), "a second document begins here", "a configuration is one document")
                    raise _Stop
            elif kind is yaml.StreamEndEvent:
                return

    def _path(self) -> Path:
        """The path of the value that comes next."""
        parts: list[str | int] = []
        for level in self.stack:
            if isinstance(level.node, MarkedList):
                parts.append(len(level.node))
            elif level.key is not None:
                parts.append(level.key)
        return tuple(parts)

    def _problem(self, place: Place, message: str, hint: str = "") -> None:
        self.outcome.problems.append(Problem(self._path(), place, message, hint))

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].node, MarkedDict) and self.stack[-1].key is None

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text = event.value
        place = _place(event)
        plain = event.implicit[0] and event.tag is None
        if self._wants_key():
            self._key(text, place, plain=plain)
            self._anchor(event.anchor, text, 1)
            return
        value: object = text
        if event.tag is not None and not plain:
            plain = self._plain_by_tag(event.tag, place)
        if plain and "${" not in text:
            value = resolve(text)
        if isinstance(value, str) and "${" in value:
            try:
                value = self.expand(value)
            except Refused as refused:
                self._problem(place, refused.message, refused.hint)
        self._anchor(event.anchor, value, 1)
        self._add(value, place, 1)

    def _plain_by_tag(self, tag: str, place: Place) -> bool:
        """Whether a scalar with an explicit tag is resolved like a plain one."""
        if tag in ("!", f"{_TAG}str"):
            return False
        if tag not in (f"{_TAG}int", f"{_TAG}float", f"{_TAG}bool", f"{_TAG}null"):
            self._problem(place, f"the tag {tag[:60]!r} means nothing here", "leave it out")
        return True

    def _key(self, text: str, place: Place, *, plain: bool) -> None:
        top = self.stack[-1]
        top.twice = isinstance(top.node, MarkedDict) and text in top.node
        if top.twice and isinstance(top.node, MarkedDict):
            first = top.node.keys_at[text]
            path = (*self._path(), text)
            message = f"the key {text[:60]!r} stands twice in this mapping"
            self.outcome.problems.append(Problem(path, place, message, f"first on line {first.line}"))
        top.key, top.key_place, top.plain_key = text, place, plain

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        place = _place(event)
        if self._wants_key():
            self._problem(place, "a key must be text", "put keys that begin with [ or { in quotes")
            raise _Stop
        if len(self.stack) >= DEEPEST:
            self._problem(place, _TOO_DEEP)
            raise _Stop
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            self._problem(place, f"the tag {str(event.tag)[:60]!r} means nothing here", "leave it out")
        node: MarkedDict | MarkedList = MarkedDict() if type(event) is yaml.MappingStartEvent else MarkedList()
        if event.anchor is not None:
            # Known as open, so that an alias inside of its own anchor is recognised.
            self.anchors[event.anchor] = (None, 0)
        self.stack.append(_Open(node, place, event.anchor))

    def _close(self) -> None:
        done = self.stack.pop()
        if isinstance(done.node, MarkedDict):
            for source in done.merges:
                _merge(done.node, source)
        self._anchor(done.anchor, done.node, done.size)
        self._add(done.node, done.start, done.size)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = _place(event)
        if event.anchor not in self.anchors:
            hint = "a value that begins with * must be in quotes"
            self._problem(place, f"the alias *{str(event.anchor)[:60]} has no anchor before it", hint)
            raise _Stop
        value, size = self.anchors[event.anchor]
        if size == 0:
            self._problem(place, f"the alias *{str(event.anchor)[:60]} stands inside of its own anchor")
            raise _Stop
        if self._wants_key():
            if not isinstance(value, str):
                self._problem(place, "a key must be text")
                raise _Stop
            self._key(value, place, plain=False)
            return
        self.aliased += size
        if self.aliased > MOST_ALIASED:
            self._problem(place, f"aliases stand for more than {MOST_ALIASED} values", "write fewer of them")
            raise _Stop
        self._add(value, place, size)

    def _anchor(self, name: str | None, value: object, size: int) -> None:
        if name is not None:
            self.anchors[name] = (value, size)

    def _add(self, value: object, place: Place, size: int) -> None:
        if not self.stack:
            self.outcome.tree = value
            self.outcome.start = place
            return
        top = self.stack[-1]
        top.size += size
        node = top.node
        if isinstance(node, MarkedList):
            node.append(value)
            node.at.append(place)
            return
        key = top.key or ""
        if key == "<<" and top.plain_key:
            self._take_merge(top, value, place)
        elif not top.twice:
            node[key] = value
            node.keys_at[key] = top.key_place
            node.values_at[key] = place
        top.key = None

    def _take_merge(self, top: _Open, value: object, place: Place) -> None:
        sources = value if isinstance(value, MarkedList) else [value]
        for source in sources:
            if isinstance(source, MarkedDict):
                top.merges.append(source)
            else:
                self._problem(place, "<< merges mappings, and this is none", "write <<: *anchor")


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else NOWHERE


def _merge(node: MarkedDict, source: MarkedDict) -> None:
    for key, value in source.items():
        if key not in node:
            node[key] = value
            node.keys_at[key] = source.keys_at[key]
            node.values_at[key] = source.values_at[key]


def resolve(text: str) -> object:
    """The value of a plain scalar by the core schema (YAML 1.2 section 10.3.2); text where nothing else fits.

    Infinities and NaN stay text: no key takes them.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _LONGEST_NUMBER:
        return text
    if _NUMBER.fullmatch(text):
        number = int(text)
        return number if str(number) == text else _written(PlainInt(number), text)
    if _BASED.fullmatch(text):
        return _written(PlainInt(int(text, 0)), text)
    if _FLOAT.fullmatch(text):
        return _written(PlainFloat(text), text)
    return text


def _written(value: PlainInt | PlainFloat, text: str) -> PlainInt | PlainFloat:
    value.text = text
    return value
