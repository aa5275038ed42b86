"""Captures: files of whole exchanges, with their content, which `limen har export` turns into HAR documents."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section
from limen.config.refusal import Refused
from limen.config.scalars import FilePath, Flag, size, whole
from limen.config.units import parse_size

CAPTURE = (
    "Record its exchanges, with their content, for this capture (`captures` of the root). Tunnels show nothing; what "
    "is inside of bridged TLS does."
)
"""The description of the key wherever it stands."""


class Capture(Section):
    """One file of recorded exchanges."""

    path: FilePath = Field(
        description="File that one JSON line per exchange is appended to, relative to the configuration file; made "
        "with mode 0600. All workers write it. SIGUSR1 opens it anew."
    )
    body: Annotated[int, size("0B", "16MiB")] = Field(
        default=parse_size("64KiB"),
        description="Bytes kept of the content of each request and of each response, from the first on; `0B` for none. "
        "The rest passes unrecorded and at full speed.",
    )
    memory: Annotated[int, size("1MiB", "16GiB")] = Field(
        default=parse_size("64MiB"),
        description="Bytes that a worker holds at a time for this capture, of exchanges under way and of those not yet "
        "written. With three quarters of them content is cut short, with all of them exchanges are not recorded; "
        "nothing ever waits.",
    )
    secrets: Flag = Field(
        default=False,
        description="Whether values that let their owner in are recorded: Authorization, Cookie, Set-Cookie and the "
        "like. `***` stands for them otherwise. Of URLs and content everything is recorded in any case.",
    )
    max_size: Annotated[int, size("64KiB", "1024GiB")] = Field(
        default=parse_size("256MiB"),
        description="Size at which the file is put aside, as `PATH.1`, and a new one begun; a single line may "
        "be larger.",
    )
    files: Annotated[int, whole(1, 100)] = Field(
        default=2, description="How many files there are at most, the present one among them; the oldest goes."
    )

    @model_validator(mode="after")
    def _has_room(self) -> Capture:
        if self.memory < 2 * self.body:
            raise Refused("the contents of one exchange do not fit", "at least twice `body`", at="memory")
        return self
