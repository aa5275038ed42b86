"""JSON Schema (draft 2020-12) of the configuration, for completion in editors; `limen schema` prints it."""

from __future__ import annotations

import json
from typing import Any

from limen.config.models.root import Config

IDENTIFIER = "urn:limen:configuration:1"

_FILE_REFERENCE = {
    "type": "object",
    "description": "The content of a file, without its last line break.",
    "properties": {"file": {"type": "string", "description": "Path, relative to the configuration file."}},
    "required": ["file"],
    "additionalProperties": False,
}
# A string that holds `${ENV}` may become anything when it is loaded, so editors must not judge its form.
_VARIABLE = {"type": "string", "pattern": r"\$\{"}


def json_schema() -> dict[str, Any]:
    """The schema as a JSON-able mapping."""
    made = Config.model_json_schema(by_alias=True, mode="validation")
    definitions = made.get("$defs", {})
    for section in (made, *definitions.values()):
        _mend(section)
    definitions["FromFile"] = _FILE_REFERENCE
    definitions["FromEnvironment"] = _VARIABLE
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": IDENTIFIER,
        **made,
        "title": "Limen configuration",
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as indented JSON with a line break at the end."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _mend(section: dict[str, Any]) -> None:
    """Brings one section's properties to the form in which files are written."""
    for name, value in section.get("properties", {}).items():
        value.pop("title", None)
        section["properties"][name] = _written(value)


def _written(schema: dict[str, Any]) -> dict[str, Any]:
    """A value's schema, with variables and file references allowed where a scalar may be one of them."""
    described: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    if "properties" in schema or "$ref" in schema:
        return {**described, **schema}
    for key in ("anyOf", "oneOf"):
        if key in schema:
            schema[key] = _flat([_written(choice) for choice in schema[key]])
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _written(schema[key])
    if "patternProperties" in schema:
        schema["patternProperties"] = {key: _written(inner) for key, inner in schema["patternProperties"].items()}
    if schema.get("type") in ("string", "integer", "boolean") or "enum" in schema or "const" in schema:
        choices: list[dict[str, Any]] = [schema]
        if schema.get("type") != "string" or "pattern" in schema:
            choices.append({"$ref": "#/$defs/FromEnvironment"})
        if schema.get("type") == "string" and schema.get("pattern", "")[:3] not in ("^(\\", "^\\d"):
            choices.append({"$ref": "#/$defs/FromFile"})
        schema = {"anyOf": choices} if len(choices) > 1 else schema
    return {**described, **schema}


def _flat(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choices without choices inside of them, and each only once."""
    flat: list[dict[str, Any]] = []
    for choice in choices:
        inner = choice["anyOf"] if set(choice) == {"anyOf"} else [choice]
        flat += [one for one in inner if one not in flat]
    return flat
