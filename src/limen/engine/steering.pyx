# A client that has a cookie keeps its endpoint:
#
#   no cookie, or a forged one ------> chosen by the balancer, cookie set
#   its endpoint is gone or out -----> chosen anew, cookie set
#   its endpoint drains -------------> it stays there
#   its endpoint is full ------------> elsewhere this once, the cookie stays
#
# The same without health for shares of a split. Retries never leave the share that was chosen.

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcmp

from limen.engine.accepted cimport Accepted
from limen.engine.affinity cimport Piece, exchange_key, find_cookie, key_of
from limen.engine.balance cimport POLICY_HASH, Balancer
from limen.engine.cookies cimport Cookie, without_pair
from limen.engine.places cimport Place, Places
from limen.engine.service cimport Action
from limen.engine.split cimport SPLIT_EACH, Split
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutField
from limen.engine.types cimport FIELD_COOKIE, FIELD_NAMED, Field
from limen.engine.upstream cimport Endpoint, Upstream
from limen.engine.worker cimport OUT_FIELDS


# Keys of splits differ from those of hash: a share must not be a corner of every table.
cdef uint64_t SPLIT_SEED = 0x73706C6974


cdef Endpoint steer(ExchangeState exchange):
    cdef Upstream upstream = exchange.upstream
    cdef Balancer balancer
    cdef uint64_t key = 0
    cdef Endpoint endpoint
    if upstream.cookie is not None:
        endpoint = kept_endpoint(exchange)
        if endpoint is not None:
            return endpoint
    balancer = balancer_of(exchange)
    if balancer.policy == POLICY_HASH:
        key = exchange_key(exchange)
    return upstream.claim(balancer, exchange.worker.now, exchange.avoid, key)


cdef Balancer balancer_of(ExchangeState exchange):
    cdef Upstream upstream = exchange.upstream
    if upstream.nearest is None:
        return upstream.balancer
    return upstream.nearest.balancer(exchange.worker.places, place_number(exchange), upstream.balancer)


cdef void find_own(ExchangeState exchange) noexcept:
    cdef Upstream upstream = exchange.upstream
    cdef bint first = False
    cdef Piece piece
    cdef int number
    if exchange.marks & MARK_LOOKED:
        return
    exchange.marks |= MARK_LOOKED
    if find_cookie(exchange, upstream.cookie.name, &piece):
        exchange.marks |= MARK_SENT
        number = upstream.cookie.find(piece.data, piece.size, &first)
        if number >= 0:
            exchange.own = <Endpoint>upstream.members[number]
        if not first:
            exchange.marks |= MARK_OLD


cdef Endpoint kept_endpoint(ExchangeState exchange):
    """The one that the client's cookie names, entered."""
    cdef Upstream upstream = exchange.upstream
    cdef int number
    if exchange.is_opaque or exchange.base == NULL:
        return None
    find_own(exchange)
    exchange.marks &= ~<unsigned int>MARK_LENT
    if exchange.own is None or exchange.own is exchange.avoid:
        return None
    # while it waited the upstream may have got other endpoints
    number = <int>upstream.places.get(exchange.own, -1)
    if number < 0 or not upstream.balancer.may_keep(exchange.worker.now, number):
        return None
    if upstream.claim_member(exchange.own, upstream.balancer.seats[number].most):
        return exchange.own
    exchange.marks |= MARK_LENT
    return None


cdef void take_share(ExchangeState exchange) noexcept:
    cdef Split split = exchange.action.split
    cdef Piece piece
    cdef bint first = False
    cdef uint64_t key = 0
    cdef int32_t share = -1
    if split.cookie is not None and find_cookie(exchange, split.cookie.name, &piece):
        exchange.marks |= MARK_SPLIT_SENT
        share = split.cookie.find(piece.data, piece.size, &first)
        if share >= 0:
            exchange.marks |= MARK_SHARE_KEPT
    exchange.split = split
    exchange.told = share if first else -1
    if share < 0:
        if split.by != SPLIT_EACH and key_of(exchange, split.by, split.name, SPLIT_SEED, &key):
            share = split.of_key(key)
        else:
            share = split.next_turn()
            exchange.marks |= MARK_SHARE_TURN
    exchange.share = share
    exchange.action = <Action>split.shares[share]


# places ------------------------------------------------------------------------------------------------

cdef uint32_t place_number(ExchangeState exchange) noexcept:
    cdef Places places = exchange.worker.places
    cdef Accepted connection
    cdef uint32_t found
    if places is None:
        return 0
    if not isinstance(exchange.client, Accepted) or memcmp(exchange.peer.ip, exchange.sender.ip, 16) != 0:
        # a proxy stands for many clients
        return places.find(&exchange.peer)
    connection = <Accepted>exchange.client
    if connection.place_epoch != places.epoch:
        found = places.find(&exchange.sender)
        connection.place = found
        connection.place_epoch = places.epoch
    return connection.place


cdef const Place* place_of(ExchangeState exchange) noexcept:
    cdef uint32_t number
    if exchange.worker.places is None:
        return NULL
    number = place_number(exchange)
    return &exchange.worker.places.rows[number]


cdef tuple facts_of_place(ExchangeState exchange):
    if exchange.worker.places is None:
        return None
    return exchange.worker.places.facts[place_number(exchange)]


# cookies -----------------------------------------------------------------------------------------------

cdef bint has_hidden(ExchangeState exchange) noexcept:
    return (
        exchange.marks & MARK_SENT and exchange.upstream is not None and exchange.upstream.cookie is not None
        and exchange.upstream.cookie.hidden
    ) or (exchange.marks & MARK_SPLIT_SENT and exchange.split.cookie.hidden)


cdef int add(ExchangeState exchange, unsigned int* count, const char* name, uint32_t length,
             const char* value, size_t size) noexcept:
    cdef OutField* field = &exchange.worker.out[count[0]]
    if count[0] >= OUT_FIELDS - 1:
        return -1
    field.name = name
    field.name_length = length
    field.value = value
    field.value_length = <uint32_t>size
    count[0] += 1
    return 0


cdef int add_cookies(ExchangeState exchange, unsigned int* count) noexcept:
    cdef const Field* field
    cdef char* value
    cdef size_t size
    cdef uint32_t i
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id != FIELD_COOKIE or field.flags & FIELD_NAMED:
            continue
        value = exchange.worker.value(field.value_length + 1)
        if value == NULL:
            return -1
        size = field.value_length
        if exchange.marks & MARK_SENT and exchange.upstream.cookie.hidden:
            size = without_pair(exchange.base + field.value, size, exchange.upstream.cookie.name, value)
            if exchange.marks & MARK_SPLIT_SENT and exchange.split.cookie.hidden:
                size = without_pair(value, size, exchange.split.cookie.name, value)
        else:
            size = without_pair(exchange.base + field.value, size, exchange.split.cookie.name, value)
        if size and add(exchange, count, exchange.base + field.name, field.name_length, value, size) < 0:
            return -1
    return 0


cdef int add_set_cookie(ExchangeState exchange, unsigned int* count, Cookie cookie, int number) noexcept:
    # the cookie keeps the text
    cdef bytes value = cookie.value(number, exchange.service.tls is not None)
    return add(exchange, count, b"Set-Cookie", 10, <const char*>value, <size_t>len(value))


cdef int add_set_cookies(ExchangeState exchange, unsigned int* count) noexcept:
    cdef object number
    if exchange.marks & MARK_LOOKED and exchange.upstream is not None and exchange.upstream.cookie is not None:
        number = exchange.upstream.places.get(exchange.endpoint)
        if number is not None and not exchange.marks & MARK_LENT and (
            exchange.endpoint is not exchange.own or exchange.marks & MARK_OLD
        ):
            if add_set_cookie(exchange, count, exchange.upstream.cookie, <int>number) < 0:
                return -1
    if exchange.split is not None and exchange.split.cookie is not None and exchange.told != exchange.share:
        return add_set_cookie(exchange, count, exchange.split.cookie, exchange.share)
    return 0
