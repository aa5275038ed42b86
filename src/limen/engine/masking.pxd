# What an origin tells of itself in Location and Set-Cookie, as clients are to see it.

from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Field


# Add a Location or Set-Cookie field of a response to worker.out, rewritten. 1: done, 0: it stays as it is, -1: no room.
cdef int add_masked(ExchangeState exchange, unsigned int* count, const Field* field, const char* base) noexcept
