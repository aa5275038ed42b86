# AccessTable: may this client reach this target? Immutable but for which time windows are open.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.host_lists cimport HostListView
from limen.engine.keys cimport KeyIndex
from limen.engine.places cimport Place
from limen.engine.types cimport Address


cdef enum Decision:
    DENY = 0
    ALLOW = 1
    NEED_ADDRESS = 2          # resolve the host, then ask again with `target`


cdef enum AccessScheme:
    # A set of them is a condition.
    ACCESS_HTTP = 1           # a request in absolute form
    ACCESS_HTTPS = 2          # one inside bridged TLS
    ACCESS_TUNNEL = 4         # bytes that nobody looks into


cdef struct AccessView:
    # What decide() looks at; every pointer is borrowed from the caller for the call.
    const Address* client     # family 1 (unix socket) is in no set of clients
    const char* host          # canonical, as TargetHost.name
    size_t host_length
    uint16_t port
    uint8_t method_id         # types.Method
    const char* method
    size_t method_length
    const Address* target     # NULL while unresolved
    const Place* place        # of the client, if the table asks_place; NULL: nothing is known of it
    const Place* target_place # of `target`, if the table asks_target; likewise
    void* identity            # an Identity; NULL: nobody
    uint8_t scheme            # one AccessScheme
    uint8_t by_name           # rules with conditions on the target's address do not match
    const char* path          # normalised; NULL: none is seen, or the table does not ask (asks_path)
    size_t path_length
    const char* content_type  # as sent, if the table asks_content; NULL: none
    size_t content_type_length
    uint64_t content_size     # likewise; all ones: not told (chunked)
    uint8_t answered          # only rules on the response are asked, which has the next ones
    const char* answer_type   # as content_type
    size_t answer_type_length
    uint64_t answer_size


cdef enum WindowState:
    WINDOW_CLOSED = 0
    WINDOW_OPEN = 1
    WINDOW_UNKNOWN = 2        # before the first set_windows(): open for rules that deny only


cdef struct PortRange:
    uint16_t low              # both included
    uint16_t high


cdef struct TextPiece:
    uint32_t at               # offset into the table's text
    uint32_t length


cdef struct AccessRow:
    # Conditions of one rule but its hashed hosts.
    void* clients             # an AddressSet, borrowed from AccessTable.kept; NULL: any
    void* addresses           # the same for the target's address
    void* place               # a PlaceMatch on the client's place, likewise
    void* identity            # an IdentityMatch, likewise
    void* target_place        # a PlaceMatch on the place of the target's address, likewise
    uint32_t methods          # set of (1 << Method); 0: any method
    uint32_t names            # first TextPiece of a method's name (for METHOD_OTHER)
    uint32_t name_count
    uint32_t patterns         # first TextPiece of a host pattern
    uint32_t pattern_count
    uint32_t ports            # first PortRange; sorted and disjoint
    uint32_t port_count
    uint32_t windows          # first window number in `window_numbers`
    uint32_t window_count
    uint32_t paths            # first TextPiece of a path's beginning or pattern
    uint32_t path_count
    uint32_t types            # first TextPiece of a content type
    uint32_t type_count
    uint64_t size_over        # bytes; NO_SIZE: no condition
    uint64_t size_upto        # likewise
    uint32_t answer_types     # first TextPiece of the response's content type
    uint32_t answer_type_count
    uint64_t answer_over
    uint64_t answer_upto
    uint8_t schemes           # set of AccessScheme; 0: any
    uint8_t allow
    uint8_t any_host
    uint8_t dry               # does not decide: is only told of
    uint8_t answers           # has a condition on the response, so that it is asked when that is there


cdef struct ListRules:
    # Rules that a list of names leads to.
    const HostListView* view  # borrowed from AccessTable.kept
    uint32_t first            # of `list_entries`
    uint32_t count


cdef struct HeadList:
    # Rules that a host key leads to; walked while deciding.
    const uint32_t* next      # borrowed from the index
    const uint32_t* end


cdef class AccessTable:
    cdef readonly list names            # of the rules; "" where none was given
    cdef readonly list windows          # distinct windows by number, as the specs gave them
    cdef readonly bint asks_place       # some rule has a condition on the client's place
    cdef readonly bint asks_target      # on the place of the target's address
    cdef readonly bint asks_identity    # on who the client is
    cdef readonly bint asks_path        # on the path
    cdef readonly bint asks_content     # on content type or size
    cdef readonly bint asks_answer      # on the response
    cdef readonly list effects          # a RuleEffect for each rule, or None: verdicts have none
    cdef readonly bint redirects        # some effect names a host to dial instead
    cdef KeyIndex hosts
    cdef AccessRow* rows                # owned
    cdef uint32_t* scan                 # owned: rules whose hosts are not hashed, ascending
    cdef PortRange* ports               # owned
    cdef TextPiece* pieces              # owned
    cdef uint32_t* window_numbers       # owned
    cdef uint8_t* window_states         # owned: WindowState by window number
    cdef uint32_t scan_count
    cdef ListRules* lists               # owned
    cdef uint32_t* list_entries         # owned
    cdef uint32_t list_count
    cdef bytes text
    cdef const char* texts              # borrowed from `text`
    cdef list kept                      # AddressSets that rows point to
    cdef uint64_t host_lengths          # sets of length_bit(), by kind of host key
    cdef uint64_t suffix_lengths
    cdef uint64_t domain_lengths
    cdef uint64_t own_lengths           # of those before a public suffix
    cdef const HostListView* suffixes   # borrowed from `kept`; NULL: no rule asks
    cdef uint64_t seed

    # A Decision. The first rule that matches decides; *rule gets its number, -1 if none did (DENY),
    # and with NEED_ADDRESS the number of the rule that asks. *dry gets the first that would have decided but is dry.
    cdef int decide(self, const AccessView* view, int* rule, int* dry) noexcept

    cdef int fill_rows(self, list specs, object lists) except -1
    cdef int fill_hosts(self, dict keys) except -1
    cdef int fill_lists(self, dict listed, object lists) except -1
    cdef int add_list(self, uint32_t kind, uint64_t h, const char* host, size_t n, HeadList* lists, int count) noexcept
    cdef const HostListView* keep_list(self, object lists, str name) except NULL
    cdef int add_own(self, size_t n, const char* host, HeadList* lists, int count) noexcept
    cdef bint is_open(self, const AccessRow* row) noexcept
    cdef bint holds_host(self, const AccessRow* row, const AccessView* view) noexcept
    cdef bint holds_method(self, const AccessRow* row, const AccessView* view) noexcept
    cdef bint holds_request(self, const AccessRow* row, const AccessView* view) noexcept
    cdef bint holds_path(self, const AccessRow* row, const AccessView* view) noexcept
    cdef bint holds_answer(self, const AccessRow* row, const AccessView* view) noexcept
    cdef bint holds_type(self, uint32_t first, uint32_t count, const char* given, size_t size) noexcept
    cdef int judge(self, uint32_t number, bint host_settled, const AccessView* view) noexcept
