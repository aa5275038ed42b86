# A listening socket.

from limen.engine.accepted cimport Listener
from limen.engine.reactor cimport Handler
from limen.engine.worker cimport Worker


cdef class Acceptor(Handler):
    cdef Worker worker
    cdef Listener listener
    cdef bint pacing          # out of descriptors: waits for its timer

    cdef void accept(self, int most) noexcept
    # Accept everything that waits: before the socket is closed, which would reset what is left.
    cdef void accept_rest(self) noexcept
