"""Which way a TLS connection goes, by what its client says first."""

from collections.abc import Sequence
from typing import Self, TypeAlias

from limen.engine.service import Action

_Hellos: TypeAlias = tuple[Sequence[str] | None, Sequence[str] | None, Sequence[str] | None, Action]

class PassTable:
    """Routes of TLS connections by what their hello says: (names, protocols, JA4 patterns, action) each, None: any.

    Names are in lower case: exact, `*.` and a name for one label more, `.` and a name for it and all below. In
    patterns a `*` stands for any characters. The first route that matches wins. ValueError for other names.
    """

    def __new__(cls, routes: Sequence[_Hellos]) -> Self: ...
    @property
    def actions(self) -> list[Action]: ...
    @property
    def rest(self) -> int:
        """The first without any condition, which also takes what is no TLS; -1: there is none."""

    @property
    def asks_ja4(self) -> bool: ...
