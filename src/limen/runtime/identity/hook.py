"""A function of the user's that says whose credentials are."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import cast

from limen.exchange.hooks import load_function
from limen.exchange.identity import Credentials, Named
from limen.runtime.identity.provider import Found, Proof, ProviderFailed

Identify = Callable[[Credentials], object]
_log = logging.getLogger("limen.identity")


class HookProvider:
    """Calls the function: coroutines are awaited, plain functions are for quick decisions."""

    def __init__(self, reference: str, function: Identify) -> None:
        self._reference = reference
        self._function = function

    @classmethod
    def of(cls, reference: str) -> HookProvider:
        """Loads `module:function`. Raises ConfigError."""
        return cls(reference, cast("Identify", load_function(reference, "the credentials")))

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        del credentials
        return True

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider. Whatever the function raises, nobody is let in."""
        try:
            answer = self._function(credentials)
            if inspect.isawaitable(answer):
                answer = await cast("Awaitable[object]", answer)
        except (Exception, SystemExit) as error:
            _log.error("identity hook %s failed with %s", self._reference, type(error).__name__, exc_info=error)
            raise ProviderFailed(f"hook {self._reference} failed") from error
        if answer is None:
            return None
        if isinstance(answer, str) and answer:
            return Found(answer, evidence=self._reference)
        if isinstance(answer, Named) and answer.name:
            return Found(answer.name, tuple(answer.groups), evidence=self._reference)
        raise ProviderFailed(f"hook {self._reference} returned {type(answer).__name__}, not a name, Named or None")

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. The function decides by credentials, which are not kept."""
        return proof.groups if proof.evidence == self._reference else None
