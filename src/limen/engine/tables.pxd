# RouteTable: which route of a listener takes a request. Immutable; one per listener and revision.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.certificates cimport CertificateMatch, CertificateView
from limen.engine.keys cimport KeyIndex, KeyRecord
from limen.engine.paths cimport glob_match, host_glob_match, normalize_path
from limen.engine.places cimport Place
from limen.engine.types cimport Address, Field


cdef struct RequestView:
    # What match() looks at; every pointer is borrowed from the caller for the call.
    const char* head          # the fields' offsets count from here
    const Field* fields
    unsigned int count
    const char* host          # canonical: lower-case, no port, no trailing dot, no brackets
    size_t host_length
    const char* path          # normalised (normalize_path), without the query
    size_t path_length
    const char* query         # as received, after the "?"
    size_t query_length
    const char* method
    size_t method_length
    uint8_t method_id         # types.Method
    const Address* client     # family 1 (unix socket) is in no set of clients
    const CertificateView* certificate  # looked at only if the table asks_certificate; NULL: none was shown
    const char* ja4           # of the client's hello, if the table asks_ja4
    size_t ja4_length
    const Place* place        # of the client, if the table asks_place; NULL: nothing is known of it
    void* identity            # an Identity; NULL: nobody


cdef enum ConditionKind:
    CONDITION_ABSENT = 0
    CONDITION_PRESENT = 1
    CONDITION_EQUAL = 2


cdef enum PathCheck:
    # What of a route's path is left to check after the look-up by key.
    PATH_SETTLED = 0
    PATH_PATTERN = 1
    PATH_REGEX = 2


cdef struct Condition:
    uint8_t kind              # ConditionKind
    uint32_t name             # offset into the table's text
    uint32_t name_length
    uint32_t value
    uint32_t value_length


cdef struct RouteRow:
    # Conditions of one route that the key look-ups do not settle.
    void* clients             # an AddressSet, borrowed from RouteTable.kept; NULL: any client
    void* certificate         # a CertificateMatch, likewise
    void* ja4                 # a tuple of patterns, likewise
    void* place               # a PlaceMatch, likewise
    void* identity            # an IdentityMatch, likewise
    uint32_t methods          # set of (1 << Method); 0: any method
    uint32_t names            # first Condition that is a method's name (for METHOD_OTHER)
    uint32_t name_count
    uint32_t conditions       # first field Condition, then those of the query
    uint16_t field_count
    uint16_t query_count
    uint32_t pattern          # offset into the table's text
    uint32_t pattern_length
    int regex                 # number in RouteTable.regexes, or -1
    uint8_t path              # PathCheck


cdef struct HostBucket:
    # The routes of one host key, by path.
    uint64_t exact_lengths    # set of length_bit() of its exact paths
    uint64_t prefix_lengths
    uint32_t longest_prefix
    uint32_t lowest           # smallest route number anywhere in the bucket
    uint32_t lowest_exact
    uint32_t lowest_prefix
    uint32_t scan             # entries without a path key: where they begin in `scans`
    uint32_t scan_count


cdef class RouteTable:
    cdef readonly list actions          # one per route, in order
    cdef readonly int errors            # regexes that raised; such a route did not match
    cdef readonly bint asks_certificate # some route has a condition on the client's certificate
    cdef readonly bint asks_ja4
    cdef readonly bint asks_place       # on the client's place
    cdef readonly bint asks_identity    # on who the client is
    cdef KeyIndex hosts
    cdef KeyIndex exact
    cdef KeyIndex prefixes
    cdef HostBucket* buckets            # owned; number 0 is the one for any host
    cdef RouteRow* rows                 # owned
    cdef Condition* conditions          # owned
    cdef uint32_t* scans                # owned
    cdef bytes text                     # of patterns, names and values
    cdef const char* texts              # borrowed from `text`
    cdef list regexes                   # bound fullmatch methods
    cdef list kept                      # AddressSets that rows point to
    cdef uint64_t host_lengths          # set of length_bit() of exact hosts
    cdef uint64_t suffix_lengths
    cdef uint64_t seed

    # Number of the first route, in configuration order, that matches; -1 if none does.
    cdef int match(self, const RequestView* view) noexcept

    cdef int fill_rows(self, list specs, object lists) except -1
    cdef int fill_buckets(self, list hosts, list plans) except -1
    cdef int fill_hosts(self, dict numbers) except -1
    cdef uint32_t follow(self, uint32_t found, const RequestView* view, uint32_t best) noexcept
    cdef uint32_t search(self, uint32_t number, const RequestView* view, uint32_t best) noexcept
    cdef uint32_t search_prefixes(self, uint32_t number, const RequestView* view, uint32_t best) noexcept
    cdef uint32_t consider(self, const uint32_t* entries, uint32_t count, const RequestView* view,
                           uint32_t best) noexcept
    cdef bint holds(self, const RouteRow* row, const RequestView* view) noexcept
    cdef bint holds_method(self, const RouteRow* row, const RequestView* view) noexcept
    cdef bint holds_tls(self, const RouteRow* row, const RequestView* view) noexcept
    cdef bint holds_regex(self, int number, const RequestView* view) noexcept
