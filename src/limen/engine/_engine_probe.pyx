# For tests only, left out of wheels: the wheel, pools and balancers, kept bodies, heads on their way out, the
# PROXY protocol, backlogs, the relay and the counts per client, from Python.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from limen.engine.addresses cimport parse_ip
from limen.engine.balance cimport load_measured
from limen.engine.board cimport total_now
from limen.engine.connection cimport Connection
from limen.engine.http1.write cimport write_chunk_line, write_request, write_response, write_trailers
from limen.engine.keep cimport Keep, new_keep
from limen.engine.maglev cimport mixed
from limen.engine.outlier cimport judge_fault, judge_reached, judge_response
from limen.engine.peaks cimport peak_now, peak_time
from limen.engine.reports cimport note_busy, parse_report
from limen.engine.places cimport Places
from limen.engine.preface cimport parse_preface, send_preface
from limen.engine.relay cimport relay
from limen.engine.stream cimport OutField, OutHead
from limen.engine.sys cimport monotonic
from limen.engine.timers cimport (
    WHEEL_SHIFT,
    WHEEL_SLOTS,
    Timer,
    Wheel,
    timer_off,
    timer_set,
    wheel_begin,
    wheel_fire,
    wheel_lift,
    wheel_next,
)
from limen.engine.types cimport Address, Field
from limen.engine.upstream cimport Endpoint, Pooled, Upstream
from limen.engine.worker cimport Pipe, Worker

import os

TICK = 1 << WHEEL_SHIFT
HORIZON = <uint64_t>WHEEL_SLOTS << WHEEL_SHIFT


# Timers.

cdef class Timers:
    # A wheel with numbered timers, and time as it is told.
    cdef Wheel* wheel         # owned
    cdef Timer* timers        # owned
    cdef int count

    def __cinit__(self, int count, uint64_t now):
        cdef int i
        self.count = count
        self.wheel = <Wheel*>malloc(sizeof(Wheel))
        self.timers = <Timer*>calloc(<size_t>count, sizeof(Timer))
        if self.wheel == NULL or self.timers == NULL:
            raise MemoryError
        wheel_begin(self.wheel, now)
        for i in range(count):
            self.timers[i].owner = <void*>&self.timers[i]

    def __dealloc__(self):
        free(self.wheel)
        free(self.timers)

    cdef Timer* timer(self, int i) except NULL:
        if not 0 <= i < self.count:
            raise IndexError(i)
        return &self.timers[i]

    def set(self, int i, uint64_t deadline):
        timer_set(self.wheel, self.timer(i), deadline)

    def off(self, int i):
        timer_off(self.timer(i))

    def lift(self, int i):
        wheel_lift(self.wheel, self.timer(i))

    def next(self):
        return wheel_next(self.wheel)

    def fire(self, uint64_t now):
        cdef list fired = []
        cdef void* due
        while True:
            due = wheel_fire(self.wheel, now)
            if due == NULL:
                return fired
            fired.append(<Timer*>due - self.timers)

    @property
    def laid(self):
        return self.wheel.count


# Pools and balancers.

cdef class Resting(Pooled):
    # A connection for a pool, without a socket. Being told to end it leaves the pool, and remembers.
    cdef readonly bint ended

    cdef void abort(self) noexcept:
        self.ended = True
        self.endpoint.lift(self)


def resting(Worker worker, Endpoint endpoint):
    cdef Resting connection = Resting.__new__(Resting)
    connection.reactor = worker
    connection.endpoint = endpoint
    return connection


def give(Endpoint endpoint, Resting connection, long most):
    endpoint.give(connection, most)


def take(Endpoint endpoint):
    return endpoint.take()


def lift(Endpoint endpoint, Resting connection):
    endpoint.lift(connection)


def choose(Upstream upstream, uint64_t now, Endpoint avoid=None, uint64_t key=0):
    cdef int found = upstream.choose(upstream.balancer, now, avoid, key)
    return upstream.members[found] if found >= 0 else None


def claim(Upstream upstream, uint64_t now, Endpoint avoid=None, uint64_t key=0):
    return upstream.claim(upstream.balancer, now, avoid, key)


def choose_often(Upstream upstream, uint64_t now, long times, bint entering=False):
    """Nanoseconds for `times` choices, each with another key; with `entering` each is entered and left again."""
    cdef uint64_t begun = monotonic()
    cdef Endpoint endpoint
    cdef long i
    for i in range(times):
        if entering:
            endpoint = upstream.claim(upstream.balancer, now, None, <uint64_t>i * 0x9E3779B97F4A7C15ULL)
            endpoint.leave()
        else:
            upstream.choose(upstream.balancer, now, None, <uint64_t>i * 0x9E3779B97F4A7C15ULL)
    return monotonic() - begun


def choose_near(Upstream upstream, Places places, str address, uint64_t now):
    """The endpoint for a client with this address, by its place."""
    cdef Address client
    cdef bytes text = address.encode()
    cdef int found
    assert parse_ip(text, <size_t>len(text), &client) == 0
    found = upstream.choose(
        upstream.nearest.balancer(places, places.find(&client), upstream.balancer), now, None, 0
    )
    return upstream.members[found] if found >= 0 else None


def choose_near_often(Upstream upstream, Places places, list addresses, uint64_t now, long times):
    """Nanoseconds for `times` choices for these clients in turn, whose places are known."""
    cdef uint64_t begun
    cdef uint32_t numbers[256]
    cdef Address client
    cdef bytes text
    cdef long i
    cdef long count = len(addresses)
    for i in range(count):
        text = addresses[i].encode()
        assert parse_ip(text, <size_t>len(text), &client) == 0
        numbers[i] = places.find(&client)
    begun = monotonic()
    for i in range(times):
        upstream.choose(upstream.nearest.balancer(places, numbers[i % count], upstream.balancer), now, None, 0)
    return monotonic() - begun


def find_often(Places places, str address, long times):
    """Nanoseconds for `times` look-ups of a place that is in the cache."""
    cdef uint64_t begun
    cdef Address client
    cdef bytes text = address.encode()
    cdef long _i
    assert parse_ip(text, <size_t>len(text), &client) == 0
    begun = monotonic()
    for _i in range(times):
        places.find(&client)
    return monotonic() - begun


def key_of(bytes data):
    """What the policy hash goes by."""
    return mixed(data, <size_t>len(data), 0)


def enter(Endpoint endpoint, int64_t most=0):
    return endpoint.enter(most)


def measured(Endpoint endpoint, uint64_t now, uint64_t time, double decay):
    load_measured(&endpoint.load, now, time, decay * 1e9)
    return peak_time(peak_now(endpoint.load.peak))


def began(Endpoint endpoint, uint64_t since):
    endpoint.load.since = since


def noted_busy(Endpoint endpoint, uint64_t now, int busy):
    note_busy(&endpoint.load, now, busy)


def parsed_report(bytes value):
    return parse_report(value, <size_t>len(value))


def total(Endpoint endpoint):
    return total_now(endpoint.load.total)


def leave(Endpoint endpoint):
    endpoint.leave()


def dial_failed(Endpoint endpoint, uint64_t now):
    """The instant until which the endpoint is out."""
    endpoint.worker.now = now
    endpoint.dial_failed()
    return endpoint.load.out_until


def dial_done(Endpoint endpoint):
    endpoint.dial_done()


def may_keep(Upstream upstream, uint64_t now, int index):
    return upstream.balancer.may_keep(now, index)


def answered(Upstream upstream, Endpoint endpoint, int status, uint64_t time=0):
    judge_response(upstream, endpoint, status, monotonic(), 0, time)


def failed(Upstream upstream, Endpoint endpoint, int fault):
    judge_fault(upstream, endpoint, fault)


def reached(Upstream upstream, Endpoint endpoint):
    judge_reached(upstream, endpoint)


def run(Endpoint endpoint):
    """Failures in a row."""
    return total_now(endpoint.run)


# Kept bodies.

cdef class Kept:
    cdef Keep keep

    def __cinit__(self, uint64_t memory_most, uint64_t most):
        self.keep = new_keep(memory_most, most)

    def append(self, bytes data):
        return self.keep.append(data, <size_t>len(data))

    def look(self, uint64_t offset, size_t room):
        """Bytes at `offset`, None for a failure, and whether they came from memory."""
        cdef char* scratch = <char*>malloc(room)
        cdef const char* place = NULL
        cdef ssize_t size = self.keep.look(offset, scratch, room, &place)
        try:
            if size < 0:
                return None, False
            return (place[:size], place != scratch) if size else (b"", False)
        finally:
            free(scratch)

    @property
    def size(self):
        return self.keep.size

    @property
    def in_memory(self):
        return self.keep.in_memory

    @property
    def spooled(self):
        return self.keep.fd >= 0


# Heads on their way out. Fields are (name's place, its length, value's place, its length) in one block.

cdef bytes head(
    Worker worker, bint is_response, bytes block, list places, dict options, int minor, bint chunked, bint close
):
    cdef OutHead out
    cdef size_t size = 0
    cdef size_t i
    cdef char* made
    cdef OutField* fields = <OutField*>calloc(<size_t>len(places) + 1, sizeof(OutField))
    cdef const char* base = block
    cdef bytes method = options.get("method", b"GET")
    cdef bytes reason = options.get("reason", b"")
    cdef list target = options.get("target", [b"/"])
    if fields == NULL:
        raise MemoryError
    memset(&out, 0, sizeof(out))
    for i, (name, name_length, value, value_length) in enumerate(places):
        fields[i].name = base + <size_t>name
        fields[i].name_length = name_length
        fields[i].value = base + <size_t>value
        fields[i].value_length = value_length
    out.method.data = method
    out.method.length = <size_t>len(method)
    out.reason.data = reason
    out.reason.length = <size_t>len(reason)
    for i, part in enumerate(target[:4]):
        out.target[i].data = <bytes>part
        out.target[i].length = <size_t>len(part)
    out.fields = fields
    out.count = <unsigned int>len(places)
    out.status = options.get("status", 0)
    out.framing = options.get("framing", 0)
    out.length = options.get("length", 0)
    out.upgrade = options.get("upgrade", False)
    out.te_trailers = options.get("te_trailers", False)
    try:
        if is_response:
            made = write_response(worker, &out, minor, chunked, close, &size)
        else:
            made = write_request(worker, &out, &size)
        return None if made == NULL else made[:size]
    finally:
        worker.flush()
        free(fields)


def request(Worker worker, bytes block, list places, **options):
    return head(worker, False, block, places, options, 1, False, False)


def response(
    Worker worker, bytes block, list places, int minor=1, bint chunked=False, bint close=False, **options
):
    return head(worker, True, block, places, options, minor, chunked, close)


def trailers(Worker worker, bytes block, list places):
    cdef Field fields[16]
    cdef size_t size = 0
    cdef char* made
    cdef int i
    memset(fields, 0, sizeof(fields))
    for i, (name, name_length, value, value_length) in enumerate(places[:16]):
        fields[i].name = name
        fields[i].name_length = name_length
        fields[i].value = value
        fields[i].value_length = value_length
    made = write_trailers(worker, block, fields, <unsigned int>len(places), &size)
    try:
        return None if made == NULL else made[:size]
    finally:
        worker.flush()


def chunk_line(size_t size):
    cdef char out[18]
    cdef int length = write_chunk_line(out, size)
    return out[:length]


# The PROXY protocol.

def preface(bytes data, bytes behind=b""):
    """(result, family, ip, port) of parsing `data`, with `behind` after it that is not to be looked at.

    Without `behind` the bytes lie at the end of their own piece of memory, for the address sanitizer.
    """
    cdef size_t size = <size_t>len(data)
    cdef size_t more = <size_t>len(behind)
    cdef char* place = <char*>malloc(size + more if size + more else 1)
    cdef Address source
    cdef int result
    if place == NULL:
        raise MemoryError
    memcpy(place, <const char*>data, size)
    memcpy(place + size, <const char*>behind, more)
    result = parse_preface(place, size, &source)
    free(place)
    return result, source.family, (<const char*>source.ip)[:16], source.port


# Connections, over sockets that are duplicated.

cdef class Wire(Connection):
    cdef readonly int stuck

    cdef void on_stuck(self) noexcept:
        self.stuck += 1

    def put_all(self, list pieces):
        """Put these and flush."""
        for piece in pieces:
            self.put(<const char*><bytes>piece, <size_t>len(piece))
        self.reactor.flush()

    def drain(self):
        self.writable = True
        return self.drain_backlog()

    def read(self, size_t room):
        """What receive() gives: bytes, or the number that says why there are none."""
        cdef char* place = <char*>malloc(room)
        cdef ssize_t done = self.receive(place, room)
        try:
            return place[:done] if done > 0 else done
        finally:
            free(place)

    def shut(self):
        self.reactor.bury(self)
        self.reactor.settle()

    def preface_of(self, int family, bytes ip, int port, Wire client not None, int version, bytes name=b""):
        cdef Address source
        memset(&source, 0, sizeof(source))
        source.family = <uint8_t>family
        source.port = <uint16_t>port
        memcpy(source.ip, <const char*>ip, 16)
        send_preface(self, &source, client, version, name, <size_t>len(name))
        self.reactor.flush()

    @property
    def waiting(self):
        return self.backlog_end - self.backlog_start

    @property
    def room(self):
        return self.backlog_room

    @property
    def clogged(self):
        return self.is_clogged()

    @property
    def state(self):
        return {
            "readable": self.readable, "writable": self.writable, "broken": self.broken, "eof": self.eof,
            "sent": self.sent, "received": self.received,
        }


def wire(Worker worker, int fd):
    cdef Wire connection = Wire.__new__(Wire)
    connection.reactor = worker
    connection.fd = os.dup(fd)
    os.set_blocking(connection.fd, False)
    connection.writable = True
    return connection


cdef class Relay:
    # One direction of a tunnel: from one wire to another, by a pipe of the worker's.
    cdef Worker worker
    cdef Wire source
    cdef Wire sink
    cdef Pipe* pipe           # borrowed from the worker until the end
    cdef readonly uint64_t remaining
    cdef readonly uint64_t moved

    def __cinit__(self, Worker worker not None, Wire source not None, Wire sink not None, uint64_t remaining):
        self.worker = worker
        self.source = source
        self.sink = sink
        self.remaining = remaining
        self.pipe = worker.pipe_take()
        if self.pipe == NULL:
            raise OSError("no pipe")

    def __dealloc__(self):
        if self.pipe != NULL:
            self.worker.pipe_give(self.pipe)

    def go(self):
        return relay(self.source, self.sink, self.pipe, &self.remaining, &self.moved)

    @property
    def held(self):
        return self.pipe.held


# Counts per client.

cdef int address_of(bytes ip, Address* address) except -1:
    if len(ip) != 16:
        raise ValueError("16 bytes")
    memset(address, 0, sizeof(Address))
    memcpy(address.ip, <const char*>ip, 16)
    return 0


def client_enter(Worker worker, bytes ip, unsigned int limit):
    cdef Address address
    address_of(ip, &address)
    return bool(worker.client_enter(&address, limit))


def client_leave(Worker worker, bytes ip):
    cdef Address address
    address_of(ip, &address)
    worker.client_leave(&address)


def clients(Worker worker):
    """Connections by address, as the table has them, and how many addresses it counts."""
    cdef size_t i
    cdef dict found = {}
    for i in range(worker.client_room):
        if worker.clients[i].connections:
            found[(<const char*>worker.clients[i].ip)[:16]] = worker.clients[i].connections
    return found, worker.client_count
