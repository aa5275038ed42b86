"""A proxy auto-configuration file, served on the proxy's own port."""

from collections.abc import Iterable
from typing import Self

class Pac:
    """What is answered to requests in origin form for one of `paths`."""

    def __new__(cls, paths: Iterable[bytes], content: bytes) -> Self: ...
    @property
    def paths(self) -> tuple[bytes, ...]: ...
    @property
    def content(self) -> bytes: ...
