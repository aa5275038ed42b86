"""Writes docs/configuration.md from the models: the description of each field is the manual.

Run it after a change of the models: `python docs/generate_configuration.py`. A test holds the page equal to what this
makes. With `--check` nothing is written, and the exit status is 1 if the page is stale.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from limen.config.models import Config
from limen.config.models.section import NoneWord, Several, Shorthand, WrittenAs
from limen.config.scalars import Scalar

PAGE = Path(__file__).parent / "configuration.md"

INTRODUCTION = """\
# Configuration

<!-- Made by docs/generate_configuration.py from src/limen/config/models: change the models, then run it. -->

One YAML 1.2 file. `limen check FILE` checks it without running it, and names file, line, column, key and the mend of
every problem at once; `limen schema` prints a JSON Schema for editors. Unknown keys are refused. What is not written
has the default given here; `examples/full.yaml` shows every key in use.

## Values

| type | how it is written |
| --- | --- |
| duration | `5s`, `250ms`, `1m30s`, `24h`; units `us` `ms` `s` `m` `h` `d`, larger ones first, never without unit. |
| size | `500B`, `64KiB`, `16MiB`, `1GiB` (powers of 1024), `10kB`, `1MB` (powers of 1000), or a number of bytes. |
| address | `127.0.0.1:8080`, `www.example.com:80`, `"[::1]:8080"` (in quotes, because of the brackets), `unix:/path`. |
| network | `10.0.0.0/8`, `2001:db8::/32`, or one address; bits of the host must be zero. |
| port or range | `443`, `"1025-65535"`. |
| name | Up to 128 visible ASCII characters, without spaces and quotes. |
| path | A file, relative to the directory of the configuration. |
| `none` | Where it is allowed: no bound. |

Where a text stands, `${NAME}` is replaced by the environment variable, wherever in the text it is (`$${` is a literal
`${`), and `{file: path}` by the content of a file without its last line break. Both are read when the configuration is
loaded, so a reload reads them again; a missing one is an error. Keys are never replaced.

Anchors (`&name`, `*name`) and merges (`<<: *name`) are allowed; a key that stands twice is refused. Quote what begins
with `*`, `&`, `[`, `{`, `@`, `%` or a backtick.
"""


def sections(section: type[BaseModel], seen: dict[str, type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """Every model below one, in the order of the file, each once."""
    if section.__name__ not in seen:
        seen[section.__name__] = section
        for field in section.model_fields.values():
            for inner in models_in(field.annotation):
                sections(inner, seen)
    return seen


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


def places(name: str, all_sections: dict[str, type[BaseModel]]) -> list[str]:
    """Where a section stands, as `Section.key`."""
    return [
        f"`{field.alias or key}` of {link(section)}"
        for section in all_sections.values()
        for key, field in section.model_fields.items()
        if any(inner.__name__ == name for inner in models_in(field.annotation))
    ]


def title(section: type[BaseModel]) -> str:
    """The heading of a section."""
    return "Root" if section is Config else section.__name__


def link(section: type[BaseModel]) -> str:
    """A link to the heading."""
    return f"[{title(section)}](#{title(section).lower()})"


def type_of(annotation: Any, metadata: list[Any]) -> str:
    """The type of a key in words."""
    for mark in metadata:
        if isinstance(mark, Scalar):
            return mark.label
    several = next((mark for mark in metadata if isinstance(mark, Several)), None)
    shorthand = next((mark for mark in metadata if isinstance(mark, Shorthand)), None)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_of(arguments[0], list(annotation.__metadata__))
    words = words_of(metadata)
    if words:
        return f"{type_of(annotation, [])}, or {words}"
    if origin in (typing.Union, types.UnionType):
        return type_of(next(argument for argument in arguments if argument is not type(None)), metadata)
    if origin is tuple:
        item = type_of(arguments[0], [])
        return f"{item}, or a list" if several and several.single else f"list of {item}"
    if origin is dict:
        return f"mapping of {type_of(arguments[0], [])} to {type_of(arguments[1], [])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if shorthand:
            inner = annotation.model_fields[shorthand.key]
            return f"{type_of(inner.annotation, inner.metadata)}, or {link(annotation)}"
        return link(annotation)
    raise TypeError(f"no words for {annotation}")


def words_of(metadata: list[Any]) -> str:
    """The words that may stand for a section."""
    for mark in metadata:
        if isinstance(mark, NoneWord):
            return "`none`"
        if isinstance(mark, WrittenAs):
            return ", ".join(f"`{word if isinstance(word, str) else str(word).lower()}`" for word, _ in mark.words)
    return ""


def default_of(field: FieldInfo) -> str:
    """The default as one would write it."""
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see there"
    for mark in field.metadata:
        if isinstance(mark, Scalar) and mark.write and value is not None:
            return f"`{mark.write(value)}`"
    if value is None:
        return "`none`" if "`none`" in type_of(field.annotation, field.metadata) else "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | dict):
        return f"`[{', '.join(map(str, value))}]`" if value else "-"
    return f"`{value}`" if value != "" else "-"


def cell(text: str) -> str:
    """Text that may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def page() -> str:
    """The whole page."""
    everything = sections(Config, {})
    parts = [INTRODUCTION]
    for section in everything.values():
        parts.append(f"## {title(section)}\n")
        where = places(section.__name__, everything)
        if where:
            parts.append(f"Stands at {', '.join(where)}.\n")
        parts.append(f"{typing.cast('str', section.__doc__).replace(chr(10) + '    ', chr(10)).strip()}\n")
        parts.append("| key | type | default | meaning |\n| --- | --- | --- | --- |")
        for name, field in section.model_fields.items():
            kind = type_of(field.annotation, field.metadata)
            row = (f"`{field.alias or name}`", kind, default_of(field), field.description or "")
            parts.append("| " + " | ".join(cell(text) for text in row) + " |")
        parts[-1] += "\n"
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Writes the page, or compares it."""
    made = page()
    if arguments == ["--check"]:
        stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made
        if stale:
            sys.stderr.write("docs/configuration.md is stale: run docs/generate_configuration.py\n")
        return int(stale)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
