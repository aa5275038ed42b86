# A handshake costs as much as hundreds of forwarded requests. In a storm of them each turn of the
# reactor does a few and goes back to the connections that stand. (The reactor is the connections': a
# reference of our own would keep it and us alive.)

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF

from limen.engine.connection cimport Connection
from limen.engine.reactor cimport Handler, Reactor


cdef enum:
    SHAKES_PER_TURN = 4


@cython.final
@cython.no_gc
cdef class Shakes(Handler):
    cdef void enter(self, Connection connection) noexcept:
        if connection.shake_queued or connection.closed:
            return
        connection.shake_queued = True
        connection.shake_next = NULL
        Py_INCREF(connection)
        if self.tail != NULL:
            (<Connection>self.tail).shake_next = <void*>connection
        else:
            self.head = <void*>connection
        self.tail = <void*>connection
        connection.reactor.defer(self)

    cdef void on_turn(self) noexcept:
        cdef Connection connection
        cdef Reactor reactor = None
        cdef int done = 0
        while self.head != NULL and done < SHAKES_PER_TURN:
            connection = <Connection>self.head
            self.head = connection.shake_next
            if self.head == NULL:
                self.tail = NULL
            connection.shake_queued = False
            reactor = connection.reactor
            if not connection.closed:
                connection.on_shake()
                reactor.flush()
                done += 1
            Py_DECREF(connection)
        if self.head != NULL:
            reactor.defer(self)

    def __dealloc__(self):
        cdef Connection connection
        while self.head != NULL:
            connection = <Connection>self.head
            self.head = connection.shake_next
            Py_DECREF(connection)
