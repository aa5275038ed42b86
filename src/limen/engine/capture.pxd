# What is captured of exchanges: for which capture, and what one of them has shown so far. Data and its bounds only;
# recording.pyx says when.

from libc.stdint cimport uint64_t

from limen.engine.keep cimport Keep


cdef class Capture:
    cdef readonly str name
    cdef readonly uint64_t body       # bytes kept of the content of each message
    cdef readonly uint64_t held_most  # bytes in memory at a time, heads and content
    cdef uint64_t content_until       # with so many of them nothing is added to contents: heads have room yet
    cdef readonly uint64_t held       # of them now: of exchanges under way, and of those that are not yet written
    cdef public uint64_t lost         # exchanges that were not recorded
    cdef object take                  # callable(Recording): an exchange is over

    cdef void lose(self) noexcept


cdef class Side:
    # One message: as it came, and the beginning of its content.
    cdef readonly list fields         # of (name, value), both bytes
    cdef readonly uint64_t head_size  # bytes on the wire, the empty line included; 0: the head was made here
    cdef readonly uint64_t size       # bytes of content that have passed
    cdef readonly uint64_t kept       # of them, from the first on
    cdef uint64_t weight              # bytes in memory, about
    cdef Keep content                 # None: nothing is kept
    cdef bint cut                     # nothing more is kept, whatever room there is later

    # Of a head with so many fields, whose size is known.
    cdef void weigh(self, Capture capture, size_t fields) noexcept
    cdef bint wants(self, Capture capture) noexcept
    cdef void append(self, Capture capture, const char* data, size_t size) noexcept


cdef class Recording:
    cdef readonly Capture capture
    cdef readonly Side request        # as the client sent it
    cdef readonly Side response       # as it came from the origin, or was made here; None: there is none
    cdef readonly bytes method
    cdef readonly bytes target        # of the request, in the form that was sent
    cdef readonly bytes scheme
    cdef readonly bytes authority
    cdef readonly int minor           # of the client's HTTP/1
    cdef readonly int status          # of `response`
    cdef readonly bytes reason
    cdef readonly int response_minor
    cdef readonly bytes server        # address of who was connected; empty: nobody
    cdef uint64_t sent_at             # monotonic ns: the request was whole; 0: it never was
    # from here on: known when it is over
    cdef readonly uint64_t started    # epoch, ns
    cdef readonly uint64_t total      # ns
    cdef readonly uint64_t dial       # ns, with look-up and handshakes; 0: a pooled connection, or none
    cdef readonly uint64_t forwarded  # ns from the start until the head went to the origin; 0: it never did
    cdef readonly uint64_t sent       # likewise, until the request was whole
    cdef readonly uint64_t answered   # likewise, until the head of the response was there
    cdef readonly str id
    cdef readonly bytes client        # address; empty: a unix socket
    cdef readonly unsigned int port
    cdef readonly str listener
    cdef readonly str route
    cdef readonly str rule
    cdef readonly str upstream
    cdef readonly str endpoint
    cdef readonly str egress
    cdef readonly str user
    cdef readonly int told            # status that the client was sent; 0: none
    cdef readonly int fault
    cdef readonly int attempts
    cdef readonly bint tunnel         # it went on as a tunnel

    # Of another capture from now on.
    cdef void move(self, Capture capture) noexcept
