from typing import Any, Final, Literal, TypeAlias

FAULTS: Final[dict[str, int]]
METHODS: Final[dict[str, int]]
FIELD_IDS: Final[dict[str, int]]

# name, value, FieldId, canonical, named by Connection
_Field: TypeAlias = tuple[bytes, bytes, int, bool, bool]

class Limits:
    def __init__(
        self,
        *,
        line: int = 8192,
        fields: int = 32768,
        count: int = 100,
        trailers: int = 16,
        underscores: bool = False,
    ) -> None: ...

def parse_request(data: bytes, limits: Limits = ...) -> dict[str, Any] | int: ...
def parse_response(data: bytes, method: int = 1, limits: Limits = ...) -> dict[str, Any] | int: ...
def parse_trailers(data: bytes, limits: Limits = ...) -> tuple[int, list[_Field]] | int: ...
def head_ready(data: bytes, scanned: int = 0) -> tuple[bool, int]: ...

class Chunks:
    def feed(self, data: bytes) -> tuple[bytes, int, Literal["more", "last"] | int]: ...

def bench(
    what: Literal["request", "response", "ready", "chunked"],
    data: bytes,
    rounds: int,
    limits: Limits = ...,
) -> float: ...
