"""The settings of the access log and of the audit log, as a worker opens them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from limen.observe.access_log import REFUSALS, AccessLog
from limen.observe.discretion import Discretion

if TYPE_CHECKING:
    from limen.runtime.revision import Revision


def discretion_of(revision: Revision) -> Discretion:
    """What logs may tell of clients."""
    told = revision.config.log.privacy
    return Discretion(
        told.clients,  # type: ignore[arg-type]
        told.users,  # type: ignore[arg-type]
        told.targets,  # type: ignore[arg-type]
        told.rotate,
        revision.secret,
    )


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
        discretion=discretion_of(revision),
        flush=settings.flush,
    )


def audit_log_of(revision: Revision) -> AccessLog | None:
    """The audit log's settings, likewise."""
    settings = revision.config.log.audit
    if settings is None:
        return None
    path = os.path.join(revision.base, str(settings.path))
    return AccessLog(path, query=settings.query, discretion=discretion_of(revision), wanted=REFUSALS)
