# Whom an exchange goes to where more is asked than a balancer's choice: cookies, splits, the client's place.

from limen.engine.balance cimport Balancer
from limen.engine.places cimport Place
from limen.engine.state cimport ExchangeState
from limen.engine.upstream cimport Endpoint


cdef enum CookieMark:
    MARK_LOOKED = 1           # the sticky cookie was looked for
    MARK_SENT = 2             # and the client has sent one, perhaps a forged one
    MARK_OLD = 4              # signed with a key that is not the first
    MARK_LENT = 8             # its endpoint is only full: elsewhere this once
    MARK_SPLIT_SENT = 16      # the same of the cookie of a split
    MARK_SHARE_KEPT = 32      # the share is the one that the cookie names
    MARK_SHARE_TURN = 64      # it was the share's turn


# The endpoint for the next attempt, entered; None if there is none with room.
cdef Endpoint steer(ExchangeState exchange)
# Which balancer chooses for it: the upstream's, or the one for the client's place.
cdef Balancer balancer_of(ExchangeState exchange)
# exchange.own: the endpoint that the client's cookie names. Looked for once; only where upstream.cookie is there.
cdef void find_own(ExchangeState exchange) noexcept
# Of a route that is split: choose the share, once; its action becomes the exchange's.
cdef void take_share(ExchangeState exchange) noexcept
# What is known of the client's place, NULL without places. Looked up once per connection, or per address.
cdef const Place* place_of(ExchangeState exchange) noexcept
# The same for Python (places.Facts); None without places, or where nothing is known.
cdef tuple facts_of_place(ExchangeState exchange)
# Whether the request carries cookies that origins do not see.
cdef bint has_hidden(ExchangeState exchange) noexcept
# Cookie fields without those, and Set-Cookie fields that the client needs, behind `count` fields; -1 without room.
cdef int add_cookies(ExchangeState exchange, unsigned int* count) noexcept
cdef int add_set_cookies(ExchangeState exchange, unsigned int* count) noexcept
