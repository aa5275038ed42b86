"""One exchange on its way through its phases; Python only hands it on (limen.engine.handle)."""

from typing import Self, final

@final
class Exchange:
    """Opaque: what a parked exchange offers is an ExchangeHandle."""

    def __new__(cls) -> Self: ...
