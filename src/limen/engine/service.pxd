# What one listener of one revision needs, compiled: limits, routes, rules. Immutable once published.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.access cimport AccessTable
from limen.engine.addresses cimport AddressSet
from limen.engine.bridged cimport Bridge
from limen.engine.capture cimport Capture
from limen.engine.certificates cimport CertificateMatch
from limen.engine.demand cimport Demand
from limen.engine.resilience cimport Resilience
from limen.engine.split cimport Split
from limen.engine.guard cimport Guard
from limen.engine.mask cimport Mask
from limen.engine.scrub cimport Scrub
from limen.engine.pac cimport Pac
from limen.engine.pages cimport Pages
from limen.engine.stream cimport OutField
from limen.engine.tables cimport RouteTable
from limen.engine.tls.contexts cimport ServerContext
from limen.engine.tls.passes cimport PassTable
from limen.engine.types cimport HeadLimits
from limen.engine.upstream cimport Upstream
from limen.engine.ways_out cimport Egress


cdef enum TargetSource:
    TARGET_FROM_ROUTE = 0     # the configuration says where: gateway
    TARGET_FROM_REQUEST = 1   # the client says where: proxy
    TARGET_OPAQUE = 2         # no HTTP: bytes to an upstream


cdef enum Anonymity:
    ANONYMITY_TRANSPARENT = 0
    ANONYMITY_ANONYMOUS = 1
    ANONYMITY_ELITE = 2


cdef enum HostMode:
    HOST_PASS = 0
    HOST_ENDPOINT = 1
    HOST_LITERAL = 2


cdef enum RetryMethods:
    RETRY_SAFE = 0            # RFC 9110, 9.2.1
    RETRY_IDEMPOTENT = 1      # 9.2.2
    RETRY_ANY = 2


cdef class Edits:
    # Fields to set and to remove in one direction.
    cdef readonly int set_count
    cdef readonly int drop_count
    cdef OutField* sets       # owned array; its pointers are into `kept`
    cdef OutField* drops      # owned array of lower-case names (a name that is set is dropped as well)
    cdef list kept
    cdef bint drops_name(self, const char* name, size_t size) noexcept


cdef class Action:
    # What happens to an exchange that a route (or a forward listener) took.
    cdef readonly str name
    cdef bytes label
    cdef readonly unsigned int slot   # of the metrics
    cdef readonly Upstream upstream
    cdef bytes body           # of `respond` and `redirect`
    cdef bytes location       # redirect: template with {host} {path} {query}
    cdef int status           # respond, redirect; 0 otherwise
    cdef Edits reply          # fields of `respond`
    cdef bytes strip
    cdef bytes add
    cdef object replace       # bound re sub, or None
    cdef Edits request
    cdef Edits response
    cdef uint64_t body_most   # bytes; 0 = no bound
    cdef uint64_t response_timeout    # ns
    cdef uint64_t stall_timeout
    cdef int attempts         # after the first one; 0: none
    cdef int retry_methods
    cdef bint guarded         # of `resilience`: something there has to be looked at in every exchange
    cdef readonly Resilience resilience
    cdef uint64_t keep_memory # bytes of a body kept for a retry in memory
    cdef uint64_t keep_most   # and in all
    cdef int host_mode
    cdef bytes host
    cdef readonly list request_hooks
    cdef readonly list response_hooks
    cdef readonly double hook_timeout
    cdef bint upgrade
    cdef readonly Split split         # by whose shares this action is replaced, once; None: it stands for itself
    cdef readonly Scrub scrub # of what tells one client from another; None: it stays
    cdef readonly Mask mask   # of Location and Set-Cookie; None: they stay
    cdef readonly Pages pages # for statuses; None: our words, and the origin's
    cdef readonly Guard guard # who may come, how often; None: everybody, always
    cdef readonly CertificateMatch certificate  # that the client must have shown; None: any or none
    cdef readonly Demand demand       # that clients say who they are; None: they need not
    cdef readonly Capture capture     # of its exchanges; None: none


cdef class Service:
    cdef readonly str name
    cdef bytes label
    cdef readonly unsigned int slot
    cdef unsigned int unrouted        # slot of exchanges that no route took
    cdef int target_source
    cdef readonly RouteTable routes
    cdef readonly Action action       # of a forward or stream listener
    cdef readonly AccessTable access
    cdef readonly Demand demand       # before a route is looked for; None: none
    cdef readonly AddressSet targets_allowed
    cdef readonly bint private_allowed
    cdef int anonymity
    cdef bint logged          # its exchanges are in the access log
    cdef readonly AddressSet trusted
    cdef readonly AddressSet preface_from     # PROXY protocol senders, None = nobody
    cdef readonly ServerContext tls   # None: plain
    cdef readonly PassTable passes    # actions chosen by the client's hello; None: none are
    cdef int opened           # with `tls`: from this number on they are chosen, but TLS ends here
    cdef bint asks_ja4        # the fingerprint of each hello is wanted
    cdef bint add_certificate # Client-Cert for the origin
    cdef readonly Bridge bridge       # of a forward listener: TLS inside CONNECT is looked at; None: never
    cdef uint64_t handshake_timeout   # ns
    cdef int ways             # set of ways.Way: what the first bytes of a connection may be
    cdef bint detects         # `ways` is more than HTTP, or `transparent`: the first bytes are looked at
    cdef int transparent      # ways.Transparent
    cdef uint64_t bind_timeout        # ns that a BIND waits for its peer; 0: refused
    cdef int relay_targets    # of one UDP association; 0: refused
    cdef size_t relay_size    # bytes of a datagram's content
    cdef uint64_t relay_idle  # ns
    cdef readonly Pac pac     # None: none is served
    cdef HeadLimits limits
    cdef uint64_t head_timeout        # ns, all of them
    cdef uint64_t idle_timeout
    cdef uint64_t body_timeout
    cdef uint64_t tunnel_idle
    cdef uint64_t tunnel_half
    cdef uint64_t tunnel_life
    cdef uint64_t dial_timeout        # of targets from requests
    cdef bint goes_out        # some requests leave by an egress
    cdef readonly Egress egress       # of targets from requests; None: directly
    cdef readonly list exits          # by number of the access rule: an Egress, None (as `egress`), False (directly)
    cdef uint64_t min_rate            # bytes per second
    cdef uint64_t min_rate_after      # ns
    cdef readonly Pages pages         # of exchanges that no route took
    cdef readonly AddressSet allow    # who may connect; None: everybody
    cdef readonly AddressSet deny     # who may not; None: nobody
    cdef uint64_t connections_tag     # what the listener's connections are counted as
    cdef int64_t connections_most     # all workers together; 0: any number
    cdef unsigned int per_client
    cdef bint per_client_loopback     # the bound was asked for: loopback clients as well
    cdef bytes via            # pseudonym
    cdef bytes id_field       # name of the request id's field, empty = none
    cdef bint id_trust
    cdef bint add_forwarded
    cdef bint add_x_forwarded
    cdef bytes scheme
    cdef bytes port           # of the listener, for X-Forwarded-Port
