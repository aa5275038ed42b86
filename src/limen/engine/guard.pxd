# What stands before a route: who may come, whether it is open, how often and how much at a time. Data only;
# admission.pyx asks it.

from libc.stdint cimport int64_t, uint64_t

from limen.engine.addresses cimport AddressSet


cdef enum LimitBy:
    # What has a share of its own.
    LIMIT_BY_ROUTE = 0
    LIMIT_BY_CLIENT = 1           # address, behind trusted proxies; of IPv6 the network
    LIMIT_BY_HOST = 2
    LIMIT_BY_FIELD = 3            # without it: the client
    LIMIT_BY_COOKIE = 4           # likewise
    LIMIT_BY_IDENTITY = 5         # likewise


cdef class Limit:
    cdef readonly str name
    cdef bytes label              # in the log and in answers
    cdef uint64_t identity        # what its cells are known by over reloads
    cdef unsigned int slot        # of its counts
    cdef int by
    cdef bytes key_name           # of a field, in lower case, or a cookie
    cdef int prefix               # bits of an IPv6 address that count
    cdef int64_t interval         # ns per request; 0: a concurrency limit
    cdef int64_t burst            # ns that may be used at a time
    cdef int64_t most             # in flight
    cdef int64_t speed            # bytes per second and way; 0: no bandwidth limit. `burst` is in bytes then
    cdef int64_t grant            # bytes that are taken of it at a time
    cdef int64_t quota            # bytes, or requests, of a period; 0: none
    cdef bint of_requests
    cdef int period               # quotas.Period
    cdef uint64_t life            # ns that a tunnel may last; 0: no bound of that kind
    cdef int64_t warns[4]         # thresholds, in bytes or requests, ascending; 0: none
    cdef bint dry_run
    cdef bint tells               # RateLimit fields on answers that were let through
    cdef bytes shown              # name in RateLimit fields
    cdef bytes policy             # RateLimit-Policy member


cdef class Guard:
    cdef readonly AddressSet allow        # None: all
    cdef readonly AddressSet deny         # None: none
    cdef bint closed              # maintenance
    cdef readonly AddressSet spared       # who comes in all the same; None: nobody
    cdef bytes retry_after        # of maintenance; empty: not told
    cdef readonly list limits     # of Limit
    cdef int limit_count
    cdef bint metered             # some limit is of bandwidth or a quota
    cdef uint64_t life            # ns that a tunnel may last; 0: nothing is said
    cdef readonly bint asks_identity       # some limit does: they are asked once that is known
    cdef bint tells               # some limit does
    cdef bytes policy             # RateLimit-Policy of those that tell
