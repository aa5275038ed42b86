# What every accepted connection has, whatever it speaks: its listener's service, its place in the
# worker's counts, the PROXY protocol header that may come first.

from libc.stdint cimport int64_t, uint32_t

from limen.engine.bridged cimport Bridged
from limen.engine.identity cimport Bond
from limen.engine.service cimport Action, Service
from limen.engine.tls.certificate cimport Certificate
from limen.engine.tls.hello cimport Hello
from limen.engine.upstream cimport Endpoint, Pooled
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


cdef class Accepted(Pooled):
    cdef Worker worker
    cdef Listener listener
    cdef Service service
    cdef Address sender       # who is connected; behind a PROXY protocol header who that says
    cdef Address original     # of a transparent listener: where the client was going; family 0: nobody has asked
    cdef bint counted         # in worker.clients
    cdef int64_t cell         # of worker.cells, for the listener's bound; 0: none is taken
    cdef bint preface_due     # a PROXY protocol header has to come first
    cdef Bond bond            # who its requests are for that show no credentials; None: nobody
    cdef Bridged bridged      # where it goes since its TLS is bridged; None: as each request says
    cdef bint ending          # its listener is going: it ends with its exchange, or soon when there is none
    cdef Action chosen        # by the hello, for a connection whose TLS ends here
    cdef bytes ja4            # of its hello, if something asks for it
    cdef uint32_t place       # of `sender`, if something has asked for it
    cdef uint32_t place_epoch # that the number belongs to; 0: nothing has asked
    cdef Endpoint way_out     # by which its requests go out, where an egress keeps it for a connection
    cdef void* next           # borrowed neighbours in listener.first
    cdef void* prev

    cdef int enter(self, int fd, Listener listener, const Address* sender) noexcept
    # Bytes of a PROXY protocol header at `data`: > 0 taken, 0 not whole, -1 refused (the connection is aborted).
    cdef int take_preface(self, const char* data, size_t size) noexcept
    cdef void leave(self) noexcept
    # TLS comes first: wait for the client's hello.
    cdef void begin_tls(self) noexcept
    cdef void on_shake_event(self, uint32_t events) noexcept
    cdef void end_shaking(self) noexcept
    cdef void fail_shaking(self, int fault) noexcept
    # The handshake is over.
    cdef void on_open(self) noexcept
    # The client speaks, but not TLS.
    cdef void refuse_plain(self) noexcept
    # Look at the hello. 1: a route passes this connection on (on_passed() was called); 0: the hello is not whole;
    # -1: there is none, or no hello.
    cdef int try_pass(self) noexcept
    cdef void note_ja4(self, const Hello* hello) noexcept
    # Carry its bytes as they are to this action; `name`: whom TLS names.
    cdef int go_opaque(self, Action action, const char* name, size_t size) noexcept
    # It goes on unopened, to the action with this number in service.passes.
    cdef void on_passed(self, int number, const char* name, size_t size) noexcept
    # In tunnel mode: read on until there is a client hello, and keep it: 1 whole, 0 more has to come, -1 this is no
    # TLS, -2 the client is gone, -3 TLS whose hello cannot be read.
    cdef int look_ahead(self, Hello* hello) noexcept
    # Open the TLS that begins with what look_ahead() kept; the party hears on_secured() or on_fault(). 0, -1 without
    # memory, -2 if too many handshakes are under way.
    cdef int begin_bridged(self, Bridged bridged, Certificate leaf) noexcept
    # A PROXY protocol header before TLS, taken away exactly; False: not whole, or refused.
    cdef bint peek_preface(self) noexcept
    # Called once the connection stands.
    cdef void begin(self) noexcept
    # The listener goes: end with the exchange, or after a grace in which a request may still come.
    cdef void drain(self) noexcept
    # FAULT_NONE and counted, or why the connection may not be.
    cdef int judge(self) noexcept
    cdef bint count_client(self) noexcept
    cdef void uncount_client(self) noexcept


cdef class Listener:
    cdef readonly str key
    cdef Service service      # in force for connections and exchanges that begin now
    cdef Worker worker
    cdef object socket        # Acceptor handler, or None once closed
    cdef void* first          # borrowed list of its connections
    cdef readonly long connections

    cdef void refused(self) noexcept
