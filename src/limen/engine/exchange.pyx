# The phase machine. The phases are closed and ordered (see Phase in state.pxd):
#
#   request -> route -> access -> [hooks] -> egress -> forward -> [hooks] -> reply -> log
#                                              ^__________|  another attempt, nothing answered yet
#
# One place branches on where the target comes from: find_target(). Every path ends in finish(),
# once, which writes the log. All changes of `phase` are in this file and, up to the way out, in arrival.pyx; what an
# attempt on an origin is made of stands in attempts.pyx, what is kept for another one in repeat.pyx, what hooks have
# parked in parked.pyx.

cimport cython
from libc.stdint cimport uint16_t, uint64_t
from limen.engine.account cimport log_exchange
from limen.engine.accepted cimport Accepted
from limen.engine.admission cimport leave_limits, life_of
from limen.engine.arrival cimport Arrival
from limen.engine.attempts cimport (
    claim_endpoint, dial_endpoint, dial_resolved, drop_origin, engage_origin, enter_target, is_asked, is_promised,
    leave_endpoint, open_origin, secure_origin, take_pooled,
)
from limen.engine.board cimport WORKER_EXCHANGES, WORKER_HOOK_CALLS, WORKER_HOOK_FAILURES
from limen.engine.connection cimport Connection
from limen.engine.copies cimport hold_head, hold_trailers
from limen.engine.deadline cimport set_alarm
from limen.engine.exits cimport falls_back, is_ways_fault, pool_prefix, settle_egress, told_fault
from limen.engine.forwarding cimport lay_request, lay_response
from limen.engine.hedge cimport Hedge, adopt_origin, plan_hedge
from limen.engine.http1.origin cimport ORIGIN_TUNNEL, Http1Origin
from limen.engine.identifying cimport Claim, drop_claim
from limen.engine.journal cimport RETRY_ANSWERED, RETRY_CLIENT_CLOSED, RETRY_DEADLINE
from limen.engine.look cimport Look
from limen.engine.mirror cimport mirror_request
from limen.engine.outlier cimport judge_fault, judge_reached, judge_response
from limen.engine.parked cimport hold_response, put_body, send_held
from limen.engine.recording cimport (
    hand_over, record_content, record_moved, record_response, record_sent, records,
)
from limen.engine.repeat cimport (
    REPEAT_LATER, REPEAT_NOT, REPEAT_NOW, ask_again, cause_of, hold_content, is_keeping, keep_more, may_ask_another,
    may_repeat, pause_before, remember_failure, return_budget, send_kept,
)
from limen.engine.replies cimport fault_status, send_established, send_fault, send_page
from limen.engine.reports cimport take_report
from limen.engine.resilience cimport CAUSE_STATUS, Resilience
from limen.engine.routing cimport check_access
from limen.engine.state cimport (
    PHASE_EGRESS, PHASE_FORWARD, PHASE_HOOK, PHASE_LOG, PHASE_REPLY, PHASE_RESPONSE_HOOK, PHASE_TUNNEL,
)
from limen.engine.stream cimport LOOKED_PASS, LOOKED_REDIAL, Party, Stream
from limen.engine.swallow cimport swallow
from limen.engine.tunnel cimport Tunnel
from limen.engine.types cimport (
    FAULT_BODY_TOO_LARGE,
    FAULT_CLIENT_CLOSED,
    FAULT_DENIED,
    FAULT_DEADLINE,
    FAULT_DIAL_TIMEOUT,
    FAULT_DNS_TIMEOUT,
    FAULT_EGRESS,
    FAULT_HOOK,
    FAULT_INTERNAL,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_NO_ENDPOINT,
    FAULT_ORIGIN_CLOSED,
    FAULT_PARENT_IDENTITY,
    FAULT_RESPONSE,
    FAULT_RESPONSE_TIMEOUT,
    FAULT_SHED,
    FAULT_TLS_CERTIFICATE,
    FAULT_TLS_ORIGIN_TIMEOUT,
    FAULT_UPGRADE,
    HEAD_EXPECT_CONTINUE,
    Address,
    Field,
    Head,
)
from limen.engine.upstream cimport Pooled
from limen.engine.waiters cimport drop_hooks, hand_body, withhold_body
from limen.engine.verdicts cimport check_answer
from limen.engine.worker cimport Resolution, Worker


cdef Exchange new_exchange(Worker worker):
    cdef Exchange exchange = Exchange.__new__(Exchange)
    exchange.worker = worker
    return exchange


@cython.final
@cython.no_gc
cdef class Exchange(Arrival):
    def __repr__(self) -> str:
        return (
            f"<Exchange phase={self.phase} action={self.action!r} endpoint={self.endpoint!r} attempts={self.attempts} "
            f"status={self.status} fault={self.fault} received={self.received} sent={self.sent}>"
        )

    # egress -----------------------------------------------------------------------------------------

    cdef void attempt(self) noexcept:
        """One more try to reach somebody who answers."""
        cdef int fault
        self.phase = PHASE_EGRESS
        if self.service.goes_out and not self.settled and self.upstream is None:
            fault = settle_egress(self)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        if self.upstream is None:
            if enter_target(self) < 0:
                self.refuse(FAULT_INTERNAL)
            else:
                self.reach()
        elif self.upstream.queue is not None and self.upstream.queue.count and not self.retrying:
            # those who came earlier go first
            self.wait_for_place()
        elif not self.on_place():
            self.wait_for_place()

    cdef bint on_place(self) noexcept:
        if not claim_endpoint(self):
            return False
        self.waiting = False
        self.reach()
        return True

    cdef void wait_for_place(self) noexcept:
        """All endpoints are full: queue for one, if there is a queue with room."""
        if self.upstream.balancer.open == 0:
            if falls_back(self):
                self.attempt()
            else:
                self.refuse(FAULT_NO_ENDPOINT if self.egress is None else FAULT_EGRESS)
        elif self.upstream.queue is None or self.upstream.queue.join(
            self, self.retrying or self.action.resilience.urgent
        ) < 0:
            self.refuse(FAULT_SHED)
        else:
            self.waiting = True

    cdef void on_shed(self) noexcept:
        self.waiting = False
        self.refuse(FAULT_SHED)

    cdef void reach(self) noexcept:
        """An endpoint was entered: a pooled connection, or dial."""
        cdef Pooled pooled
        self.attempts += 1
        if self.action.guarded:
            self.begin_try()
        pooled = take_pooled(self)
        if pooled is not None:
            self.use_origin(pooled)
        else:
            self.dialled(dial_endpoint(self))

    cdef void dialled(self, int outcome) noexcept:
        if outcome > 0:
            self.attempt_failed(outcome, False)
        elif outcome < 0:
            self.refuse(-outcome)

    cdef void on_resolved(self, object resolution) noexcept:
        if self.finished or self.phase != PHASE_EGRESS or self.waiting or self.dial is not None:
            return
        # (there may have been another attempt since)
        if self.entered and is_asked(self, resolution):
            self.dialled(dial_resolved(self, <Resolution>resolution))

    cdef void on_dial_fault(self, int fault) noexcept:
        self.dial = None
        if self.finished:
            return
        self.dial_time += self.worker.now - self.dialled_at
        if self.upstream is not None and is_ways_fault(self, fault):
            self.endpoint.dial_failed()
        self.attempt_failed(fault, False)

    cdef void on_connected(self, int fd, const Address* address) noexcept:
        cdef Http1Origin origin
        self.dial = None
        self.dial_time += self.worker.now - self.dialled_at
        origin = open_origin(self, fd, address)
        if origin is None:
            self.attempt_failed(FAULT_MEMORY, False)
        elif not secure_origin(self, origin):
            self.endpoint.dial_done()
            self.use_origin(origin)

    cdef void on_secured(self, Stream source) noexcept:
        if self.finished or source is not self.origin:
            return
        self.dial_time = self.worker.now - self.dialled_at
        if not is_promised(self, <Http1Origin>source):
            self.origin = None
            source.abort()
            self.attempt_failed(FAULT_TLS_CERTIFICATE, False)
            return
        self.endpoint.dial_done()
        self.use_origin(source)

    cdef void use_origin(self, Stream origin) noexcept:
        """An origin is there: forward the request (or join the tunnel)."""
        cdef Worker worker = self.worker
        engage_origin(self, <Http1Origin>origin)
        self.phase = PHASE_FORWARD
        self.forwarded_at = worker.now
        if self.is_connect:
            self.begin_connect()
            return
        if lay_request(self) < 0:
            self.refuse(FAULT_INTERNAL)
            return
        origin.send_head(&worker.out_head)
        if self.meter is not None:
            self.meter.bound(origin)
        self.origin_ready = True
        self.keep_sent = 0
        if self.keep is not None:
            self.push_kept()
        elif self.request_over:
            self.end_request()

    cdef void push_kept(self) noexcept:
        """Send what was kept of the content, as far as the origin takes it."""
        cdef int sent = send_kept(self)
        if sent < 0:
            self.refuse(FAULT_INTERNAL)
        if sent <= 0:
            return
        if self.keep is not None and (
            not is_keeping(self) or (self.keep.size > self.action.keep_most and not self.replaced)
        ):
            # more was held until there was an origin than is kept for another one
            self.worker.flush()
            self.keep = None
            self.keep_lost = True
        if self.request_over or self.replaced:
            self.end_request()
        if not self.request_over:
            self.client.resume()

    # another attempt ----------------------------------------------------------------------------------

    cdef void begin_try(self) noexcept:
        """Whatever bounds this attempt, or runs beside it."""
        cdef Resilience terms = self.action.resilience
        set_alarm(self, self.worker.now + terms.per_try if terms.per_try else 0)
        if terms.hedge_after and self.attempts == 1 and self.hedge is None:
            self.hedge = plan_hedge(self)

    cdef void attempt_failed(self, int fault, bint reused) noexcept:
        """The attempt is over; the endpoint has been entered, the origin is gone."""
        if self.upstream is not None and not reused and is_ways_fault(self, fault):
            judge_fault(self.upstream, self.endpoint, fault)
        self.held_fault = told_fault(self, fault)
        self.held_cause = cause_of(self, fault)
        leave_endpoint(self)
        self.origin_ready = False
        if self.hedge is not None and (<Hedge>self.hedge).running:
            # it is the other attempt
            self.forsaken = True
        else:
            self.repeat(may_repeat(self, self.held_cause, reused), reused)

    cdef void repeat(self, int again, bint reused) noexcept:
        cdef uint64_t pause
        if again == REPEAT_NOT:
            if falls_back(self):
                self.attempt()
            else:
                self.refuse(self.held_fault)
        elif reused:
            self.fresh = True
            self.attempts -= 1
            self.attempt()
        else:
            remember_failure(self)
            self.phase = PHASE_EGRESS
            pause = pause_before(self, again)
            if pause == 0:
                self.attempt()
            else:
                self.pause_for(pause)

    cdef void pause_for(self, uint64_t pause) noexcept:
        if self.until and self.worker.now + pause >= self.until:
            self.retry_blocked = RETRY_DEADLINE
            self.refuse(self.held_fault)
            return
        self.pausing = True
        if not set_alarm(self, self.worker.now + pause):
            self.refuse(FAULT_MEMORY)

    cdef void on_alarm(self) noexcept:
        cdef int again
        if self.finished:
            return
        if self.until and self.worker.now >= self.until:
            self.parked = False
            self.refuse(FAULT_DEADLINE)
        elif self.pausing:
            self.pausing = False
            again = ask_again(self)
            if again == REPEAT_NOW:
                self.attempt()
            elif again == REPEAT_LATER:
                self.pause_for(pause_before(self, again))
            else:
                self.refuse(self.held_fault)
        elif self.phase <= PHASE_FORWARD and not self.waiting and not self.forsaken:
            self.end_try()
        self.worker.flush()

    cdef void end_try(self) noexcept:
        """The attempt has had its time."""
        cdef Http1Origin origin = <Http1Origin>self.origin
        if self.phase == PHASE_FORWARD and not self.request_over and not origin.is_clogged():
            # the client takes its time, not the origin
            set_alarm(self, self.worker.now + self.action.resilience.per_try)
        elif origin is not None:
            origin.fail(FAULT_TLS_ORIGIN_TIMEOUT if origin.shaking else FAULT_RESPONSE_TIMEOUT)
        elif self.dial is not None:
            drop_origin(self)
            self.on_dial_fault(FAULT_DIAL_TIMEOUT)
        elif self.entered:
            self.attempt_failed(FAULT_DNS_TIMEOUT, False)

    cdef bint is_unwanted(self, const Head* head, const Field* fields, const char* base) noexcept:
        """An answer has come: whether another attempt is made in spite of it. If not, there will be none."""
        cdef Http1Origin origin = <Http1Origin>self.origin
        self.end_hedge()
        if may_ask_another(self, head, fields, base):
            self.held_fault = FAULT_NO_ENDPOINT
            self.held_cause = CAUSE_STATUS
            self.origin = None
            self.origin_ready = False
            swallow(origin, head)
            leave_endpoint(self)
            self.repeat(REPEAT_NOW, False)
            return True
        # what is left of the time is that of the whole exchange
        set_alarm(self, 0)
        return False

    # hedges -------------------------------------------------------------------------------------------

    cdef void on_won(self, Party winner) noexcept:
        """The hedge has an answer: its origin is ours from now on."""
        adopt_origin(self, <Hedge>winner)
        self.phase = PHASE_FORWARD
        self.end_hedge()

    cdef void on_lost(self, Party hedge) noexcept:
        self.hedge = None
        if self.forsaken:
            self.forsaken = False
            # that endpoint has failed as well
            self.avoid = (<Hedge>hedge).endpoint
            self.repeat(may_repeat(self, self.held_cause, False), False)

    cdef void end_hedge(self) noexcept:
        cdef Party hedge = self.hedge
        self.hedge = None
        if hedge is not None:
            (<Hedge>hedge).end()

    # content --------------------------------------------------------------------------------------------

    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept:
        cdef int fault
        if self.finished:
            return
        if self.meter is not None:
            self.meter.count(source, size)
        if self.recording is not None:
            record_content(self, source, data, size)
        if source is self.client:
            self.take_request(data, size)
        elif source is self.origin:
            if self.phase == PHASE_RESPONSE_HOOK:
                fault = hold_response(self, data, size)
                if fault != FAULT_NONE:
                    self.hook_failed(fault)
                return
            self.sent += size
            self.client.send_data(data, size)
            if self.client.is_clogged():
                source.pause()

    cdef void take_request(self, const char* data, size_t size) noexcept:
        cdef int fault
        self.received += size
        if self.action is not None and self.action.body_most and self.received > self.action.body_most:
            self.refuse(FAULT_BODY_TOO_LARGE)
            return
        if self.phase == PHASE_TUNNEL or self.replaced or self.is_orphaned():
            return
        if self.origin_ready and (self.keep is None or self.keep_sent == self.keep.size):
            if is_keeping(self):
                keep_more(self, data, size)
                if self.keep is not None:
                    self.keep_sent = self.keep.size
            self.origin.send_data(data, size)
            if self.origin.is_clogged():
                self.client.pause()
            return
        # nobody to send it to yet
        fault = hold_content(self, data, size)
        if fault != FAULT_NONE:
            self.refuse(fault)

    cdef bint is_orphaned(self) noexcept:
        """Whether the origin has answered early and gone while a hook has its response: the rest of the
        request goes nowhere."""
        return self.origin is None and self.phase == PHASE_RESPONSE_HOOK

    cdef void end_request(self) noexcept:
        """Tell the origin that the request is whole."""
        if self.recording is not None:
            record_sent(self)
        if self.trailer_block == NULL:
            self.origin.send_end(NULL, NULL, 0)
        else:
            self.origin.send_end(
                self.trailer_block + self.trailer_count * sizeof(Field), <Field*>self.trailer_block, self.trailer_count
            )
        if self.mirroring:
            mirror_request(self)

    cdef void on_end(self, Stream source, const char* base, const Field* trailers, unsigned int count) noexcept:
        if self.finished:
            return
        if source is self.client:
            self.request_over = True
            if self.replaced or self.is_orphaned():
                return
            if count and hold_trailers(self, base, trailers, count) < 0:
                self.refuse(FAULT_MEMORY)
                return
            if self.parked and self.body_waiter is not None and self.phase == PHASE_HOOK:
                hand_body(self, self.keep)
            elif self.origin_ready and (self.keep is None or self.keep_sent == self.keep.size):
                self.end_request()
        elif source is self.origin:
            self.response_over = True
            if self.phase == PHASE_RESPONSE_HOOK:
                if self.body_waiter is not None:
                    hand_body(self, self.response_keep)
                return
            self.client.send_end(base, trailers, count)
            self.finish()

    cdef void on_drained(self, Stream sink) noexcept:
        if self.finished:
            return
        if sink is self.client:
            if self.origin is not None:
                self.origin.resume()
        elif sink is self.origin and self.origin_ready:
            if self.keep is not None and self.keep_sent < self.keep.size:
                self.push_kept()
            else:
                self.client.resume()

    cdef Stream raw_sink(self, Stream source, uint64_t size):
        """Whom content may be spliced to: the client if its framing leaves the bytes as they are."""
        if self.finished or self.phase == PHASE_RESPONSE_HOOK:
            return None
        if self.recording is not None and records(self, source):
            return None
        if source is self.origin:
            return self.client if self.client.is_raw(size) else None
        if source is self.client and self.origin_ready and not is_keeping(self) and self.keep is None:
            return self.origin if self.origin.is_raw(size) else None
        return None

    cdef void on_moved(self, Stream source, uint64_t size) noexcept:
        if self.meter is not None and self.phase != PHASE_TUNNEL:
            self.meter.count(source, size)
        if self.recording is not None:
            record_moved(self, source, size)
        if source is self.client:
            self.received += size
        else:
            self.sent += size

    # response ---------------------------------------------------------------------------------------------

    cdef void on_response(self, Stream source, const Head* head, const Field* fields, const char* base) noexcept:
        if self.finished:
            return
        if head.status < 200:
            self.pass_interim(head, fields, base)
            return
        self.response_time = self.worker.now - self.forwarded_at
        if self.absolute and head.status == 407:
            # it asks us, not the client
            drop_origin(self)
            self.endpoint.dial_failed()
            self.attempt_failed(FAULT_PARENT_IDENTITY, False)
            return
        if self.upstream is not None:
            judge_response(
                self.upstream, self.endpoint, head.status, self.worker.now, self.dial_time, self.response_time
            )
            if self.upstream.report is not None:
                take_report(self, head, fields, base)
        if self.action.guarded and self.is_unwanted(head, fields, base):
            return
        if self.service.access is not None and self.service.access.asks_answer and not self.is_connect:
            if check_answer(self, head, fields, base) != FAULT_NONE:
                self.refuse(FAULT_DENIED)
                return
        if self.recording is not None:
            record_response(self, head, fields, base)
        if self.action.response_hooks:
            if hold_head(self, head, fields, base) < 0:
                self.refuse(FAULT_MEMORY)
                return
            self.run_hooks(True)
            return
        self.reply_response(head, fields, base)

    cdef void pass_interim(self, const Head* head, const Field* fields, const char* base) noexcept:
        if head.status == 101:
            if not self.is_upgrade:
                drop_origin(self)
                self.refuse(FAULT_RESPONSE + FAULT_UPGRADE)
                return
            self.status = 101
            if self.recording is not None:
                record_response(self, head, fields, base)
            if lay_response(self, head, fields, base) < 0:
                self.refuse(FAULT_INTERNAL)
                return
            self.response_begun = True
            self.client.send_head(&self.worker.out_head)
            self.begin_tunnel()
            return
        if self.minor == 0 or (
            head.status == 100 and (self.continued or not self.head.flags & HEAD_EXPECT_CONTINUE)
        ):
            return
        if lay_response(self, head, fields, base) == 0:
            self.client.send_head(&self.worker.out_head)
            if self.client.is_clogged():
                # an origin may send as many as it likes, but they do not pile up here
                self.origin.pause()

    cdef void reply_response(self, const Head* head, const Field* fields, const char* base) noexcept:
        self.phase = PHASE_REPLY
        self.status = head.status
        if self.action.pages is not None and self.action.pages.replaces and send_page(self, head, fields, base):
            drop_origin(self)
            self.finish()
            return
        if lay_response(self, head, fields, base) < 0:
            drop_origin(self)
            self.refuse(FAULT_INTERNAL)
            return
        self.response_begun = True
        self.client.send_head(&self.worker.out_head)

    # tunnels ------------------------------------------------------------------------------------------------

    cdef void begin_connect(self) noexcept:
        (<Http1Origin>self.origin).state = ORIGIN_TUNNEL
        if self.upstream is not None:
            judge_reached(self.upstream, self.endpoint)
        if not self.is_opaque and not self.response_begun:
            send_established(self)
        if self.looking:
            self.begin_look()
        else:
            self.begin_tunnel()

    cdef Accepted begin_relay(self):
        """Not a stream but datagrams: the connection, which only keeps them together; None if it is gone."""
        self.worker.flush()
        if self.client.closed:
            return None
        self.phase = PHASE_TUNNEL
        return <Accepted>self.client.to_raw()

    cdef void begin_look(self) noexcept:
        cdef Look look
        cdef Accepted client
        self.worker.flush()
        if self.client.closed:
            return
        self.phase = PHASE_TUNNEL
        client = <Accepted>self.client.to_raw()
        try:
            look = Look.__new__(Look)
        except MemoryError:
            self.break_off(FAULT_MEMORY)
            return
        look.prefix = pool_prefix(self)
        look.begin(self, client, <Http1Origin>self.origin, self.service.bridge, &self.host, &self.peer)

    cdef void on_looked(self, int verdict) noexcept:
        cdef Stream client = self.client
        if self.finished:
            return
        if verdict == LOOKED_PASS:
            self.begin_tunnel()
        elif verdict == LOOKED_REDIAL:
            client.party = self
            drop_origin(self)
            leave_endpoint(self)
            # only a connection of its own will do, and the answer was given
            self.fresh = True
            self.looking = False
            self.attempt()
        else:
            # the connection was only ours until its requests come
            self.origin = None
            self.finish()

    cdef void begin_tunnel(self) noexcept:
        cdef Tunnel tunnel
        cdef Connection client
        if self.client.closed:
            return
        self.phase = PHASE_TUNNEL
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        client = <Connection>self.client.to_raw()
        try:
            tunnel = Tunnel.__new__(Tunnel)
        except MemoryError:
            self.break_off(FAULT_MEMORY)
            return
        tunnel.owner = self
        tunnel.meter = self.meter
        tunnel.begin(client, <Connection>self.origin, self.service.tunnel_idle, self.service.tunnel_half,
                     life_of(self.action.guard, self.rule_guard, self.service.tunnel_life))
        # bytes that the client sent ahead
        client.give_ahead(tunnel)

    # faults and ends --------------------------------------------------------------------------------------------

    cdef void on_fault(self, Stream source, int fault) noexcept:
        cdef bint reused
        if self.finished:
            return
        if self.phase == PHASE_TUNNEL:
            self.fault = fault
            if fault:
                self.worker.board.count_fault(fault)
            self.finish()
            return
        if source is self.client:
            if fault == FAULT_CLIENT_CLOSED:
                self.retry_blocked = RETRY_CLIENT_CLOSED
            if self.response_begun or fault_status(fault) == 0 or fault == FAULT_CLIENT_CLOSED:
                self.break_off(fault)
            else:
                self.refuse(fault)
            return
        if source is not self.origin:
            return
        reused = (<Http1Origin>source).reused and not (<Http1Origin>source).answered and fault == FAULT_ORIGIN_CLOSED
        self.origin = None
        if ((<Http1Origin>source).shaking or self.passing) and self.upstream is not None and is_ways_fault(self, fault):
            self.endpoint.dial_failed()
        if self.response_begun:
            self.retry_blocked = RETRY_ANSWERED
            self.break_off(fault)
            return
        if self.phase == PHASE_RESPONSE_HOOK:
            # parked with a head: whoever waits for the content hears that there is none
            self.fault = fault
            self.response_over = True
            if self.body_waiter is not None:
                withhold_body(self)
            return
        self.attempt_failed(fault, reused)

    cdef void refuse(self, int fault) noexcept:
        """Answer with the fault; if an answer has begun, break off."""
        if self.finished:
            return
        if self.response_begun:
            self.break_off(fault)
            return
        self.fault = fault
        self.worker.board.count_fault(fault)
        drop_origin(self)
        self.phase = PHASE_REPLY
        if fault_status(fault) == 0 or self.is_opaque:
            self.client.abort()
        else:
            self.worker.values_used = 0
            send_fault(self, fault, 0)
        self.finish()

    cdef void break_off(self, int fault) noexcept:
        """Nothing can be said any more: end both sides so that the client sees that it is not whole."""
        if self.finished:
            return
        self.fault = fault
        self.worker.board.count_fault(fault)
        drop_origin(self)
        if not self.response_begun and not self.is_opaque:
            self.status = 499 if fault == FAULT_CLIENT_CLOSED else <uint16_t>fault_status(fault)
        self.worker.flush()
        self.client.abort()
        self.finish()

    cdef void finish(self) noexcept:
        """Over, one way or the other: log, let both sides go."""
        cdef Stream origin = self.origin
        cdef Stream client = self.client
        cdef Worker worker = self.worker
        cdef bint tunnel = self.phase == PHASE_TUNNEL
        if self.finished:
            return
        self.finished = True
        if self.waiting:
            self.waiting = False
            self.upstream.queue.drop(self)
        leave_endpoint(self)
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        if self.hedge is not None:
            self.end_hedge()
        if self.holds_limits:
            leave_limits(self)
        if self.retrying:
            return_budget(self)
        if self.claim is not None:
            drop_claim(<Claim>self.claim)
            self.claim = None
        log_exchange(self)
        if self.recording is not None:
            hand_over(self)
        if self.meter is not None:
            self.meter.stop()
        self.phase = PHASE_LOG
        worker.exchanges -= 1
        worker.board.worker_add(WORKER_EXCHANGES, -1)
        if self.hook_state is not None or self.body_waiter is not None:
            drop_hooks(self)
        self.origin = None
        self.client = None
        if tunnel:
            return
        if origin is not None:
            origin.release()
        client.release()

    # hooks --------------------------------------------------------------------------------------------------------

    cdef void run_hooks(self, bint response) noexcept:
        self.phase = PHASE_RESPONSE_HOOK if response else PHASE_HOOK
        self.parked = True
        self.worker.wake = True
        self.worker.board.worker_add(WORKER_HOOK_CALLS, 1)
        try:
            self.worker.run_hook(self, response)
        except Exception as error:
            self.worker.tell(40, f"route {self.action.name}: hooks could not be started: {error!r}")
            self.hook_failed(FAULT_HOOK)

    cdef void hook_failed(self, int fault) noexcept:
        self.worker.board.worker_add(WORKER_HOOK_FAILURES, 1)
        self.parked = False
        drop_origin(self)
        self.refuse(fault)

    cdef void replace_content(self, const char* data, size_t size) noexcept:
        """A hook's content goes out instead of the message's own."""
        cdef int fault
        if self.phase != PHASE_HOOK and self.phase != PHASE_RESPONSE_HOOK:
            return
        fault = put_body(self, data, size)
        if fault != FAULT_NONE:
            self.hook_failed(fault)
        elif self.phase == PHASE_RESPONSE_HOOK and not self.response_over:
            self.response_over = True
            drop_origin(self)

    cdef void hooks_done(self) noexcept:
        """Python is through with this phase: go on from where the exchange was parked."""
        cdef int fault
        if self.finished or not self.parked:
            return
        self.parked = False
        if self.phase == PHASE_HOOK:
            self.body_limit = 0
            if self.service.access is not None:
                # what the hook made of the target is judged like what the client asked for
                fault = check_access(self, NULL)
                if fault != FAULT_NONE:
                    self.refuse(fault)
                    return
            self.phase = PHASE_EGRESS
            self.attempt()
        elif self.phase == PHASE_RESPONSE_HOOK:
            self.reply_response(&self.response_head, self.response_fields, self.response_base)
            if self.finished:
                return
            fault = send_held(self)
            if fault != FAULT_NONE:
                self.break_off(fault)
                return
            if self.response_over:
                if self.fault:
                    self.break_off(self.fault)
                    return
                self.client.send_end(NULL, NULL, 0)
                self.finish()
            elif self.origin is not None and not self.client.is_clogged():
                self.origin.resume()
        self.worker.flush()
