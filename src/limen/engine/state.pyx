# The destructor is all there is to do here: it frees what the exchange owns.

cimport cython
from libc.stdlib cimport free


@cython.no_gc
cdef class ExchangeState(Party):
    def __dealloc__(self):
        free(self.block)
        free(self.normal)
        free(self.response_block)
        free(self.trailer_block)
