# A CONNECT tunnel whose TLS is looked at before it is decided what becomes of it.

from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport TargetHost
from limen.engine.bridged cimport Bridge, Bridged
from limen.engine.http1.origin cimport Http1Origin
from limen.engine.stream cimport Party, Stream
from limen.engine.tls.hello cimport Hello
from limen.engine.types cimport Address
from limen.engine.upstream cimport Endpoint
from limen.engine.worker cimport Worker


cdef enum LookStage:
    LOOK_HELLO = 0            # the client has to speak
    LOOK_ORIGIN = 1           # shaking hands with the origin
    LOOK_JUDGED = 2           # the gate has the origin's certificate
    LOOK_CLIENT = 3           # shaking hands with the client
    LOOK_OVER = 4


cdef class Look(Party):
    cdef Worker worker
    cdef Party owner          # the exchange of CONNECT: told by on_looked() or, at the end, by on_fault(None, fault)
    cdef Accepted client
    cdef Http1Origin origin   # None once it was dropped or given to the pool
    cdef Bridge bridge
    cdef Bridged bridged
    cdef TargetHost host      # CONNECT's
    cdef Address peer         # who the client is
    cdef int stage
    cdef bytes prefix         # of the place where its connection rests, if it goes by an egress

    cdef void begin(
        self, Party owner, Accepted client, Http1Origin origin, Bridge bridge, const TargetHost* host,
        const Address* peer
    ) noexcept
    cdef void read_hello(self) noexcept
    cdef void judge(self, const Hello* hello) noexcept
    cdef void open(self, const Hello* hello) noexcept
    cdef Endpoint resting_place(self)
    cdef void ask_gate(self, bytes der, long verdict, bint asked) noexcept
    cdef void open_client(self, object leaf, int fault) noexcept
    cdef void let_go(self) noexcept
    cdef void end(self, int fault) noexcept
