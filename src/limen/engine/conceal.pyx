# A pseudonym is SipHash-2-4 of a kind and a value, under a key that is SipHash of the period's number.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from limen.engine.addresses cimport format_ip
from limen.engine.journal cimport LogText
from limen.engine.seal cimport limen_seal


cdef inline void clear(LogText* text) noexcept nogil:
    text.text = NULL
    text.length = 0


cdef void turn(Concealment* how, uint64_t now) noexcept nogil:
    """The key of the period that `now` (ns of the epoch) is in."""
    cdef uint64_t number = (now // how.span if how.span else 0) + 1
    if number != how.number:
        how.number = number
        limen_seal(how.key, &number, 1, NULL, 0, how.current)


cdef char* put_pseudonym(Concealment* how, uint64_t kind, const char* data, size_t size, char* out) noexcept nogil:
    cdef uint64_t seal[2]
    cdef int i
    cdef uint8_t digit
    limen_seal(how.current, &kind, 1, data, size, seal)
    out[0] = b"~"
    for i in range(16):
        digit = (seal[0] >> (60 - 4 * i)) & 15
        out[1 + i] = <char>(48 + digit if digit < 10 else 87 + digit)
    return out + PSEUDONYM_SIZE


cdef char* replace(Concealment* how, uint8_t reveal, uint64_t kind, LogText* text, char* room) noexcept nogil:
    """A text by what may be seen of it; where there is still room."""
    if text.length == 0 or reveal < REVEAL_PSEUDONYM:
        return room
    if reveal == REVEAL_NONE:
        clear(text)
        return room
    put_pseudonym(how, kind, text.text, text.length, room)
    text.text = room
    text.length = PSEUDONYM_SIZE
    return room + PSEUDONYM_SIZE


cdef char* replace_client(Concealment* how, LogRecord* record, char* room) noexcept nogil:
    cdef char ip[64]
    cdef int size
    record.client.port = 0
    if how.clients == REVEAL_PART:
        if record.client.family == 4:
            record.client.ip[15] = 0
        elif record.client.family == 6:
            memset(&record.client.ip[6], 0, 10)
        return room
    record.alias.text = b"-"
    record.alias.length = 1
    if how.clients == REVEAL_NONE:
        return room
    size = format_ip(&record.client, ip)
    if size <= 0:
        return room
    put_pseudonym(how, PSEUDONYM_CLIENT, ip, <size_t>size, room)
    record.alias.text = room
    record.alias.length = PSEUDONYM_SIZE
    return room + PSEUDONYM_SIZE


cdef void conceal(Concealment* how, LogRecord* record, char* room) noexcept nogil:
    cdef bint named = record.upstream.length != 0
    turn(how, <uint64_t>record.started)
    if how.clients:
        room = replace_client(how, record, room)
    if how.users:
        room = replace(how, how.users, PSEUDONYM_USER, &record.user, room)
        room = replace(how, how.users, PSEUDONYM_USER, &record.certificate_subject, room)
        room = replace(how, how.users, PSEUDONYM_USER, &record.certificate_fingerprint, room)
    if how.targets:
        clear(&record.target)
        clear(&record.referer)
        room = replace(how, how.targets, PSEUDONYM_TARGET, &record.host, room)
        room = replace(how, how.targets, PSEUDONYM_TARGET, &record.sni, room)
        if not named and how.targets >= REVEAL_PSEUDONYM:
            # dialled is the target itself
            clear(&record.endpoint)


cdef int lay_concealment(Concealment* how, tuple settings) except -1:
    cdef bytes secret
    clients, users, targets, secret, span = settings
    if len(secret) != 16 or not all(0 <= reveal <= 3 for reveal in (clients, users, targets)):
        raise ValueError("how much is told is 0 to 3, and the secret has 16 bytes")
    memset(how, 0, sizeof(Concealment))
    how.clients, how.users, how.targets = clients, users, targets
    how.span = <uint64_t>(<double>span * 1e9)
    memcpy(how.key, <const char*>secret, 16)
    return 0
