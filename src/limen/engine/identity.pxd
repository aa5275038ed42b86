# Who clients are: identities, conditions on them, those known of late by what was shown for them, and those that hold
# for a connection.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.seal cimport Seal


cdef enum:
    KNOWN_WAYS = 4            # places among which a new one is laid


cdef class Identity:
    # Immutable, and one object for all that is equal; exchanges keep it as long as they live.
    cdef readonly str name
    cdef readonly tuple groups        # sorted, without repetition
    cdef readonly str provider        # name of the one that said so
    cdef readonly uint32_t number     # of the name, in this process: small, stable while the name is in use
    cdef bytes label          # the name in UTF-8, for logs and limits
    cdef readonly tuple wishes        # labels that its way out must have, as (label, value)
    cdef readonly bytes session       # requests of one go out by one way; empty: none
    cdef bytes owner          # whose connections are whose: the label, and the session
    cdef tuple choice         # what ways are narrowed by: wishes, whether there is a session; None: nothing
    cdef readonly object proof        # Python's: what it rests on, for asking again whether it holds; None: unknown
    cdef object __weakref__


cdef class IdentityMatch:
    # A condition of a rule or route.
    cdef readonly frozenset names     # None: no condition
    cdef readonly frozenset groups    # likewise
    cdef bint anybody         # whoever is identified

    # `identity` is an Identity, borrowed; NULL for nobody, who meets no condition.
    cdef bint holds(self, void* identity) noexcept


cdef struct Known:
    Seal seal
    uint64_t expires          # monotonic ns; 0: empty
    void* identity            # an Identity, owned


cdef class IdentityCache:
    # Of a worker. Finding allocates nothing; a full row forgets who expires first.
    cdef Known* rows          # owned
    cdef size_t mask          # rows of KNOWN_WAYS places, less one
    cdef uint64_t key[2]      # secret, new with every process

    cdef Identity find(self, const Seal* seal, uint64_t now)
    cdef void keep(self, const Seal* seal, Identity identity, uint64_t expires) noexcept


cdef class Bond:
    # Of a connection: who all its requests are for that show nothing else. Credentials that are good for once need it.
    cdef Identity identity
    cdef object binder        # Python's: who vouches for it
    cdef uint64_t expires     # monotonic ns
