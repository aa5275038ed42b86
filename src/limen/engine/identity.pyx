# Finding is for every request, the rest for those whose credentials are not known: Python has verified them before.

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from limen.engine.seal cimport Seal, limen_seal

import itertools
import os
import weakref

# Names whose number is remembered; of the others a number is never used again.
NUMBERS_KEPT = 65536
_numbers = {}
_next_number = itertools.count(1)
_interned = weakref.WeakValueDictionary()


cdef uint32_t number_of(str name) except? 0:
    cdef object number = _numbers.pop(name, None)
    if number is None:
        number = next(_next_number) & 0xFFFFFFFF
    # at the end: used last
    _numbers[name] = number
    if len(_numbers) > NUMBERS_KEPT:
        del _numbers[next(iter(_numbers))]
    return number


@cython.final
cdef class Identity:
    """Who a client is. Equal ones are one object: ask for it with `identity_of`."""

    def __init__(self, str name not None, groups=(), str provider="", wishes=(), str session="", proof=None):
        if not name:
            raise ValueError("an identity has a name")
        self.name = name
        self.groups = tuple(sorted(set(groups)))
        if not all(isinstance(group, str) for group in self.groups):
            raise TypeError("groups have names")
        self.provider = provider
        self.label = name.encode("utf-8", "replace")
        self.number = number_of(name)
        self.wishes = tuple(wishes)
        self.session = session.encode("ascii")
        self.owner = self.label + b"\0" + self.session if session else self.label
        self.choice = (self.wishes, bool(session)) if wishes or session else None
        self.proof = proof

    def __repr__(self) -> str:
        return f"<Identity {self.name!r} groups={self.groups!r} provider={self.provider!r} number={self.number}>"


def identity_of(str name not None, groups=(), str provider="", *, wishes=(), str session="", proof=None) -> Identity:
    """The one of this name, these groups, this provider, what is asked of the way out, and what it rests on."""
    key = (name, tuple(sorted(set(groups))), provider, tuple(wishes), session, proof)
    found = _interned.get(key)
    if found is None:
        found = _interned[key] = Identity(*key)
    return found


@cython.final
cdef class IdentityMatch:
    """A condition on who a client is: of each kind that is given one name must fit. `*` is everybody who is known."""

    def __init__(self, names=None, groups=None):
        self.names = frozenset(names) if names else None
        self.groups = frozenset(groups) if groups else None
        self.anybody = self.names is None or "*" in self.names

    cdef bint holds(self, void* identity) noexcept:
        cdef Identity known
        cdef object group
        if identity == NULL:
            return False
        known = <Identity>identity
        if not self.anybody and known.name not in self.names:
            return False
        if self.groups is None:
            return True
        for group in known.groups:
            if group in self.groups:
                return True
        return False

    def fits(self, Identity identity) -> bool:
        """Whether this identity (None: nobody) meets the condition."""
        return self.holds(<void*>identity if identity is not None else NULL)

    def __repr__(self) -> str:
        return f"<IdentityMatch names={self.names!r} groups={self.groups!r}>"


@cython.final
cdef class Bond:
    """An identity that holds for a connection."""

    def __repr__(self) -> str:
        return f"<Bond {self.identity!r}>"


@cython.final
cdef class IdentityCache:
    """Identities by the seal of what was shown for them; at most `size` (a power of two, 4 or more)."""

    def __cinit__(self, size_t size=4096):
        if size < KNOWN_WAYS or size & (size - 1):
            raise ValueError("the size is a power of two, 4 or more")
        self.rows = <Known*>calloc(size, sizeof(Known))
        if self.rows == NULL:
            raise MemoryError
        self.mask = size // KNOWN_WAYS - 1
        self.key[0] = int.from_bytes(os.urandom(8), "little")
        self.key[1] = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        if self.rows != NULL:
            self.clear()
        free(self.rows)

    cdef Identity find(self, const Seal* seal, uint64_t now):
        cdef Known* row = self.rows + (<size_t>seal.low & self.mask) * KNOWN_WAYS
        cdef int i
        for i in range(KNOWN_WAYS):
            if row[i].seal.low == seal.low and row[i].seal.high == seal.high and row[i].expires > now:
                return <Identity>row[i].identity
        return None

    cdef void keep(self, const Seal* seal, Identity identity, uint64_t expires) noexcept:
        cdef Known* row = self.rows + (<size_t>seal.low & self.mask) * KNOWN_WAYS
        cdef Known* place = row
        cdef void* before
        cdef int i
        for i in range(KNOWN_WAYS):
            if row[i].seal.low == seal.low and row[i].seal.high == seal.high:
                place = &row[i]
                break
            if row[i].expires < place.expires:
                place = &row[i]
        before = place.identity
        Py_INCREF(identity)
        place.seal = seal[0]
        place.expires = expires
        place.identity = <void*>identity
        if before != NULL:
            Py_DECREF(<object>before)

    def clear(self) -> None:
        """Forget everybody: what was known is asked anew."""
        cdef size_t i
        cdef void* before
        for i in range((self.mask + 1) * KNOWN_WAYS):
            before = self.rows[i].identity
            self.rows[i].identity = NULL
            self.rows[i].expires = 0
            self.rows[i].seal.low = self.rows[i].seal.high = 0
            if before != NULL:
                Py_DECREF(<object>before)

    def __len__(self) -> int:
        """How many it holds, expired ones included."""
        cdef size_t i
        count = 0
        for i in range((self.mask + 1) * KNOWN_WAYS):
            count += self.rows[i].identity != NULL
        return count


def seal_of(bytes key not None, bytes message not None) -> bytes:
    """SipHash-2-4-128 of a message under a key of 16 bytes."""
    cdef uint64_t words[2]
    cdef uint64_t out[2]
    if len(key) != 16:
        raise ValueError("the key has 16 bytes")
    words[0] = int.from_bytes(key[:8], "little")
    words[1] = int.from_bytes(key[8:], "little")
    limen_seal(words, NULL, 0, <const char*>message, <size_t>len(message), out)
    return out[0].to_bytes(8, "little") + out[1].to_bytes(8, "little")
