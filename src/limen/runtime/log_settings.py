"""The settings of the access log and of the audit log, as a worker opens them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from limen.observe.access_log import REFUSALS, AccessLog

if TYPE_CHECKING:
    from limen.runtime.revision import Revision


def access_log_of(revision: Revision) -> AccessLog | None:
    """The access log's settings, its path made absolute."""
    settings = revision.config.log.access
    if settings is None:
        return None
    path = str(settings.path)
    if path != "-" and not os.path.isabs(path):
        path = os.path.join(revision.base, path)
    return AccessLog(
        path,
        settings.format,  # type: ignore[arg-type]
        query=settings.query,
        tls=settings.tls,
        ja4=settings.ja4,
        place=settings.place,
        flush=settings.flush,
    )


def audit_log_of(revision: Revision) -> AccessLog | None:
    """The audit log's settings, likewise."""
    settings = revision.config.log.audit
    if settings is None:
        return None
    return AccessLog(os.path.join(revision.base, str(settings.path)), query=settings.query, wanted=REFUSALS)
