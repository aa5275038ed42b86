# A name is made on the stack, concealed as the logs would have it, and counted: nothing here allocates.

cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset

from limen.engine.addresses cimport format_ip
from limen.engine.conceal cimport CONCEAL_ROOM, REVEAL_FULL, REVEAL_PART, conceal, conceals, lay_concealment
from limen.engine.journal cimport LogRecord, lay_text
from limen.engine.replies cimport fault_status
from limen.engine.sys cimport realtime
from limen.engine.types cimport Address


cdef enum:
    NAME_ROOM = 512               # a kind and the longest name of an identity that counts in full, or of a host


cdef size_t put_address(char* out, Address* client, bint cut) noexcept nogil:
    """Of IPv6 the network that one customer mostly has, unless it was `cut` to a larger one."""
    cdef int size
    if client.family == 6 and not cut:
        memset(&client.ip[8], 0, 8)
    size = format_ip(client, out)
    if size <= 0:
        memcpy(out, b"unix", 4)
        return 4
    if client.family == 6:
        memcpy(out + size, b"/48" if cut else b"/64", 3)
        size += 3
    return <size_t>size


@cython.final
cdef class Talkers:
    """Counts of clients and targets; `concealment` as for a Journal, `capacity` as for a Summary."""

    def __init__(self, concealment=None, int capacity=1024):
        self.clients = Summary(capacity)
        self.targets = Summary(capacity)
        if concealment is not None:
            lay_concealment(&self.how, concealment)

    cdef void count(self, ExchangeState exchange, uint64_t total, bint ended) noexcept:
        cdef LogRecord record
        cdef char room[CONCEAL_ROOM]
        cdef char name[NAME_ROOM]
        cdef int status = fault_status(exchange.fault) if ended and exchange.fault else 0
        cdef bint refused = status == 401 or status == 403 or status == 407 or status == 429
        # (a tunnel begins to count anew: what came before it is told of at its end)
        cdef uint64_t more = total - exchange.counted if total > exchange.counted else 0
        cdef size_t size = 1
        if not ended and more == 0:
            return
        exchange.counted += more
        memset(&record, 0, sizeof(record))
        record.client = exchange.peer
        record.host.text = exchange.host.name
        record.host.length = <uint32_t>exchange.host.name_length
        if exchange.identity is not None:
            lay_text(&record.user, exchange.identity.label)
        if conceals(&self.how):
            record.started = <int64_t>realtime()
            conceal(&self.how, &record, room)
        if record.user.length:
            name[0] = b"u"
            size += min(<size_t>record.user.length, <size_t>(NAME_ROOM - 1))
            memcpy(name + 1, record.user.text, size - 1)
        elif record.alias.length:
            name[0] = b"a"
            size += record.alias.length
            memcpy(name + 1, record.alias.text, size - 1)
        else:
            name[0] = b"a"
            size += put_address(name + 1, &record.client, self.how.clients == REVEAL_PART)
        self.clients.add(name, size, more, ended, refused)
        if record.host.length == 0 and self.how.targets == REVEAL_FULL and exchange.action is not None:
            lay_text(&record.host, exchange.action.label)
        if record.host.length:
            self.targets.add(record.host.text, record.host.length, more, ended, refused)
