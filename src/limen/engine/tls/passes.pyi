"""Which way a TLS connection goes that is passed on unopened."""

from collections.abc import Sequence
from typing import Self

from limen.engine.service import Action

class PassTable:
    """Routes of TLS connections by what their hello says: (names or None, protocols or None, action) each.

    Names are in lower case: exact, `*.` and a name for one label more, `.` and a name for it and all below. The
    first route that matches wins. ValueError for other names.
    """

    def __new__(cls, routes: Sequence[tuple[Sequence[str] | None, Sequence[str] | None, Action]]) -> Self: ...
    @property
    def actions(self) -> list[Action]: ...
