# What keeps exchanges together: the key that the policy hash goes by.

from libc.stdint cimport uint64_t

from limen.engine.state cimport ExchangeState


cdef enum KeyBy:
    KEY_CLIENT = 0            # address, behind trusted proxies
    KEY_HOST = 1
    KEY_PATH = 2              # normalised, without the query
    KEY_FIELD = 3
    KEY_COOKIE = 4
    KEY_QUERY = 5             # one parameter, or all of the query


cdef struct Piece:
    const char* data
    size_t size


# The value of the client's cookie of this name, if it has sent one.
cdef bint find_cookie(ExchangeState exchange, bytes name, Piece* out) noexcept
# A key by any of these (`name` in lower case for fields); False if the exchange lacks it. Another `seed`, another key.
cdef bint key_of(ExchangeState exchange, int by, bytes name, uint64_t seed, uint64_t* key) noexcept
# The value of a field (KEY_FIELD, `name` in lower case) or a cookie (KEY_COOKIE) of the request.
cdef bint in_fields(ExchangeState exchange, int by, bytes name, Piece* out) noexcept
# The key of an exchange with an upstream; of one that lacks what is asked for, another each time.
cdef uint64_t exchange_key(ExchangeState exchange) noexcept
