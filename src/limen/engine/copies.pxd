# Copies of heads, trailers and content, owned by the exchange.

from limen.engine.keep cimport Keep
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Field, Head

# Make the parsed head (worker.head, worker.parsed, counting from `data`) our own; -1 without memory.
cdef int copy_head(ExchangeState exchange, const char* data) noexcept
# Copy the request's trailers: the content before them may still wait, or go out once more.
cdef int hold_trailers(ExchangeState exchange, const char* base, const Field* trailers, unsigned int count) noexcept
# Copy a response head, for as long as a hook has it.
cdef int hold_head(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept
# All content kept, as one object; OSError when the spool file cannot be read.
cdef bytes gather_content(ExchangeState exchange, Keep keep)
