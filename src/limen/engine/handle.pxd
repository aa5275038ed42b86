# The engine's side of limen.exchange.Handle: one exchange, as long as a hook has it.

from limen.engine.exchange cimport Exchange


cdef class ExchangeHandle:
    cdef Exchange exchange    # None once it has ended

    cdef Exchange live(self)
    cdef int parse_new_request(self, bytes raw) except -1
    cdef int parse_new_response(self, bytes raw) except -1
