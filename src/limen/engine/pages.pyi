"""Pages for statuses, compiled. Built by limen.runtime.pages, immutable once published."""

from typing import Self

FILLINGS: dict[bytes, int]
KINDS: tuple[str, ...]

class Template:
    """A page of one kind (html, json or text) with places for {status}, {reason}, {request_id} and {host}.

    ValueError over 64 KiB or 32 places.
    """

    def __new__(cls, kind: str, content_type: str, text: bytes) -> Self: ...

class Page:
    """The templates for one status, the first one for clients that take anything."""

    def __new__(cls, templates: list[Template], replaces: bool = False) -> Self: ...
    @property
    def replaces(self) -> bool:
        """Whether it stands for what an origin says with its status, too."""

class Pages:
    """Pages by status, 400 to 599."""

    def __new__(cls, pages: dict[int, Page]) -> Self: ...
    @property
    def replaces(self) -> bool:
        """Whether some page does."""
