"""Edits of message heads: which fields are set and removed, in requests towards origins and responses to clients."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several
from limen.config.refusal import Refused
from limen.config.scalars import EditableField, FieldValue


def refuse_twins(names: list[str], *, where: str) -> None:
    """Field names are equal without regard to case: refuses one that stands twice."""
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.lower(), name)
        if twin is not name:
            raise Refused(
                f"the field {name} stands twice (as {twin} before)", "names are equal in any case", at=(where, name)
            )


class FieldEdits(Section):
    """Fields set and removed."""

    set: dict[EditableField, FieldValue] = Field(
        default_factory=dict,
        description="Fields and their values. Each replaces all fields of that name that arrived, or is added. Values "
        "may hold `${ENV}` or be `{file: path}`, both read when the configuration is loaded. Framing and hop-by-hop "
        "fields (Connection, Content-Length, Transfer-Encoding ...) are refused; for Host use the key `host`.",
    )
    remove: Annotated[tuple[EditableField, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Names of fields to remove, in any case; done before `set`.",
    )

    @model_validator(mode="after")
    def _no_twins(self) -> FieldEdits:
        refuse_twins(list(self.set), where="set")
        return self
