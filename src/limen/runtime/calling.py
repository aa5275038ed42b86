"""One question to all workers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from limen.runtime.channel import CallFailed, ChannelClosed

if TYPE_CHECKING:
    from limen.runtime.process import WorkerProcess

_TIMEOUT = 15.0


async def call_all(
    processes: Sequence[WorkerProcess], kind: str, fields: Mapping[str, object]
) -> list[Mapping[str, object]]:
    """What workers answer; one that does not is left out."""
    answers = await asyncio.gather(
        *(process.call(kind, dict(fields), timeout=_TIMEOUT) for process in processes), return_exceptions=True
    )
    found = []
    for answer in answers:
        if isinstance(answer, CallFailed | ChannelClosed | TimeoutError):
            continue
        if isinstance(answer, BaseException):
            raise answer
        found.append(answer.fields)
    return found
