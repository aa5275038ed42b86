# What an exchange and its two sides know of each other. A stream is one side: an HTTP/1 connection
# is its own only stream, an HTTP/2 or HTTP/3 connection will have many. Interfaces only: the
# protocols implement Stream, the exchange implements Party.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.reactor cimport Handler
from limen.engine.types cimport Address, Field, Head


cdef struct OutField:
    const char* name          # borrowed until the head was sent; "name: value\r\n" may lie in one piece
    const char* value
    uint32_t name_length
    uint32_t value_length


cdef struct Span:
    const char* data
    size_t length


cdef struct OutHead:
    # A head on its way out, protocol-neutral. All bytes are borrowed until send_head() returns.
    Span method
    Span target[4]            # written one after the other
    OutField* fields
    unsigned int count
    uint64_t length           # of the content if framing is FRAMING_LENGTH
    Span reason
    uint16_t status           # of a response; 0 in a request
    uint8_t framing           # Framing of the content that will follow
    uint8_t head_only         # response to HEAD or 304: framing fields describe content that won't come
    uint8_t upgrade           # keep "Connection: upgrade"
    uint8_t te_trailers       # say "TE: trailers"
    uint8_t close             # the connection ends after this message


cdef enum Looked:
    LOOKED_PASS = 0           # a tunnel between the connections that are there
    LOOKED_REDIAL = 1         # a tunnel, but to the origin another connection is needed
    LOOKED_BRIDGED = 2        # the client goes on with requests


# As live_handlers(), of parties.
cdef long live_parties() noexcept nogil


cdef class Stream(Handler):
    cdef Party party          # the exchange it serves at the moment, or None
    cdef bint paused          # the party takes no more data for now
    cdef bint held            # a meter lets nothing in for now; unhold() ends it
    cdef uint32_t share       # bytes that may be read at a time while a meter runs; 0: any number

    # Towards the peer. Data is sent or kept (bounded by what one read brings); ask is_clogged() after.
    cdef void send_head(self, OutHead* head) noexcept
    cdef void send_data(self, const char* data, size_t size) noexcept
    cdef void send_end(self, const char* base, const Field* trailers, unsigned int count) noexcept
    cdef bint is_clogged(self) noexcept
    # From the peer: stop or go on handing data to the party.
    cdef void pause(self) noexcept
    cdef void resume(self) noexcept
    # The meter lets data in again.
    cdef void unhold(self) noexcept
    # Neither the party nor a meter stops it any more: data is taken again.
    cdef void read_on(self) noexcept
    # The party is done: keep the connection if the protocol state allows, else close.
    cdef void release(self) noexcept
    # Break off at once.
    cdef void abort(self) noexcept
    # Whether content of this size stays byte for byte what send_data() is given, on a socket that seals nothing, or
    # that seals by itself once it is asked to (Connection.unseal).
    cdef bint is_raw(self, uint64_t size) noexcept
    # Turn the connection into one end of a tunnel; give_ahead() then hands over what was read too early.
    cdef Stream to_raw(self)
    cdef void give_ahead(self, Party party) noexcept


cdef class Party:
    # Whoever uses streams: an exchange, a tunnel. What it hears of them, of its dial and its look-up.
    cdef void on_response(self, Stream source, const Head* head, const Field* fields, const char* base) noexcept
    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept
    cdef void on_end(self, Stream source, const char* base, const Field* trailers, unsigned int count) noexcept
    cdef void on_fault(self, Stream source, int fault) noexcept
    # The sink took everything it had kept: the other side may go on.
    cdef void on_drained(self, Stream sink) noexcept
    # Content of `source`, so much of it, may go to this connection unread (spliced); None: it has to be handed over.
    cdef Stream raw_sink(self, Stream source, uint64_t size)
    cdef void on_moved(self, Stream source, uint64_t size) noexcept
    # Of a stream in tunnel mode: its socket is ready, its timer has fired.
    cdef void on_ready(self, Stream source, uint32_t events) noexcept
    cdef void on_time(self, Stream source) noexcept
    # Its turn in a queue: whether it took a place; it has waited too long.
    cdef bint on_place(self) noexcept
    cdef void on_shed(self) noexcept
    # A dial ended: exactly one of both. The descriptor is the party's from then on.
    cdef void on_connected(self, int fd, const Address* address) noexcept
    cdef void on_dial_fault(self, int fault) noexcept
    # The TLS handshake with an origin is over; a failed one is told by on_fault().
    cdef void on_secured(self, Stream source) noexcept
    # The TLS in a CONNECT tunnel was looked at (Looked).
    cdef void on_looked(self, int verdict) noexcept
    # Its alarm has rung (alarm.Alarm).
    cdef void on_alarm(self) noexcept
    # Its meter has something to give again (meter.Meter).
    cdef void on_refill(self) noexcept
    # A hedge has an answer, or has come to nothing.
    cdef void on_won(self, Party hedge) noexcept
    cdef void on_lost(self, Party hedge) noexcept
    # A name that was asked for is known, or known to fail (a worker.Resolution).
    cdef void on_resolved(self, object resolution) noexcept
    # Who it is for is known, or that it stays unknown (an identifying.Claim).
    cdef void on_identified(self, object claim) noexcept
