# SOCKS 5 UDP ASSOCIATE (RFC 1928, 7): datagrams between one client and the targets that it asks for.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport TargetHost
from limen.engine.exchange cimport Exchange
from limen.engine.guard cimport Guard
from limen.engine.reactor cimport Handler
from limen.engine.service cimport Service
from limen.engine.stream cimport Party
from limen.engine.types cimport Address
from limen.engine.worker cimport Resolution, Worker


cdef enum:
    ASSOCIATION_TARGETS_MOST = 1024
    UNRESOLVED_MOST = 4       # datagrams that wait for a name; what comes beyond is dropped, as a network would


cdef struct Asked:
    # A target that the client has sent to; whatever it sends back passes.
    Address address
    bint literal              # it was asked for by address: the rules have said yes to just that


cdef struct Unresolved:
    TargetHost host
    char* content             # owned; NULL: free
    size_t size


cdef class DatagramSocket(Handler):
    cdef Association association      # None: it is over
    cdef bint towards_client

    cdef int open(self, Association association, const Address* own, bint towards_client) noexcept
    cdef void drop(self) noexcept


cdef class Association(Party):
    cdef Worker worker
    cdef Exchange exchange
    cdef Accepted client      # whose connection's end is the association's
    cdef DatagramSocket inner         # the client sends here
    cdef DatagramSocket outer4        # to targets; None until one is asked for
    cdef DatagramSocket outer6
    cdef Address sender       # of the client's datagrams; port 0 until the first has come
    cdef Asked* asked         # owned array
    cdef int asked_count
    cdef int asked_most
    cdef int found_last       # where the last look ended
    cdef Unresolved unresolved[4]
    cdef size_t size_most
    cdef uint64_t idle
    cdef uint64_t last        # monotonic ns: when a datagram has passed
    cdef uint64_t ends
    cdef uint64_t up
    cdef uint64_t down
    cdef bint over
    cdef uint64_t audited     # monotonic ns: what is refused may be written down from then on
    cdef Guard rule_guard     # of the rule whose bounds were taken last

    cdef int begin(self, Exchange exchange, Accepted client, const Address* sender) noexcept
    cdef void on_datagrams(self, DatagramSocket source) noexcept
    # Judge datagrams by the service that is in force now.
    cdef void follow(self, Service service) noexcept
    cdef bint may_pass(self, int way) noexcept
    cdef void take_bounds(self) noexcept
    cdef void leave_rules(self) noexcept
    cdef bint take_inner(self) noexcept
    cdef bint take_outer(self, DatagramSocket source) noexcept
    cdef void pass_on(self, TargetHost* host, const char* content, size_t size) noexcept
    cdef void keep_unresolved(self, TargetHost* host, const char* content, size_t size) noexcept
    cdef void pass_resolved(self, TargetHost* host, Resolution answer, const char* content, size_t size) noexcept
    cdef void send_out(self, const Address* target, bint literal, const char* content, size_t size) noexcept
    cdef int find(self, const Address* address) noexcept
    cdef DatagramSocket outer(self, int family)
    cdef void refuse(self, int fault) noexcept
    cdef void end(self, int fault) noexcept


# From a request at `line` (worker.head is its head) to a relay, or a refusal.
cdef void begin_association(Exchange exchange, Accepted client, const char* line) noexcept
