# The one object that Python holds.

from limen.engine.accepted cimport Listener
from limen.engine.worker cimport Worker


cdef class Engine(Worker):
    cdef dict listeners       # key -> Listener
    cdef dict acceptors       # key -> list of Acceptors
    cdef list leaving         # Listeners that accept no more, while they have connections

    cdef int drain_listener(self, Listener listener) except -1
    cdef int close_connections(self, Listener listener) except -1
    cdef int enter(self) except -1
    cdef int stop_accepting(self, list acceptors) except -1
    cdef int settle_now(self) except -1
