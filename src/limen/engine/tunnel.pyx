# The tunnel. Small traffic is copied through the worker's scratch buffer; once a lane has carried
# a bulk it is spliced. An end of one side is passed on as a half-close, and what the other side
# still sends goes through until it ends too, or for the half-closed time.

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from limen.engine.board cimport WORKER_TUNNEL_BYTES, WORKER_TUNNELS
from limen.engine.connection cimport Connection
from limen.engine.meter cimport METER_DOWN, METER_UP
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.relay cimport (
    RELAY_DONE,
    RELAY_EOF,
    RELAY_SINK_BROKEN,
    RELAY_SOURCE_BROKEN,
    RELAY_TURN,
    relay,
)
from limen.engine.stream cimport Party, Stream
from limen.engine.sys cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, SHUT_WR, shutdown
from limen.engine.types cimport FAULT_NONE, FAULT_QUOTA, FAULT_TUNNEL_IDLE
from limen.engine.worker cimport Worker


cdef enum:
    BULK = 1048576            # bytes after which a lane is spliced
    COPY_BUDGET = 8           # reads in one turn


@cython.final
@cython.no_gc
cdef class Tunnel(Party):
    cdef void begin(
        self, Connection client, Connection origin, uint64_t idle, uint64_t half, uint64_t life
    ) noexcept:
        """Join both; each is in tunnel mode already. What either read ahead was put by the caller."""
        self.worker = <Worker>client.reactor
        self.client = client
        self.origin = origin
        client.party = self
        origin.party = self
        self.idle = idle
        self.half = half
        self.last = self.worker.now
        self.ends = self.worker.now + life
        self.worker.tunnels += 1
        self.worker.board.worker_add(WORKER_TUNNELS, 1)
        if self.meter is not None:
            self.meter.tunnel = self
        # one timer serves both sides
        self.worker.disarm(origin)
        self.worker.arm(client, min(self.ends, self.last + idle))
        # bytes may wait on either side: edges seen before count
        client.readable = True
        origin.readable = True
        self.worker.defer(client)
        self.worker.defer(origin)

    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept:
        """Bytes that a codec had read before it let go."""
        cdef Connection sink = self.origin if source is self.client else self.client
        sink.put(data, size)
        if source is self.client:
            self.up.moved += size
        else:
            self.down.moved += size
        if self.meter is not None:
            self.meter.passed(METER_UP if source is self.client else METER_DOWN, size)

    cdef void on_ready(self, Stream source, uint32_t events) noexcept:
        cdef Connection connection = <Connection>source
        if self.over:
            return
        if events & EPOLLOUT and not connection.writable:
            connection.writable = True
            if not connection.drain_backlog():
                if connection.broken:
                    self.end(FAULT_NONE)
                    return
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            connection.readable = True
            if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                # an end that came with the last data: no other edge will tell
                connection.hung = True
        if connection.broken:
            self.end(FAULT_NONE)
            return
        self.pump(self.client, self.origin, &self.up)
        if not self.over:
            self.pump(self.origin, self.client, &self.down)
        if self.over:
            return
        if self.up.shut and self.down.shut:
            self.end(FAULT_NONE)
        elif events & (EPOLLERR) and not connection.readable:
            self.end(FAULT_NONE)

    cdef void on_time(self, Stream source) noexcept:
        cdef uint64_t limit = self.half if self.up.eof or self.down.eof else self.idle
        if self.over:
            return
        if self.worker.now >= self.ends or self.worker.now >= self.last + limit:
            self.end(FAULT_TUNNEL_IDLE)
        else:
            self.worker.arm(self.client, min(self.ends, self.last + limit))

    cdef void bound_life(self, uint64_t ends) noexcept:
        if self.over or ends == self.ends:
            return
        self.ends = ends
        self.on_time(self.client)

    cdef void pump(self, Connection source, Connection sink, Lane* lane) noexcept:
        if self.over or lane.eof and lane.pipe == NULL:
            if not self.over:
                self.pass_end(sink, lane)
            return
        if not source.readable and lane.pipe == NULL:
            return
        if not (
            (lane.pipe != NULL or lane.moved >= BULK) and source.tls is None and sink.tls is None
            and self.pump_splice(source, sink, lane)
        ):
            self.pump_copy(source, sink, lane)
        if self.meter is not None and not source.readable:
            self.meter.give_back(METER_UP if lane == &self.up else METER_DOWN)

    cdef void on_refill(self) noexcept:
        if not self.over:
            self.pump(self.client, self.origin, &self.up)
        if not self.over:
            self.pump(self.origin, self.client, &self.down)

    cdef uint64_t allowed(self, Lane* lane, uint64_t most) noexcept:
        if self.meter is None:
            return most
        most = self.meter.open(METER_UP if lane == &self.up else METER_DOWN, most)
        if self.meter.spent:
            self.meter.mark()
            self.end(FAULT_QUOTA)
        return most

    cdef bint pump_copy(self, Connection source, Connection sink, Lane* lane) noexcept:
        cdef ssize_t got
        cdef uint64_t room
        cdef int reads = 0
        while source.readable and not sink.is_clogged() and not self.over:
            if reads == COPY_BUDGET:
                self.worker.defer(source)
                return True
            reads += 1
            if self.worker.gather_owner != NULL:
                self.worker.flush()
                if self.over or sink.is_clogged():
                    return True
            room = self.allowed(lane, INPUT_SIZE)
            if room == 0:
                return True
            got = source.receive(self.worker.input, <size_t>room)
            if got > 0:
                lane.moved += <uint64_t>got
                if self.meter is not None:
                    self.meter.passed(METER_UP if lane == &self.up else METER_DOWN, <uint64_t>got)
                self.last = self.worker.now
                sink.put(self.worker.input, <size_t>got)
                self.worker.flush()
            elif got == -1:
                return True
            elif got == -2:
                self.end(FAULT_NONE)
                return True
            else:
                lane.eof = True
                self.pass_end(sink, lane)
                return True
        return True

    cdef bint pump_splice(self, Connection source, Connection sink, Lane* lane) noexcept:
        """False if there is no pipe to be had: copy then."""
        cdef uint64_t room = <uint64_t>1 << 62
        cdef uint64_t left
        cdef uint64_t before = lane.moved
        cdef int result
        self.worker.flush()
        if self.over:
            return True
        if sink.is_clogged() or not sink.writable:
            return True
        room = 0 if lane.eof else self.allowed(lane, room)
        if self.over or (room == 0 and lane.pipe == NULL):
            return True
        if lane.pipe == NULL:
            lane.pipe = self.worker.pipe_take()
            if lane.pipe == NULL:
                return False
        left = room
        result = relay(source, sink, lane.pipe, &left, &lane.moved)
        if self.meter is not None and room > left:
            self.meter.passed(METER_UP if lane == &self.up else METER_DOWN, room - left)
        if lane.moved != before:
            self.last = self.worker.now
        if lane.pipe.held == 0:
            # an idle lane holds no pipe
            self.worker.pipe_give(lane.pipe)
            lane.pipe = NULL
        if result == RELAY_EOF:
            lane.eof = True
            self.pass_end(sink, lane)
        elif result == RELAY_TURN or (result == RELAY_DONE and room):
            # enough for one turn, or for what the meter gave
            source.readable = True
            self.worker.defer(source)
        elif result == RELAY_SOURCE_BROKEN or result == RELAY_SINK_BROKEN:
            self.end(FAULT_NONE)
        elif lane.eof and lane.pipe == NULL:
            self.pass_end(sink, lane)
        return True

    cdef void pass_end(self, Connection sink, Lane* lane) noexcept:
        """The source has ended: say so to the sink once it has everything."""
        if lane.shut or lane.pipe != NULL:
            return
        self.worker.flush()
        if self.over or sink.is_clogged():
            return
        lane.shut = True
        sink.say_end()
        if self.over:
            return
        shutdown(sink.fd, SHUT_WR)
        if self.up.shut and self.down.shut:
            self.end(FAULT_NONE)
            return
        self.worker.arm(self.client, min(self.ends, self.worker.now + self.half))

    cdef void on_fault(self, Stream source, int fault) noexcept:
        self.end(fault)

    cdef void end(self, int fault) noexcept:
        cdef Connection client = self.client
        cdef Connection origin = self.origin
        cdef Party owner = self.owner
        if self.over:
            return
        self.over = True
        self.worker.tunnels -= 1
        self.worker.board.worker_add(WORKER_TUNNELS, -1)
        self.worker.board.worker_add(WORKER_TUNNEL_BYTES, <long long>(self.up.moved + self.down.moved))
        self.drop_pipe(&self.up)
        self.drop_pipe(&self.down)
        self.owner = None
        if owner is not None:
            # the owner takes the connections down and writes the log
            owner.on_moved(client, self.up.moved)
            owner.on_moved(origin, self.down.moved)
            owner.on_fault(None, fault)
        client.party = None
        origin.party = None
        client.abort()
        origin.abort()
        self.client = None
        self.origin = None

    cdef void drop_pipe(self, Lane* lane) noexcept:
        if lane.pipe != NULL:
            self.worker.pipe_give(lane.pipe)
            lane.pipe = NULL
