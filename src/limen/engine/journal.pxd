# The journal: one line of the access log per exchange, formatted in C into a buffer and appended
# to a file that several workers may share. record() allocates nothing, never raises, never waits
# for a pipe's reader; what could not be written is counted in `lost`.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.conceal cimport Concealment
from limen.engine.types cimport Address


cdef enum:
    JOURNAL_BUFFER = 65536        # also the longest record
    JOURNAL_RESERVE = 1280        # all of a record that is not text: keys, numbers, time, address


cdef enum RetryBlocked:
    # Why a failed attempt was not repeated; limen/terms.py has the same names (a test compares).
    RETRY_NOT_BLOCKED = 0
    RETRY_ATTEMPTS = 1            # all allowed attempts are used up
    RETRY_METHOD = 2              # method not among those the route repeats
    RETRY_BODY = 3                # body larger than what is kept, or partly gone
    RETRY_BUDGET = 4              # too many retries among the live exchanges
    RETRY_ANSWERED = 5            # the response had begun
    RETRY_NO_ENDPOINT = 6         # none other left
    RETRY_FAULT = 7               # this fault is never repeated, or not by this route
    RETRY_CLIENT_CLOSED = 8
    RETRY_DEADLINE = 9            # no time left
    RETRY_COUNT = 10


cdef struct LogText:
    const char* text              # borrowed until record() returns; NULL with length 0: absent
    uint32_t length


cdef inline void lay_text(LogText* out, bytes text) noexcept:
    # whoever has the text outlives the record
    out.text = text
    out.length = <uint32_t>len(text)


cdef struct LogRecord:
    # Fill after memset(0). Absent texts and zero durations are left out of a JSON record.
    int64_t started               # epoch, nanoseconds
    uint64_t total                # nanoseconds, first byte of the request to last of the response
    uint64_t dial                 # nanoseconds; 0: pooled connection or none
    uint64_t response_head        # nanoseconds from the forwarded head to the response head
    uint64_t received             # bytes from the client
    uint64_t sent                 # bytes to the client
    Address client
    LogText alias                 # in the place of `client`
    LogText direction
    LogText protocol              # that the client speaks, where it is not HTTP
    LogText method
    LogText target                # written up to "?" unless the query was asked for
    LogText host
    LogText route
    LogText limit                 # that refused, or with dry_run would have
    LogText rule                  # of access, that decided
    LogText dry_rule              # that would have, but is dry
    LogText upstream
    LogText endpoint              # address used last
    LogText user                  # name of the identity
    LogText user_agent
    LogText referer               # written up to "?" likewise
    LogText request_id
    LogText tls_version           # of the client's connection; all of these if they are asked for
    LogText tls_cipher
    LogText sni
    LogText ja4
    LogText certificate_subject   # that the client has shown
    LogText certificate_fingerprint
    LogText country               # where the client is; all of these if they are asked for
    LogText continent
    LogText region
    uint32_t asn
    uint16_t status               # 0: no answer
    uint16_t attempts
    uint8_t fault                 # Fault
    uint8_t retry_blocked         # RetryBlocked
    uint8_t minor                 # HTTP/1.minor; 20 and 30 for HTTP/2 and HTTP/3
    uint8_t tunnel                # 1: became a tunnel
    uint8_t resumed               # 1: the client's TLS was taken up again


cdef enum JournalFormat:
    JOURNAL_JSON = 0
    JOURNAL_COMMON = 1
    JOURNAL_COMBINED = 2


@cython.final
cdef class Journal:
    cdef char* buffer             # owned, JOURNAL_BUFFER bytes
    cdef uint32_t used
    cdef uint32_t records         # whole records in the buffer
    cdef int descriptor           # owned, except standard output; -1 when closed
    cdef bint owned
    cdef bint regular             # a regular file: appended in one write
    cdef bint torn                # the last write ended inside a record: begin with a newline
    cdef bint query
    cdef uint8_t wanted[256]      # by Fault: records that an audit log takes
    cdef bint tls                 # records have what is known of the client's TLS
    cdef bint ja4
    cdef Concealment* concealment # owned; NULL: all is told
    cdef bint place               # records have what is known of the client's place
    cdef int format
    cdef int64_t second           # the one that `stamp` shows
    cdef char stamp[32]           # formatted time to the second
    cdef uint32_t stamp_length
    cdef LogText faults[256]      # borrowed from `labels`
    cdef LogText reasons[256]     # borrowed from `labels`
    cdef list labels              # keeps the label bytes alive
    cdef object path
    cdef readonly uint64_t lost   # records that were not written

    # Needs no GIL; one thread at a time. `record` is read only during the call.
    cdef void record(self, const LogRecord* record) noexcept nogil
    cdef _label(self, LogText* table, labels)
    cdef uint32_t url_length(self, LogText url) noexcept nogil
    cdef void push(self) noexcept nogil
    cdef void restamp(self, int64_t second) noexcept nogil
    cdef char* write_json(self, char* out, const LogRecord* record, uint32_t target_length, bint cut) noexcept nogil
    cdef char* write_common(self, char* out, const LogRecord* record, uint32_t target_length) noexcept nogil
