# Where exchanges go: endpoints with their idle connections, upstreams with their balancer.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from limen.engine.addresses cimport TargetHost
from limen.engine.balance cimport Balancer
from limen.engine.connection cimport Connection
from limen.engine.cookies cimport Cookie
from limen.engine.nearest cimport Nearest
from limen.engine.queue cimport Queue
from limen.engine.seats cimport Load
from limen.engine.tls.contexts cimport ClientContext
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


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
    cdef readonly bytes server_name   # what stands for it in TLS: the host, or a name for the literal
    cdef bytes session_key            # under which its TLS sessions are kept
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
    cdef readonly long opening        # connections that are being opened ahead (warm.pyx)
    cdef readonly bint retired
    cdef void* idle_head              # borrowed; the connection used last comes first
    cdef void* idle_tail
    cdef Load load                # what balancers know of it
    cdef readonly Endpoint links  # counts the connections of its whole upstream; None: nobody asks
    cdef int64_t* run                 # failures in a row, of all workers: on the board, or `own_run`
    cdef int64_t own_run
    cdef readonly int failures        # dial failures in a row
    cdef Worker worker

    cdef Pooled take(self)
    cdef void give(self, Pooled connection, long most) noexcept
    cdef void lift(self, Pooled connection) noexcept
    cdef void dial_failed(self) noexcept
    cdef void dial_done(self) noexcept
    cdef bint enter(self, int64_t most) noexcept
    # Of what counts connections: whether exchanges of another worker wait for one, by its word of late.
    cdef bint is_wanted(self) noexcept
    # Whether the operator has taken it out: what rests here would never be used, or only by a few.
    cdef bint is_barred(self) noexcept
    cdef void leave(self) noexcept
    cdef void forget(self) noexcept


cdef class Upstream:
    cdef readonly bytes name
    cdef readonly list members        # Endpoints
    cdef readonly int count
    cdef readonly Balancer balancer
    cdef readonly Endpoint whole      # counts the exchanges at all members together; None: nobody asks
    cdef readonly int64_t most        # so many may be there, all workers together
    cdef readonly Endpoint retries    # counts the exchanges that are in a retry or a hedge
    cdef readonly Endpoint hedges     # counts the hedges under way; None: nothing bounds them
    cdef readonly Endpoint links      # counts the connections, dials included; None: nothing bounds them
    cdef readonly int64_t links_most  # so many may be there, all workers together
    cdef readonly bytes report        # field of responses, in lower case, by which endpoints tell how busy they are
    cdef readonly Queue queue         # None: who finds all endpoints full is shed
    cdef readonly int run_most        # so many failures in a row raise the alarm (outlier.pyx); 0: runs are not counted
    cdef bytes failing                # by status, 600 of them: 1 where it speaks against the endpoint
    cdef readonly Cookie cookie       # keeps clients at their endpoint; None: none is set
    cdef readonly Nearest nearest     # balancers by the place of clients; None: their place does not matter
    cdef int key_by                   # what hash goes by (affinity.KeyBy)
    cdef bytes key_name               # of the field or cookie, in lower case for fields
    cdef dict places                  # Endpoint -> index
    cdef frozenset names              # see is_called(); None: nobody has asked
    cdef uint64_t dial_timeout        # ns
    cdef uint64_t idle_timeout        # ns
    cdef readonly ClientContext tls   # None: plain
    cdef uint64_t handshake_timeout   # ns
    cdef readonly long idle_most      # per endpoint
    cdef readonly long warm           # connections kept open per endpoint, opened ahead
    cdef readonly double dial_seconds
    cdef uint64_t age_most            # ns a connection is used; 0 = no bound
    cdef uint32_t requests_most       # exchanges on one connection; 0 = no bound
    cdef uint64_t random              # state of draw_next()

    # What its endpoints may be called in URLs and cookies, in lower case: with and without a port. Made when first
    # asked for.
    cdef bint is_called(self, const char* text, size_t size) noexcept
    # Exchanges at its endpoints, all workers together.
    cdef int64_t live(self) noexcept
    # Whether a connection may be opened, for which an idle one has to go where all are taken.
    cdef bint may_dial(self) noexcept
    # Count one more connection; False: too many are there.
    cdef bint claim_link(self) noexcept
    cdef bint close_idle(self) noexcept
    # By `balancer`, which is the upstream's or one of `nearest`.
    cdef int choose(self, Balancer balancer, uint64_t now, Endpoint avoid, uint64_t key) noexcept
    cdef Endpoint claim(self, Balancer balancer, uint64_t now, Endpoint avoid, uint64_t key)
    cdef bint claim_member(self, Endpoint member, int64_t most) noexcept


# A new endpoint for a host, kept under `place` for all who go there.
cdef Endpoint new_target(Worker worker, const TargetHost* host, bytes place)
# The endpoint of a request's target, shared by all who go there; None without memory.
cdef Endpoint target_endpoint(Worker worker, TargetHost* host)
