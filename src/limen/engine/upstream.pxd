# Where exchanges go: endpoints with their idle connections, upstreams with their balancer.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, int64_t

from limen.engine.addresses cimport TargetHost
from limen.engine.connection cimport Connection
from limen.engine.tls.contexts cimport ClientContext
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


cdef enum Balance:
    BALANCE_ROUND_ROBIN = 0
    BALANCE_LEAST_REQUESTS = 1


cdef enum ProxyProtocol:
    PROXY_PROTOCOL_NONE = 0
    PROXY_PROTOCOL_V1 = 1
    PROXY_PROTOCOL_V2 = 2


cdef class Pooled(Connection):
    # A connection that can rest in an endpoint's pool.
    cdef Endpoint endpoint
    cdef void* idle_next      # borrowed neighbours in the pool; both live, since watched
    cdef void* idle_prev
    cdef void* rest_next      # borrowed likewise, among all targets of the worker (Worker.resting)
    cdef void* rest_prev
    cdef bint idle


cdef class Endpoint:
    cdef readonly str key             # what makes it the same endpoint over reloads
    cdef readonly bytes label         # address for log and metrics
    cdef readonly bytes host          # name or literal
    cdef readonly int port
    cdef Address literal              # family 0: host is a name to be resolved
    cdef bytes path                   # of a unix socket
    cdef readonly unsigned int slot   # on the board
    cdef readonly int proxy_protocol
    cdef readonly bint is_target      # comes from a request, not from the configuration
    cdef bytes place                  # a target's, in Worker.direct
    cdef readonly long active         # exchanges at work in this worker
    cdef readonly long connections
    cdef readonly long idle_count
    cdef readonly bint retired
    cdef void* idle_head              # borrowed; the connection used last comes first
    cdef void* idle_tail
    cdef uint64_t out_until           # not chosen before, unless nothing else is there
    cdef readonly int failures        # dial failures in a row
    cdef Worker worker

    cdef Pooled take(self)
    cdef void give(self, Pooled connection, long most) noexcept
    cdef void lift(self, Pooled connection) noexcept
    cdef void dial_failed(self) noexcept
    cdef void dial_done(self) noexcept
    cdef void enter(self) noexcept
    cdef void leave(self) noexcept
    cdef void forget(self) noexcept


cdef struct Member:
    void* endpoint            # borrowed from Upstream.members
    int64_t weight
    int64_t current           # of smooth weighted round robin


cdef class Upstream:
    cdef readonly bytes name
    cdef readonly list members        # Endpoints
    cdef Member* table                # owned
    cdef readonly int count
    cdef int cursor
    cdef int balance
    cdef bint even                    # all weights equal
    cdef uint64_t dial_timeout        # ns
    cdef uint64_t idle_timeout        # ns
    cdef readonly ClientContext tls   # None: plain
    cdef uint64_t handshake_timeout   # ns
    cdef readonly long idle_most      # per endpoint
    cdef readonly double dial_seconds

    cdef Endpoint choose(self, uint64_t now, Endpoint avoid)
    cdef Endpoint pick(self, uint64_t now, Endpoint avoid, bint healthy)
    cdef Endpoint pick_next(self, uint64_t now, Endpoint avoid, bint healthy)
    cdef Endpoint pick_smooth(self, uint64_t now, Endpoint avoid, bint healthy)
    cdef Endpoint pick_least(self, uint64_t now, Endpoint avoid, bint healthy)
    cdef bint usable(self, int i, uint64_t now, Endpoint avoid, bint healthy) noexcept


# A new endpoint for a host, kept under `place` for all who go there.
cdef Endpoint new_target(Worker worker, const TargetHost* host, bytes place)
# The endpoint of a request's target, shared by all who go there; None without memory.
cdef Endpoint target_endpoint(Worker worker, TargetHost* host)
