"""Cookies that Limen sets itself: which value stands for which of several things."""

from typing import Self, final

@final
class Cookie:
    """A cookie and its signed values; immutable."""

    def __new__(
        cls, name: str, tokens: list[list[str]], *, plain: str = "", sealed: str = "", hidden: bool = True
    ) -> Self:
        """`tokens`: for each thing it may stand for the values that do, of 22 characters, the one given to clients
        first. `plain` and `sealed`: its attributes without and with TLS. `hidden`: origins do not see it. ValueError.
        """

    @property
    def name(self) -> bytes: ...
    @property
    def hidden(self) -> bool: ...
    @property
    def count(self) -> int: ...
    def matches(self, text: bytes) -> int:
        """The number that a client's value stands for; -1 for one that was not made with these keys."""
