# Where clients are. A place is a small number; what is known of it stands in one row, looked up once per address.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.addresses cimport AddressSet
from limen.engine.types cimport Address


cdef enum:
    PLACES_MOST = 65536       # distinct places known at a time; with more all are learnt anew
    CACHE_SIZE = 16384        # addresses whose place is kept, a power of two
    COUNTRY_BYTES = 88        # a bit for each pair of letters


cdef struct Place:
    uint32_t asn              # 0: unknown, and so everywhere here
    uint16_t country          # 1 + 26 * first letter + second letter
    uint16_t region           # number of the name, the same in all revisions of a worker
    uint8_t continent         # 1 to 7


cdef struct Known:
    uint8_t ip[16]
    uint32_t place            # counted from 1; 0: this entry is free


cdef class Places:
    cdef readonly uint32_t epoch      # numbers of places belong to it: others are told by another epoch
    cdef object locate        # callable(address: 16 bytes, network: int) -> facts, a hashable tuple
    cdef list networks        # AddressSets, the first that holds an address is its network
    cdef Place* rows          # owned, by number; 0 is nowhere
    cdef uint32_t room
    cdef uint32_t count
    cdef dict numbers         # facts -> number
    cdef readonly list facts  # by number
    cdef Known* cache         # owned
    cdef uint64_t seed
    cdef readonly unsigned long asked # look-ups that the cache did not know

    # Number of the place of a client; 0: nowhere.
    cdef uint32_t find(self, const Address* client) noexcept
    cdef uint32_t ask(self, const Address* client, Known* entry) noexcept
    cdef uint32_t number_of(self, tuple facts) except? 0
    cdef int forget(self) except -1


# Name of a region by its number, b"" for 0; the text lives as long as the process.
cdef bytes region_name(uint16_t number)
# Two letters for each; 0 where they are not known.
cdef int put_country(char* out, const Place* place) noexcept
cdef int put_continent(char* out, const Place* place) noexcept


cdef class PlaceMatch:
    # A condition on the client's place.
    cdef uint8_t countries[88]
    cdef uint8_t continents
    cdef uint32_t* asns       # owned, ascending
    cdef size_t asn_count
    cdef uint16_t* regions    # owned
    cdef size_t region_count
    cdef bint any_country
    cdef bint any_continent

    # Every kind that the condition names must fit; NULL, and what is unknown, fits none.
    cdef bint holds(self, const Place* place) noexcept
