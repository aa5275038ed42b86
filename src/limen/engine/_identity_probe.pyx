# For tests and benchmarks only, left out of wheels: the cache of identities and what a look costs.

from libc.stdint cimport uint64_t

from limen.engine.identity cimport Identity, IdentityCache
from limen.engine.seal cimport Seal, limen_seal
from limen.engine.sys cimport monotonic


cdef Seal sealed(IdentityCache cache, bytes shown) noexcept:
    cdef Seal seal
    limen_seal(cache.key, NULL, 0, <const char*>shown, <size_t>len(shown), &seal.low)
    return seal


def keep(IdentityCache cache not None, bytes shown not None, Identity identity not None, uint64_t expires):
    cdef Seal seal = sealed(cache, shown)
    cache.keep(&seal, identity, expires)


def find(IdentityCache cache not None, bytes shown not None, uint64_t now):
    cdef Seal seal = sealed(cache, shown)
    return cache.find(&seal, now)


def bench_find(IdentityCache cache not None, bytes shown not None, int loops):
    """Seconds of sealing what was shown and finding it."""
    cdef Seal seal
    cdef Identity found
    cdef int _i
    cdef const char* text = shown
    cdef size_t size = <size_t>len(shown)
    cdef uint64_t start = monotonic()
    for _i in range(loops):
        limen_seal(cache.key, NULL, 0, text, size, &seal.low)
        found = cache.find(&seal, 1)
        if found is None:
            raise LookupError
    return (monotonic() - start) / 1e9 / loops
