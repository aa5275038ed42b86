# Python says where an address is (limen.runtime.locating), at most once while it stays in the cache; everything after
# that is numbers.

import os

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from limen.engine.addresses cimport AddressSet, parse_ip
from limen.engine.keys cimport hash_bytes
from limen.engine.types cimport Address


# What is known of a place: country, continent, number of the autonomous system, region, zone, latitude, longitude.
Facts = tuple[str, str, int, str, str, float | None, float | None]
CONTINENTS: tuple[str, ...] = ("AF", "AN", "AS", "EU", "NA", "OC", "SA")
# Numbers of regions are given once and for all: tables of different revisions agree on them.
cdef dict region_numbers = {}
cdef list region_names = [b""]
cdef uint32_t epochs = 0


cdef uint16_t region_number(str name) except? 0xffff:
    """0 for none."""
    if not name:
        return 0
    number = region_numbers.get(name)
    if number is None:
        number = len(region_names)
        region_names.append(name.encode())
        region_numbers[name] = number
    return <uint16_t>number


cdef bytes region_name(uint16_t number):
    return <bytes>region_names[number]


cdef int put_country(char* out, const Place* place) noexcept:
    if place.country == 0:
        return 0
    out[0] = <char>(65 + (place.country - 1) // 26)
    out[1] = <char>(65 + (place.country - 1) % 26)
    return 2


cdef int put_continent(char* out, const Place* place) noexcept:
    cdef const char* codes = b"AFANASEUNAOCSA"
    if place.continent == 0:
        return 0
    out[0] = codes[2 * (place.continent - 1)]
    out[1] = codes[2 * (place.continent - 1) + 1]
    return 2


cdef uint16_t country_number(str code) noexcept:
    """0 for what is no code of two letters."""
    cdef int first
    cdef int second
    if len(code) != 2:
        return 0
    first = <int>ord(code[0]) - 65
    second = <int>ord(code[1]) - 65
    if not (0 <= first < 26 and 0 <= second < 26):
        return 0
    return <uint16_t>(1 + 26 * first + second)


cdef uint8_t continent_number(str code) noexcept:
    return <uint8_t>(CONTINENTS.index(code) + 1) if code in CONTINENTS else 0


@cython.final
cdef class Places:
    """Where clients are: `networks` are lists of CIDR strings, tried in order; `locate(address, network)` says what is
    known of an address (16 bytes, IPv4 mapped) in that network (-1: in none), as a tuple of country, continent, AS
    number, region, and anything else that tells places apart. It must not raise."""

    def __cinit__(self, list networks not None, object locate):
        self.locate = locate
        self.networks = [AddressSet(prefixes) for prefixes in networks]
        self.cache = <Known*>calloc(CACHE_SIZE, sizeof(Known))
        self.room = 64
        self.rows = <Place*>calloc(self.room, sizeof(Place))
        if self.cache == NULL or self.rows == NULL:
            raise MemoryError
        # secret: who picks addresses must not be able to have them push each other out
        self.seed = int.from_bytes(os.urandom(8), "little")
        self.forget()

    def __dealloc__(self):
        free(self.cache)
        free(self.rows)

    def __repr__(self) -> str:
        return f"<Places epoch={self.epoch} known={self.count - 1} asked={self.asked}>"

    cdef int forget(self) except -1:
        """Begin anew: places get other numbers from now on."""
        global epochs
        epochs += 1
        self.epoch = epochs
        memset(self.cache, 0, CACHE_SIZE * sizeof(Known))
        self.numbers = {}
        self.facts = [None]
        self.count = 1
        return 0

    cdef uint32_t find(self, const Address* client) noexcept:
        cdef Known* entry
        if client.family == 1:
            return 0
        entry = &self.cache[hash_bytes(self.seed, <const char*>client.ip, 16) & (CACHE_SIZE - 1)]
        if entry.place and memcmp(entry.ip, client.ip, 16) == 0:
            return entry.place - 1
        return self.ask(client, entry)

    cdef uint32_t ask(self, const Address* client, Known* entry) noexcept:
        cdef int network = -1
        cdef int i
        cdef uint32_t number
        self.asked += 1
        try:
            for i in range(<int>len(self.networks)):
                if (<AddressSet>self.networks[i]).contains(client.ip):
                    network = i
                    break
            number = self.number_of(self.locate((<const char*>client.ip)[:16], network))
        except Exception:
            # without memory, or told wrongly: nowhere, and asked again the next time
            return 0
        memcpy(entry.ip, client.ip, 16)
        entry.place = number + 1
        return number

    cdef uint32_t number_of(self, tuple facts) except? 0:
        cdef object known = self.numbers.get(facts)
        cdef Place* row
        cdef Place* rows
        cdef uint32_t number
        if known is not None:
            return <uint32_t>known
        if self.count == PLACES_MOST:
            self.forget()
        if self.count == self.room:
            rows = <Place*>realloc(self.rows, 2 * self.room * sizeof(Place))
            if rows == NULL:
                raise MemoryError
            self.rows = rows
            self.room *= 2
        number = self.count
        row = &self.rows[number]
        row.country = country_number(facts[0])
        row.continent = continent_number(facts[1])
        row.asn = <uint32_t>facts[2]
        row.region = region_number(facts[3])
        self.facts.append(facts)
        self.numbers[facts] = number
        self.count += 1
        return number

    def facts_of(self, str address not None):
        """The facts of an address, by the cache as for any client; None for nowhere. ValueError if it is none."""
        cdef Address client
        cdef bytes text = address.encode("ascii")
        if parse_ip(<const char*>text, <size_t>len(text), &client) != 0:
            raise ValueError(f"{address!r} is no address")
        return self.facts[self.find(&client)]


@cython.final
cdef class PlaceMatch:
    """A condition on a client's place: of each kind that is named one must fit. ValueError for what is no code."""

    def __cinit__(self, *, countries=(), continents=(), asns=(), regions=()):
        cdef uint16_t number
        cdef size_t i
        self.any_country = not countries
        self.any_continent = not continents
        for code in countries:
            number = country_number(code)
            if number == 0:
                raise ValueError(f"{code!r} is no country code")
            self.countries[number >> 3] |= <uint8_t>(1 << (number & 7))
        for code in continents:
            if code not in CONTINENTS:
                raise ValueError(f"{code!r} is no continent")
            self.continents |= <uint8_t>(1 << continent_number(code))
        ordered = sorted(set(asns))
        self.asn_count = <size_t>len(ordered)
        self.region_count = <size_t>len(regions)
        self.asns = <uint32_t*>malloc((self.asn_count + 1) * sizeof(uint32_t))
        self.regions = <uint16_t*>malloc((self.region_count + 1) * sizeof(uint16_t))
        if self.asns == NULL or self.regions == NULL:
            raise MemoryError
        for i in range(self.asn_count):
            self.asns[i] = <uint32_t>ordered[i]
        for i in range(self.region_count):
            self.regions[i] = region_number(regions[i])

    def fits(self, Places places not None, str address not None) -> bool:
        """Whether a client with this address fits. ValueError if it is none."""
        cdef Address client
        cdef bytes text = address.encode("ascii")
        if parse_ip(<const char*>text, <size_t>len(text), &client) != 0:
            raise ValueError(f"{address!r} is no address")
        return self.holds(&places.rows[places.find(&client)])

    def __dealloc__(self):
        free(self.asns)
        free(self.regions)

    cdef bint holds(self, const Place* place) noexcept:
        cdef size_t low = 0
        cdef size_t high = self.asn_count
        cdef size_t middle
        cdef size_t i
        if place == NULL:
            return False
        if not self.any_country and not self.countries[place.country >> 3] >> (place.country & 7) & 1:
            return False
        if not self.any_continent and not self.continents >> place.continent & 1:
            return False
        if self.asn_count:
            while low < high:
                middle = (low + high) // 2
                if self.asns[middle] < place.asn:
                    low = middle + 1
                else:
                    high = middle
            if low == self.asn_count or self.asns[low] != place.asn:
                return False
        if self.region_count:
            for i in range(self.region_count):
                if self.regions[i] == place.region:
                    return True
            return False
        return True
