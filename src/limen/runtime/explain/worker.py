"""Asking a worker for an explanation, from the supervisor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from limen.errors import LimenError
from limen.runtime.channel import CallFailed, ChannelClosed
from limen.runtime.explain.asked import Asked, AskedWrongly, encoded

if TYPE_CHECKING:
    from limen.runtime.process import WorkerProcess

# A name may have to be looked up, which has its own, shorter bound.
TIMEOUT = 15.0


class ExplainFailed(LimenError):
    """No worker could answer; the text says why."""


async def ask_worker(process: WorkerProcess, asked: Asked) -> Mapping[str, object]:
    """The worker's answer. Raises AskedWrongly for a question it cannot take, ExplainFailed when it does not answer."""
    try:
        answer = await process.call("explain", encoded(asked), timeout=TIMEOUT)
    except CallFailed as error:
        raise (AskedWrongly if error.kind == "config" else ExplainFailed)(str(error)) from error
    except (ChannelClosed, TimeoutError) as error:
        raise ExplainFailed(f"the worker did not answer: {str(error) or 'it took too long'}") from error
    explanation = answer.fields.get("explanation")
    if not isinstance(explanation, dict):
        raise ExplainFailed("the worker answered something else")
    return {**explanation, "source": "instance", "worker": answer.fields.get("worker")}
