# A worker's engine-wide resources: reactor plus what exchanges share.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, int64_t

from limen.engine.board cimport Board
from limen.engine.cells cimport LimitCells
from limen.engine.identity cimport IdentityCache
from limen.engine.journal cimport Journal
from limen.engine.places cimport Places
from limen.engine.quotas cimport QuotaCells
from limen.engine.reactor cimport Reactor
from limen.engine.stream cimport OutField, OutHead, Party
from limen.engine.tls.shakes cimport Shakes
from limen.engine.types cimport Address, Field, Head


cdef enum:
    VALUES_SIZE = 65536       # scratch for field values made here, valid until the head is sent
    OUT_FIELDS = 320          # MAX_FIELDS and what we add
    PIPES_KEPT = 64           # empty pipes kept for the next splice


cdef struct ClientCount:
    uint8_t ip[16]
    uint32_t connections      # 0: free


cdef struct Pipe:
    int reader                # owned
    int writer                # owned
    uint32_t held             # bytes inside
    uint32_t room
    Pipe* next                # borrowed: next in the worker's list of empty ones


cdef class Resolution


cdef struct Rest:
    # Idle connections of one kind, the one used last first.
    void* head                # borrowed
    void* tail
    long count


cdef class Worker(Reactor):
    cdef readonly Board board
    cdef readonly Journal journal
    cdef readonly Journal audit        # of what was refused; None: nobody asks
    cdef public object talkers         # a Talkers; None: nobody keeps count of them
    cdef uint64_t audited_since        # monotonic ns: of the second in which `audited` lines were no exchanges'
    cdef unsigned int audited
    cdef public Places places # where clients are; None: nobody asks
    cdef public LimitCells cells       # None: no limits are configured
    cdef public QuotaCells quotas      # None: no quotas are
    cdef public IdentityCache identities       # known of late; None: nobody is asked who they are
    cdef Field parsed[256]    # of the head being parsed
    cdef Head head
    cdef OutField out[320]    # of the head being written
    cdef OutHead out_head
    cdef char* values         # owned, VALUES_SIZE
    cdef size_t values_used
    cdef char date[32]        # IMF-fixdate of `date_second`
    cdef int64_t date_second
    cdef uint64_t id_prefix
    cdef uint64_t id_counter
    cdef readonly int number
    cdef public unsigned long max_connections
    cdef public long connections       # client connections
    cdef public long exchanges
    cdef public long tunnels
    cdef public bint draining
    cdef dict names           # bytes host -> Resolution
    cdef dict direct          # bytes host:port -> Endpoint (targets of requests)
    cdef Rest rests[2]        # idle connections: to configured endpoints, to targets of requests
    cdef public long resting_most      # to configured endpoints
    cdef object resolve       # callable(host: str): asks for engine.resolved()
    cdef object run_hook      # callable(exchange, response: bool): parks until hooks_done()
    cdef object identify      # callable(claim): verifies until claim.settle()
    cdef object report        # callable(level: int, message: str)
    cdef public object discretion      # how the event log names a client(), user(), target(); None: in full
    cdef uint64_t client_seed[2]       # secret: unlike id_prefix it never leaves
    cdef ClientCount* clients # owned, open addressing, client_room a power of two
    cdef size_t client_room
    cdef size_t client_count
    cdef Pipe* pipes          # owned list of empty pipes
    cdef int pipes_kept
    cdef Shakes shakes
    cdef dict own             # port -> own addresses (an object with matches()): targets never dialled
    cdef uint64_t told        # monotonic ns: when an origin that is refused was told of last
    cdef uint64_t pace_until  # descriptors ran out: accept again from then on

    cdef char* value(self, size_t size) noexcept
    cdef const char* http_date(self) noexcept
    cdef uint32_t request_id(self, char* out) noexcept
    cdef bint client_enter(self, const Address* client, unsigned int limit) noexcept
    cdef void client_leave(self, const Address* client) noexcept
    cdef Pipe* pipe_take(self) noexcept
    cdef void pipe_give(self, Pipe* pipe) noexcept
    cdef bint is_own(self, const Address* target) noexcept
    cdef void tell(self, int level, str message) noexcept
    cdef size_t place_of(self, const uint8_t* ip) noexcept
    cdef bint client_grow(self) noexcept
    cdef int forget_names(self) except -1
    cdef Resolution ask_name(self, bytes host, Party waiter)


cdef class Resolution:
    # What is known of one name, and who waits for it.
    cdef Address addresses[16]
    cdef int count
    cdef int fault            # FAULT_DNS or FAULT_DNS_TIMEOUT; 0 = known
    cdef uint64_t expires     # monotonic ns; 0 = being asked
    cdef list waiters         # Parties
