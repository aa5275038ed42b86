# The client hello's parser, what is chosen by it, and what the kernel is told, for the tests.

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcpy, memset

from limen.engine.tls.hello cimport HELLO_MOST, Hello
from limen.engine.tls.hello cimport read_hello as read
from limen.engine.tls.ja4 cimport JA4_SIZE, write_ja4
from limen.engine.tls.kernel cimport Outgoing, count_records, expand, note_secret
from limen.engine.tls.passes cimport PassTable


def read_hello(bytes data not None):
    """(server name, protocols, size of the message), None while more has to come; ValueError for no hello."""
    cdef Hello hello
    cdef bytes message
    cdef char* copy = <char*>PyMem_Malloc(max(len(data), 1))
    cdef char* scratch = <char*>PyMem_Malloc(HELLO_MOST)
    cdef int result
    if copy == NULL or scratch == NULL:
        PyMem_Free(copy)
        PyMem_Free(scratch)
        raise MemoryError
    try:
        # exactly as large as what is there, so that a sanitizer sees every step beyond
        for i in range(len(data)):
            copy[i] = data[i]
        result = read(copy, <size_t>len(data), scratch, &hello)
        if result == 0:
            return None
        if result < 0:
            raise ValueError("no client hello")
        message = hello.message[:hello.size]
    finally:
        PyMem_Free(copy)
        PyMem_Free(scratch)
    protocols = []
    at, end = hello.alpn, hello.alpn + hello.alpn_length
    while at < end:
        protocols.append(message[at + 1:at + 1 + message[at]])
        at += 1 + message[at]
    return message[hello.name:hello.name + hello.name_length], protocols, len(message)


def find(PassTable table not None, bytes data not None):
    """The number of the route that a whole hello takes, or -1."""
    cdef Hello hello
    cdef char* scratch = <char*>PyMem_Malloc(HELLO_MOST)
    if scratch == NULL:
        raise MemoryError
    try:
        if read(data, <size_t>len(data), scratch, &hello) != 1:
            raise ValueError("no client hello")
        return table.find(&hello, fingerprint(data) if table.asks_ja4 else None)
    finally:
        PyMem_Free(scratch)


def find_host(PassTable table not None, bytes name not None):
    """The number of the route that takes every hello naming this host, or -1."""
    return table.find_host(name, <size_t>len(name))


def fingerprint(bytes data not None):
    """JA4 of a whole hello."""
    cdef Hello hello
    cdef char out[JA4_SIZE]
    cdef char* scratch = <char*>PyMem_Malloc(HELLO_MOST)
    if scratch == NULL:
        raise MemoryError
    try:
        if read(data, <size_t>len(data), scratch, &hello) != 1:
            raise ValueError("no client hello")
        if write_ja4(&hello, out) < 0:
            raise MemoryError
        return out[:JA4_SIZE]
    finally:
        PyMem_Free(scratch)


def outgoing(bytes line not None, pieces):
    """(secret, records, bytes of a record still to come) after a line of the key log and sealed bytes in pieces."""
    cdef Outgoing state
    cdef bytes piece
    memset(&state, 0, sizeof(state))
    note_secret(&state, line)
    for piece in pieces:
        count_records(&state, piece, <size_t>len(piece))
    return (<char*>state.secret)[:state.secret_size], state.records, state.left


def expand_secret(bytes secret not None, bytes label not None, int size):
    """HKDF-Expand-Label of a traffic secret."""
    cdef Outgoing state
    cdef unsigned char out[64]
    if len(secret) not in (32, 48) or not 0 < size <= 64:
        raise ValueError("a secret of 32 or 48 bytes, and 64 at most of it")
    memcpy(state.secret, <const char*>secret, <size_t>len(secret))
    state.secret_size = <unsigned char>len(secret)
    if not expand(&state, label, out, <size_t>size):
        raise MemoryError
    return (<char*>out)[:size]
