"""How a value is refused: one exception for all scalars, and the way a bad value is shown to people.

`Refused` is a ValueError, so that pydantic collects it with the place of the value; `translate` makes ConfigErrors.
"""

from __future__ import annotations

from typing import Self

SHOWN_CHARACTERS = 60


class Refused(ValueError):
    """A value that may not stand here: `message` says what is wrong, `hint` what would be right.

    With `at` given, the problem belongs to that key of the value (keys and indices, if it lies deeper).
    """

    def __init__(self, message: str, hint: str = "", *, at: str | tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = (at,) if isinstance(at, str) else at


class Expanded(str):
    """A string that came out of `${ENV}` or a file; `source` is what the configuration says in its place.

    Error messages show the source, so that a secret with a typing error does not end in a log.
    """

    __slots__ = ("source",)
    source: str

    def __new__(cls, value: str, source: str) -> Self:
        """The string `value`, with where it came from."""
        made = super().__new__(cls, value)
        made.source = source
        return made


def shown(value: object) -> str:
    """A value as error messages print it: quoted, shortened, and never a secret."""
    if isinstance(value, Expanded):
        return repr(value.source)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(str(value)) if isinstance(value, str) else str(getattr(value, "text", value))
    if len(text) <= SHOWN_CHARACTERS:
        return text
    quote = text[0] if text[0] in "'\"" else ""
    return f"{text[: SHOWN_CHARACTERS - 3]}...{quote}"
