# The constructor of the compiled terms; retries by them in repeat.pyx, the others in deadline, hedge and mirror.

import os

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.budget cimport draw_next
from limen.engine.upstream cimport Upstream


cdef class Resilience:
    """Retries, deadline, mirror, hedge and urgency of a route. All times in seconds; 0 turns off."""

    def __init__(
        self, *, int on=3, tuple statuses=(), double per_try=0.0, double total=0.0, double budget_share=0.2,
        long budget_least=10, double budget_wait=1.0, double backoff_base=0.025, double backoff_most=0.25,
        str deadline_field="", bint deadline_grpc=False, Upstream mirror=None, double mirror_share=1.0,
        long mirror_most=100, str mirror_field="X-Mirrored", double hedge_after=0.0,
        long hedge_most=0, double hedge_share=0.0, bint urgent=False,
    ):
        self.on = on
        if statuses:
            self.on |= CAUSE_STATUS
            self.statuses = bytes(1 if status in statuses else 0 for status in range(600))
        self.per_try = <uint64_t>(per_try * 1e9)
        self.total = <uint64_t>(total * 1e9)
        self.budget_share = budget_share
        self.budget_least = budget_least
        self.budget_wait = <uint64_t>(budget_wait * 1e9)
        self.backoff_base = <uint64_t>(backoff_base * 1e9)
        self.backoff_most = <uint64_t>(backoff_most * 1e9)
        self.deadline_field = deadline_field.encode() if deadline_field else None
        self.deadline_grpc = deadline_grpc
        self.mirror = mirror
        self.mirror_share = <uint32_t>(min(max(mirror_share, 0.0), 1.0) * 4294967295.0)
        self.mirror_most = mirror_most
        self.mirror_field = mirror_field.encode()
        self.hedge_after = <uint64_t>(hedge_after * 1e9)
        self.hedge_most = hedge_most
        self.hedge_share = hedge_share
        self.urgent = urgent
        self.guarded = bool(statuses or per_try or total or mirror is not None or hedge_after)
        self.random = int.from_bytes(os.urandom(8), "little") | 1

    def __repr__(self) -> str:
        return f"<Resilience on={self.on} guarded={self.guarded} mirrors={self.mirrors}>"

    cdef uint64_t draw(self) noexcept:
        return draw_next(&self.random)
