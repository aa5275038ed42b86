# A hedge waits, asks the budget, and runs. Its answer is handed to the exchange (Party.on_won), which takes over its
# origin; its failure as well (Party.on_lost), because the exchange may be left with nothing else.

cimport cython
from libc.stdint cimport int64_t

from limen.engine.attempts cimport drop_origin, leave_endpoint
from limen.engine.board cimport WORKER_HEDGES, WORKER_HEDGES_SHED, WORKER_HEDGES_WON
from limen.engine.budget cimport most_of
from limen.engine.repeat cimport claim_budget, is_safe, return_budget
from limen.engine.resilience cimport Resilience
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Party, Stream
from limen.engine.types cimport FAULT_ORIGIN_CLOSED, FAULT_RESPONSE_TIMEOUT, Field, Head


cdef Hedge plan_hedge(ExchangeState exchange):
    cdef Hedge hedge
    # (a hook may have sent it elsewhere)
    if exchange.upstream is None or exchange.upstream.count < 2:
        return None
    if exchange.received or not exchange.request_over or not is_safe(exchange):
        return None
    try:
        hedge = Hedge.__new__(Hedge)
    except MemoryError:
        return None
    if hedge.resemble(exchange) < 0:
        return None
    hedge.alarm.ring_at(exchange.worker.now + exchange.action.resilience.hedge_after)
    return hedge


cdef void adopt_origin(ExchangeState exchange, Hedge hedge) noexcept:
    drop_origin(exchange)
    leave_endpoint(exchange)
    exchange.forsaken = False
    exchange.endpoint = hedge.endpoint
    exchange.entered = True
    exchange.origin = hedge.origin
    exchange.origin.party = exchange
    exchange.origin_ready = True
    exchange.forwarded_at = hedge.forwarded_at
    exchange.attempts += 1
    hedge.entered = False
    hedge.origin = None


@cython.final
@cython.no_gc
cdef class Hedge(Twin):
    cdef void on_alarm(self) noexcept:
        cdef Resilience terms = self.action.resilience
        if self.running:
            self.failed(FAULT_RESPONSE_TIMEOUT)
            return
        if not self.exchange.entered or not self.claim_place() or not claim_budget(self):
            # nothing is under way that could be slow, or too much is tried twice already
            self.end()
            return
        self.avoid = self.exchange.endpoint
        self.running = True
        if terms.per_try:
            self.alarm.ring_at(self.worker.now + terms.per_try)
        self.worker.board.worker_add(WORKER_HEDGES, 1)
        if self.set_out() < 0:
            self.failed(FAULT_ORIGIN_CLOSED)

    cdef bint claim_place(self) noexcept:
        """Be one more hedge of the upstream, all workers together, within `hedge.most`."""
        cdef Resilience terms = self.action.resilience
        cdef int64_t most
        if self.upstream.hedges is None or (terms.hedge_most == 0 and terms.hedge_share == 0):
            return True
        most = terms.hedge_most if terms.hedge_most else most_of(self.upstream.live(), terms.hedge_share, 1)
        if not self.upstream.hedges.enter(most):
            self.worker.board.worker_add(WORKER_HEDGES_SHED, 1)
            return False
        self.counted = True
        return True

    cdef void on_response(self, Stream source, const Head* head, const Field* fields, const char* base) noexcept:
        cdef Resilience terms = self.action.resilience
        # held here: the exchange lets go of us
        cdef Party exchange = self.exchange
        if self.finished or head.status < 200:
            return
        if head.status == 101 or terms.statuses is not None and head.status < 600 and terms.statuses[head.status]:
            # no better than none
            self.failed(FAULT_ORIGIN_CLOSED)
            return
        self.worker.board.worker_add(WORKER_HEDGES_WON, 1)
        exchange.on_won(self)
        exchange.on_response(source, head, fields, base)

    cdef void failed(self, int fault) noexcept:
        cdef Party exchange = self.exchange
        if not self.finished:
            self.end()
            exchange.on_lost(self)

    cdef void end(self) noexcept:
        if not self.finished:
            return_budget(self)
            if self.counted:
                self.counted = False
                self.upstream.hedges.leave()
        Twin.end(self)
