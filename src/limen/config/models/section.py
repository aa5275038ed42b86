"""What all sections share: the base model, lists that may be written as one value, and shorthand spellings.

All models are frozen, refuse unknown keys, and say in each field's description what the manual says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from limen.config.refusal import Refused, shown


class Section(BaseModel):
    """Base of every section: immutable, strict about keys, equal by content."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )


def given(section: BaseModel, *names: str) -> list[str]:
    """Those of `names` that the section has a value for (None means: not given)."""
    return [name for name in names if getattr(section, name) is not None]


def changed(section: BaseModel, *names: str) -> list[str]:
    """Those of `names` that differ from their default.

    Not what was written: a configuration that travelled to a worker names all keys, and must still be accepted.
    """
    fields = type(section).model_fields
    return [name for name in names if getattr(section, name) != fields[name].get_default(call_default_factory=True)]


def exactly_one(section: BaseModel, *names: str) -> None:
    """Refuses a section that has none or several of the named keys."""
    found = given(section, *names)
    if len(found) != 1:
        listed = f"{', '.join(names[:-1])} or {names[-1]}"
        wrong = f"has {' and '.join(found)}" if found else "has none of them"
        empty = [name for name in names if name in section.model_fields_set and name not in found]
        if empty and not found:
            wrong = f"`{empty[0]}` has no value"
        raise Refused(f"needs exactly one of {listed}", wrong, at=found[1] if found else ())


@dataclass(frozen=True)
class Several:
    """Metadata of a list: it may not be empty, and with `single` one value may stand without brackets.

    An empty list is refused unless `empty`: in a condition it can be read as "none" and as "no condition", and one of
    both is a hole. `needed` says that the key may not be left out either.
    """

    single: bool = False
    empty: bool = False
    needed: bool = False

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._listed, handler(source))

    def _listed(self, value: object) -> object:
        if isinstance(value, list | tuple):
            if not value and not self.empty:
                raise Refused(
                    "the list is empty", "name at least one" + ("" if self.needed else ", or leave the key out")
                )
            return value
        if self.single and not (value is None or (isinstance(value, dict) and "file" not in value)):
            return (value,)
        written = f"[{value}]" if isinstance(value, str) and len(value) < 40 else "[a, b]"
        raise Refused(f"expected a list, found {shown(value)}", f"write it like {written}")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        listed = handler(schema)
        if not self.empty:
            listed["minItems"] = 1
        return {"anyOf": [listed["items"], listed]} if self.single else listed


@dataclass(frozen=True)
class Sections(Several):
    """Metadata of a list of sections: one section may stand without brackets, and the list may be empty."""

    single: bool = True
    empty: bool = True

    def _listed(self, value: object) -> object:
        return (value,) if isinstance(value, dict | BaseModel) else super()._listed(value)


@dataclass(frozen=True)
class Shorthand:
    """Metadata of a section that may be written as one value: that of the key named here."""

    key: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._written_out, handler(source))

    def _written_out(self, value: object) -> object:
        if value is None or isinstance(value, dict | list | tuple | bool | BaseModel):
            return value
        return {self.key: value}

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


@dataclass(frozen=True)
class NoneWord:
    """Metadata of a value that may be turned off: `none` is read like an empty value, and Python sees None."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    @staticmethod
    def _read(value: object) -> object:
        if value is False:
            raise Refused("false does not turn this off", "write none")
        return None if value == "none" else value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"const": "none"}]}


@dataclass(frozen=True, init=False)
class WrittenAs:
    """Metadata of a section that may be written as a word: pairs of a word (text or bool) and what it stands for."""

    words: tuple[tuple[str | bool, object], ...]

    def __init__(self, *words: tuple[str | bool, object]) -> None:
        object.__setattr__(self, "words", words)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._written_out, handler(source))

    def _written_out(self, value: object) -> object:
        for word, meaning in self.words:
            # 1 is no way to write true
            if type(value) is type(word) and value == word:
                return meaning
        if value is None or isinstance(value, dict | BaseModel):
            return value
        words = " or ".join(word if isinstance(word, str) else str(word).lower() for word, _ in self.words)
        raise Refused(f"expected {words} or a mapping, found {shown(value)}")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"enum": [word for word, _ in self.words]}]}


class Listed:
    """Metadata of a section that may be written as a list, or one value: that of the key named here."""

    def __init__(self, key: str, *, items: str = "object", single: bool = False) -> None:
        """`items` is the JSON type of what the list holds; with `single` one may stand without brackets."""
        self.key = key
        self.items = items
        self.single = single

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._written_out, handler(source))

    def _written_out(self, value: object) -> object:
        listed = isinstance(value, list | tuple) or (self.single and isinstance(value, str))
        return {self.key: value} if listed else value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        section = handler(schema)
        listed: dict[str, Any] = {"type": "array", "items": {"type": self.items}, "minItems": 1}
        return {"anyOf": [listed, *([{"type": self.items}] if self.single else []), section]}
