# The handshake of a chain: from a connection to the first parent to one that reaches the target.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.http1.origin cimport Http1Origin
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Party
from limen.engine.ways_out cimport Hop, Way
from limen.engine.worker cimport Worker


cdef enum PassageStage:
    PASSAGE_TLS = 0           # shaking hands with the hop
    PASSAGE_CONNECT = 1       # awaits its answer to CONNECT
    PASSAGE_METHOD = 2        # SOCKS5: which credentials it wants
    PASSAGE_LOGIN = 3
    PASSAGE_OPENED = 4
    PASSAGE_OVER = 5


cdef enum PassageNext:
    # What follows an answer.
    NEXT_LOGIN = 0
    NEXT_ASK = 1
    NEXT_THROUGH = 2


cdef class Passage(Party):
    cdef Worker worker
    cdef ExchangeState owner  # told by on_secured() or on_fault()
    cdef Http1Origin origin
    cdef Way way
    cdef int hop              # number of the one that is asked
    cdef int stage
    cdef int next             # PassageNext, once an answer is whole
    cdef uint64_t end         # monotonic ns: the dial's time is over
    cdef char* held           # owned; what has come of an answer
    cdef size_t held_size

    cdef void enter_hop(self) noexcept
    cdef void ask_hop(self) noexcept
    cdef void say(self, const char* data, ssize_t size) noexcept
    cdef void ask_tunnel(self, Hop hop) noexcept
    cdef void read_on(self) noexcept
    cdef ssize_t judge(self, const char* data, size_t size) noexcept
    cdef ssize_t look(self, char* out, size_t room) noexcept
    cdef int take(self, size_t size) noexcept
    cdef int hold(self, const char* data, size_t size) noexcept
    cdef void answered(self) noexcept
    cdef void arrive(self) noexcept
    cdef void end_with(self, int fault) noexcept


# Begin on a connection that was dialled to the first parent of the exchange's way.
cdef void begin_passage(ExchangeState exchange, Http1Origin origin) noexcept
