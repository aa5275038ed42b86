"""Loading a configuration: text to tree to models to cross checks, with every problem reported at once.

`load` and `loads` give a Config or raise ConfigErrors, and nothing else. `read` and `reads` give the Document, for who
also wants the warnings, the text, or the places.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from limen.config import secrets, yaml12
from limen.config.check import Check, Report, check
from limen.config.models.root import Config
from limen.config.positions import Positions, path_text
from limen.config.scalars import Loading
from limen.config.translate import translate
from limen.errors import ConfigError, ConfigErrors

LARGEST = 64 * 1024 * 1024
"""Bytes of a configuration at most; 100,000 routes are about 15 MB."""


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration with its text: what `limen check`, reload reports and revisions work on."""

    config: Config
    text: str
    name: str
    positions: Positions

    def check(self, checks: Iterable[Check] = ()) -> Report:
        """Cross checks of the whole, with places; `checks` are further ones from layers above."""
        return check(self.config, checks=checks, positions=self.positions, file=self.name)


def load(path: str | os.PathLike[str], *, checks: Iterable[Check] = ()) -> Config:
    """The configuration in a file, checked; raises ConfigErrors. Warnings are dropped: see `read`."""
    return _checked(read(path), checks)


def loads(text: str, name: str = "<string>", base: Path | None = None, *, checks: Iterable[Check] = ()) -> Config:
    """The configuration in a text, checked; relative paths start at `base` (the working directory by default)."""
    return _checked(reads(text, name, base), checks)


def _checked(document: Document, checks: Iterable[Check]) -> Config:
    report = document.check(checks)
    if report.errors:
        raise ConfigErrors(report.errors)
    return document.config


def read(path: str | os.PathLike[str]) -> Document:
    """Reads a file into models, without cross checks; raises ConfigErrors."""
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot read the configuration: {reason.lower()}"
        raise ConfigErrors([ConfigError(message, file=name)]) from None
    if len(content) > LARGEST:
        raise ConfigErrors([ConfigError("the configuration is larger than 64 MiB", file=name)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        message = "the configuration is not UTF-8 text"
        raise ConfigErrors([ConfigError(message, file=name, line=line, column=column)]) from None
    return reads(text, name, Path(path).absolute().parent)


def reads(text: str, name: str = "<string>", base: Path | None = None) -> Document:
    """Reads a text into models, without cross checks; raises ConfigErrors."""
    outcome = yaml12.read(text.removeprefix("\ufeff"), secrets.expand)
    errors = [
        ConfigError(
            problem.message,
            file=name,
            line=problem.place.line,
            column=problem.place.column,
            path=path_text(problem.path),
            hint=problem.hint,
        )
        for problem in outcome.problems
    ]
    if outcome.tree is None:
        if not errors:
            errors.append(ConfigError("the configuration is empty", file=name, hint="it needs at least `listeners`"))
        raise ConfigErrors(errors)
    positions = Positions(outcome.tree, outcome.start)
    config = None
    try:
        config = Config.model_validate(outcome.tree, context=Loading((base or Path()).absolute()))
    except ValidationError as failure:
        # A value that could not be read (a missing variable) is reported once, not again as a bad value.
        known = {(error.line, error.column) for error in errors}
        errors += [error for error in translate(failure, positions, name) if (error.line, error.column) not in known]
    if errors or config is None:
        raise ConfigErrors(errors)
    return Document(config, text, name, positions)
