"""From pydantic's findings to ConfigErrors: our words, the path as users write it, and the mend. No jargon passes."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from limen.config.models.root import Config
from limen.config.positions import Path, Positions, path_text
from limen.config.refusal import Refused, shown
from limen.config.scalars import near
from limen.config.vocabulary import LATER, OTHER_WORDS, WRITE
from limen.errors import ConfigError


def translate(
    failure: ValidationError,
    positions: Positions,
    file: str,
    *,
    root: type[BaseModel] = Config,
    place: Path = (),
) -> list[ConfigError]:
    """All findings of one validation, one ConfigError each; `root` is what was validated, at `place` of the text."""
    return [_one(finding, positions, file, root, place) for finding in failure.errors(include_url=False)]


def _one(finding: Any, positions: Positions, file: str, root: type[BaseModel], place: Path) -> ConfigError:
    location: Path = finding["loc"]
    kind = finding["type"]
    # Problems of a mapping's key carry this mark behind the key itself.
    is_key = bool(location) and location[-1] == "[key]"
    if is_key:
        location = location[:-1]
    whole = (*place, *location)
    if kind == "missing":
        return _missing(whole, positions, file)
    if kind == "extra_forbidden":
        return error_at(whole, *_unknown(location, root), positions, file, key=True)
    message, hint = _said(finding, location, root)
    refused = finding.get("ctx", {}).get("error")
    if isinstance(refused, Refused) and refused.at:
        return error_at((*whole, *refused.at), message, hint, positions, file)
    return error_at(whole, message, hint, positions, file, key=is_key)


def error_at(
    location: Path, message: str, hint: str, positions: Positions, file: str, *, key: bool = False
) -> ConfigError:
    """A ConfigError for the value (or key) at a location; what the text does not have is cut from the path."""
    place, found = positions.find(location, key=key)
    # A configuration made in Python has no text: then the path is all there is.
    path = found if positions.tree is not None else location
    return ConfigError(message, file=file, line=place.line, column=place.column, path=path_text(path), hint=hint)


def _missing(location: Path, positions: Positions, file: str) -> ConfigError:
    place, found = positions.find(location)
    name = str(location[-1])
    hint = f"write it like `{WRITE[name]}`" if name in WRITE else ""
    path = path_text((*found, name) if len(found) == len(location) - 1 else location)
    return ConfigError("is missing", file=file, line=place.line, column=place.column, path=path, hint=hint)


def _unknown(location: Path, root: type[BaseModel]) -> tuple[str, str]:
    name = str(location[-1])
    section = section_at(location[:-1], root)
    if section is None:
        return f"unknown key {shown(name)}", ""
    if name in LATER.get(section.__name__, ()):
        return f"the key {shown(name)} is not available in this version", "remove it"
    known = keys_of(section)
    for word in OTHER_WORDS.get(name.lower(), ()):
        if word in known:
            return f"unknown key {shown(name)}", f"did you mean '{word}'?"
    return f"unknown key {shown(name)}", near(name, known) or f"known here are {', '.join(known)}"


def _said(finding: Any, location: Path, root: type[BaseModel]) -> tuple[str, str]:
    kind = finding["type"]
    value = finding["input"]
    refused = finding.get("ctx", {}).get("error")
    if isinstance(refused, Refused):
        return refused.message, refused.hint
    if kind in ("model_type", "model_attributes_type"):
        section = section_at(location, root)
        keys = keys_of(section) if section else ()
        return f"expected a mapping, found {shown(value)}", f"its keys are {', '.join(keys)}" if keys else ""
    if kind == "dict_type":
        return f"expected a mapping of names to values, found {shown(value)}", "write it like {name: value}"
    if kind in ("tuple_type", "list_type"):
        return f"expected a list, found {shown(value)}", "write it like [a, b]"
    return f"{shown(value)} may not stand here", ""


def keys_of(section: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a section as users write them."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


def section_at(location: Path, root: type[BaseModel] = Config) -> type[BaseModel] | None:
    """The model that stands at a location of a configuration (or of `root`); None where there is none."""
    current: Any = root
    for part in location:
        current = _inside(current, part)
        if current is None:
            return None
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _inside(annotation: Any, part: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part in (field.alias, name):
                return unwrapped(field.annotation)
        return None
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (tuple, list) and isinstance(part, int):
        return unwrapped(arguments[0])
    return unwrapped(arguments[1]) if origin is dict else None


def unwrapped(annotation: Any) -> Any:
    """An annotation without Annotated and without `| None`."""
    while True:
        origin = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if origin is typing.Annotated:
            annotation = arguments[0]
        elif origin in (typing.Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
            annotation = next(argument for argument in arguments if argument is not type(None))
        else:
            return annotation
