"""Conditions on the certificate that a client has shown."""

from collections.abc import Iterable
from typing import Self

class CertificateMatch:
    """What a client's certificate must be like; of each list one must fit, an empty one sets no condition.

    In `subjects` and `names` a `*` stands for any characters; `fingerprints` are 64 hexadecimal digits in lower case.
    With `presented` False it holds for clients that have shown none.
    """

    def __new__(
        cls,
        presented: bool = True,
        *,
        subjects: Iterable[str] = (),
        names: Iterable[str] = (),
        fingerprints: Iterable[str] = (),
    ) -> Self: ...
