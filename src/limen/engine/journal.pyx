# The journal: formatting of access log records and their way to the file (see journal.pxd; escape.pxd
# for the text in them).
#
# Whole records only: the buffer is written at record borders, with one write(2) to a file opened
# for appending, or in pieces of at most PIPE_BUF to a pipe, so several workers may share either.

import os
import stat

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove

from limen.engine.addresses cimport format_ip
from limen.engine.conceal cimport CONCEAL_ROOM, Concealment, conceal, lay_concealment
from limen.engine.escape cimport common_unit, is_plain, json_unit, put_text, put_url, without_query
from limen.engine.text cimport (
    civil_date,
    put_bytes,
    put_literal,
    put_number,
    put_seconds,
    put_three,
    put_two,
)

cdef extern from "unistd.h" nogil:
    ssize_t write(int descriptor, const void* bytes, size_t length)

cdef extern from "poll.h" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* descriptors, unsigned long count, int timeout)
    enum:
        POLLOUT

cdef enum:
    PIPE_LONGEST = 4096           # PIPE_BUF of Linux: what a pipe takes in one piece
    LABEL_LONGEST = 48
    TEXTS = 21                    # of a record that may be cut
    CLIENT_CLOSED = 23            # FAULT_CLIENT_CLOSED
    CLIENT_CLOSED_STATUS = 499    # what it is logged as, by the custom of nginx

FORMATS = {"json": JOURNAL_JSON, "common": JOURNAL_COMMON, "combined": JOURNAL_COMBINED}


# Pieces of a record.

cdef char* put_string(char* out, const LogText* text) noexcept nogil:
    out = put_text(out, text.text, text.length, True)
    out[0] = b'"'
    return out + 1


cdef inline char* put_member(char* out, const char* key, const LogText* text) noexcept nogil:
    # `key` is a literal, all between two texts: `,"name":"`. Nothing for an absent text.
    if text.length == 0:
        return out
    return put_string(put_literal(out, key), text)


cdef inline char* put_plain(char* out, const LogText* text) noexcept nogil:
    # of our own making: nothing to escape
    memcpy(out, text.text, text.length)
    return out + text.length


cdef inline char* put_client(char* out, const Address* client) noexcept nogil:
    cdef int length = format_ip(client, out)
    if length <= 0:                   # a unix socket
        out[0] = b"-"
        length = 1
    return out + length


cdef char* put_user(char* out, const LogText* user) noexcept nogil:
    """The third column of the common formats: one word, whatever the name holds."""
    cdef uint32_t i, taken
    if user.length == 0:
        return put_literal(out, b"-")
    for i in range(user.length):
        if user.text[i] == 32:
            out = put_literal(out, b"\\x20")
        else:
            out = common_unit(out, <const uint8_t*>user.text + i, &taken)
    return out


cdef inline char* put_version(char* out, uint8_t minor) noexcept nogil:
    if minor < 10:
        out = put_literal(out, b"1.")
        return put_number(out, minor)
    return put_number(out, minor // 10)


cdef inline uint32_t logged_status(const LogRecord* record) noexcept nogil:
    if record.status == 0 and record.fault == CLIENT_CLOSED:
        return CLIENT_CLOSED_STATUS
    return record.status


cdef uint32_t count_records(const char* text, uint32_t length) noexcept nogil:
    cdef uint32_t found = 0, at
    for at in range(length):
        found += text[at] == b"\n"
    return found


cdef class Journal:
    """The access log of one worker.

    `path` is a file (made with mode 0640, appended to) or "-" for standard output; `format` is json,
    combined or common; `query` writes query strings, which are cut otherwise. `tls`, `ja4` and `place` ask for
    what is known of the client's TLS, for the fingerprint of its hello, and for where it is. `faults` and `reasons` are
    the labels written for fault and RetryBlocked numbers, by index (empty: none). `concealment` says how much of
    clients, users and targets is told (conceal.Reveal, each), with a secret of 16 bytes and the seconds
    that pseudonyms hold.
    Raises ValueError for an unknown format or label, OSError if the file cannot be opened.
    """

    def __cinit__(
        self, path, *, format="json", query=False, tls=False, ja4=False, place=False, concealment=None, faults=(),
        reasons=(), wanted=(),
    ):
        self.buffer = NULL
        self.concealment = NULL
        self.descriptor = -1
        if format not in FORMATS:
            raise ValueError(f"access log format {format!r} is none of {', '.join(FORMATS)}")
        self.format = FORMATS[format]
        self.query = query
        self.tls = tls
        self.ja4 = ja4
        self.place = place
        if concealment is not None and any(concealment[:3]):
            self.concealment = <Concealment*>calloc(1, sizeof(Concealment))
            if self.concealment == NULL:
                raise MemoryError
            lay_concealment(self.concealment, concealment)
        self.second = -1
        self.path = os.fspath(path)
        self.labels = []
        self._label(self.faults, faults)
        self._label(self.reasons, reasons)
        for number in wanted:
            self.wanted[<int?>number & 255] = 1
        # One byte before the records for a newline that may have to precede them, some behind for
        # the fixed-size copies of the time.
        self.buffer = <char*> malloc(JOURNAL_BUFFER + 64)
        if self.buffer == NULL:
            raise MemoryError
        self.buffer[0] = b"\n"
        self._open()

    cdef _label(self, LogText* table, labels):
        cdef bytes label
        if len(labels) > 256:
            raise ValueError("at most 256 labels")
        for index, label in enumerate(labels):
            if len(label) > LABEL_LONGEST or not all(is_plain(byte) for byte in label):
                raise ValueError(f"label {label!r} is not plain text of at most {LABEL_LONGEST} bytes")
            self.labels.append(label)
            table[<int> index].text = label
            table[<int> index].length = <uint32_t> len(label)

    def _open(self):
        cdef int descriptor = 1
        if self.path != "-":
            # Non-blocking matters for a named pipe only, and would wait here for its reader.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(self.path, flags, 0o640)
        self.descriptor = descriptor
        self.owned = descriptor != 1 or self.path != "-"
        self.regular = stat.S_ISREG(os.fstat(descriptor).st_mode)

    def __dealloc__(self):
        if self.buffer != NULL:
            if self.descriptor >= 0:
                self.push()
                if self.owned:
                    os.close(self.descriptor)
            free(self.buffer)
        free(self.concealment)

    cdef void record(self, const LogRecord* record) noexcept nogil:
        cdef LogRecord short_record
        cdef bint json = self.format == JOURNAL_JSON, cut = False
        cdef uint32_t target_length = record.target.length, need, longest
        cdef char* out
        cdef LogRecord concealed
        cdef char room[CONCEAL_ROOM]
        if self.concealment != NULL:
            concealed = record[0]
            conceal(self.concealment, &concealed, room)
            record = &concealed
            target_length = record.target.length
        if not self.query and target_length:
            target_length = without_query(record.target.text, target_length)
        need = (
            record.direction.length + record.method.length + target_length + record.host.length
            + record.route.length + record.limit.length + record.rule.length + record.dry_rule.length
            + record.upstream.length + record.endpoint.length + record.user.length
            + record.user_agent.length + record.referer.length + record.request_id.length + record.tls_version.length
            + record.tls_cipher.length + record.sni.length + record.ja4.length + record.certificate_subject.length
            + record.certificate_fingerprint.length + record.region.length
        ) * 6 + JOURNAL_RESERVE
        longest = JOURNAL_BUFFER if self.regular else PIPE_LONGEST
        if need > longest:
            short_record = record[0]
            short_record.target.length = target_length
            cut = shorten(&short_record, longest - JOURNAL_RESERVE, json)
            target_length = short_record.target.length
            record = &short_record
            need = longest
        if need > JOURNAL_BUFFER - self.used:
            self.push()
            if need > JOURNAL_BUFFER - self.used:
                self.lost += 1
                return
        out = self.buffer + 1 + self.used
        out = self.write_json(out, record, target_length, cut) if json else self.write_common(
            out, record, target_length
        )
        self.used = <uint32_t> (out - self.buffer - 1)
        self.records += 1

    cdef char* write_json(self, char* out, const LogRecord* record, uint32_t target_length, bint cut) noexcept nogil:
        cdef int64_t second = record.started // 1000000000
        if second != self.second:
            self.restamp(second)
        memcpy(out, self.stamp, 32)
        out += self.stamp_length
        out = put_three(out, <uint32_t> ((record.started - second * 1000000000) // 1000000))
        out = put_literal(out, b'Z"')
        out = put_member(out, b',"direction":"', &record.direction)
        out = put_literal(out, b',"client":"')
        if record.alias.length:
            out = put_plain(out, &record.alias)
        else:
            out = put_client(out, &record.client)
        if record.client.port or self.concealment == NULL:
            out = put_literal(out, b'","port":')
            out = put_number(out, record.client.port)
        else:
            out = put_literal(out, b'"')
        out = put_member(out, b',"country":"', &record.country)
        out = put_member(out, b',"continent":"', &record.continent)
        if record.asn:
            out = put_literal(out, b',"asn":')
            out = put_number(out, record.asn)
        out = put_member(out, b',"region":"', &record.region)
        out = put_member(out, b',"method":"', &record.method)
        if target_length:
            out = put_literal(out, b',"target":"')
            out = put_url(out, record.target.text, target_length, True)
            out[0] = b'"'
            out += 1
        out = put_member(out, b',"host":"', &record.host)
        if record.protocol.length:
            out = put_member(out, b',"protocol":"', &record.protocol)
            out = put_literal(out, b',"status":')
        else:
            out = put_literal(out, b',"version":"')
            out = put_version(out, record.minor)
            out = put_literal(out, b'","status":')
        out = put_number(out, logged_status(record))
        out = put_literal(out, b',"received":')
        out = put_number(out, record.received)
        out = put_literal(out, b',"sent":')
        out = put_number(out, record.sent)
        out = put_literal(out, b',"duration":')
        out = put_seconds(out, record.total)
        if record.dial:
            out = put_literal(out, b',"dial":')
            out = put_seconds(out, record.dial)
        if record.response_head:
            out = put_literal(out, b',"response_head":')
            out = put_seconds(out, record.response_head)
        out = put_member(out, b',"route":"', &record.route)
        out = put_member(out, b',"limit":"', &record.limit)
        out = put_member(out, b',"rule":"', &record.rule)
        out = put_member(out, b',"dry_rule":"', &record.dry_rule)
        out = put_member(out, b',"upstream":"', &record.upstream)
        out = put_member(out, b',"endpoint":"', &record.endpoint)
        if record.attempts:
            out = put_literal(out, b',"attempts":')
            out = put_number(out, record.attempts)
        if record.fault:
            out = put_member(out, b',"fault":"', &self.faults[record.fault])
        if record.retry_blocked:
            out = put_member(out, b',"retry_blocked":"', &self.reasons[record.retry_blocked])
        out = put_member(out, b',"user":"', &record.user)
        out = put_member(out, b',"user_agent":"', &record.user_agent)
        if record.referer.length:
            out = put_literal(out, b',"referer":"')
            out = put_url(out, record.referer.text, self.url_length(record.referer), True)
            out[0] = b'"'
            out += 1
        out = put_member(out, b',"request_id":"', &record.request_id)
        out = put_member(out, b',"tls_version":"', &record.tls_version)
        out = put_member(out, b',"tls_cipher":"', &record.tls_cipher)
        out = put_member(out, b',"sni":"', &record.sni)
        if record.resumed:
            out = put_literal(out, b',"resumed":true')
        out = put_member(out, b',"ja4":"', &record.ja4)
        out = put_member(out, b',"certificate_subject":"', &record.certificate_subject)
        out = put_member(out, b',"certificate_fingerprint":"', &record.certificate_fingerprint)
        if record.tunnel:
            out = put_literal(out, b',"tunnel":true')
        if cut:
            out = put_literal(out, b',"cut":true')
        return put_literal(out, b"}\n")

    cdef char* write_common(self, char* out, const LogRecord* record, uint32_t target_length) noexcept nogil:
        cdef int64_t second = record.started // 1000000000
        cdef uint32_t status = logged_status(record)
        if second != self.second:
            self.restamp(second)
        if record.alias.length:
            out = put_plain(out, &record.alias)
        else:
            out = put_client(out, &record.client)
        out = put_literal(out, b" - ")
        out = put_user(out, &record.user)
        out = put_literal(out, b" ")
        memcpy(out, self.stamp, 32)
        out = put_literal(out + self.stamp_length, b' "')
        if record.method.length:
            out = put_text(out, record.method.text, record.method.length, False)
            out[0] = b" "
            if target_length:
                out = put_url(out + 1, record.target.text, target_length, False)
            elif record.host.length:
                out = put_text(out + 1, record.host.text, record.host.length, False)
            else:
                out = put_literal(out + 1, b"-")
            if record.protocol.length:
                out[0] = b" "
                out = put_text(out + 1, record.protocol.text, record.protocol.length, False)
            else:
                out = put_literal(out, b" HTTP/")
                out = put_version(out, record.minor)
        else:
            out = put_literal(out, b"-")
        out = put_literal(out, b'" ')
        out = put_number(out, status) if status else put_literal(out, b"-")
        out = put_literal(out, b" ")
        out = put_number(out, record.sent)
        if self.format == JOURNAL_COMBINED:
            out = put_literal(out, b' "')
            if record.referer.length:
                out = put_url(out, record.referer.text, self.url_length(record.referer), False)
            else:
                out = put_literal(out, b"-")
            out = put_literal(out, b'" "')
            if record.user_agent.length:
                out = put_text(out, record.user_agent.text, record.user_agent.length, False)
            else:
                out = put_literal(out, b"-")
            out = put_literal(out, b'"')
        return put_literal(out, b"\n")

    cdef inline uint32_t url_length(self, LogText url) noexcept nogil:
        return url.length if self.query else without_query(url.text, url.length)

    cdef void restamp(self, int64_t second) noexcept nogil:
        # The text of a second serves all records that begin in it.
        cdef const char* months = b"JanFebMarAprMayJunJulAugSepOctNovDec"
        cdef int64_t days = second // 86400
        cdef uint32_t rest = <uint32_t> (second - days * 86400)
        cdef int year, month, day
        cdef char* out = self.stamp
        civil_date(days, &year, &month, &day)
        if self.format == JOURNAL_JSON:
            out = put_literal(out, b'{"time":"')
            out = put_two(out, year // 100 % 100)
            out = put_two(out, year % 100)
            out[0] = b"-"
            out = put_two(out + 1, month)
            out[0] = b"-"
            out = put_two(out + 1, day)
            out[0] = b"T"
        else:
            out[0] = b"["
            out = put_two(out + 1, day)
            out[0] = b"/"
            out = put_bytes(out + 1, months + 3 * (month - 1), 3)
            out[0] = b"/"
            out = put_two(out + 1, year // 100 % 100)
            out = put_two(out, year % 100)
            out[0] = b":"
        out = put_two(out + 1, rest // 3600)
        out[0] = b":"
        out = put_two(out + 1, rest // 60 % 60)
        out[0] = b":"
        out = put_two(out + 1, rest % 60)
        out = put_literal(out, b"." if self.format == JOURNAL_JSON else b" +0000]")
        self.stamp_length = <uint32_t> (out - self.stamp)
        self.second = second

    cdef void push(self) noexcept nogil:
        # Write what there is. Afterwards the buffer is empty, unless a pipe is full: then the rest waits.
        cdef uint32_t done = 0, size
        cdef char* start = self.buffer + 1
        cdef ssize_t written
        cdef pollfd ready
        if self.descriptor < 0:
            self.lost += self.records
            self.used = 0
            self.records = 0
            return
        while done < self.used:
            size = self.used - done
            if not self.regular:
                ready.fd = self.descriptor
                ready.events = POLLOUT
                ready.revents = 0
                if poll(&ready, 1, 0) == 0:
                    break
                if size > PIPE_LONGEST - 1:
                    size = last_record_end(start + done, PIPE_LONGEST - 1)
            if self.torn:
                # An earlier record was cut off by an error: this newline keeps it from taking the next along.
                start[<int> done - 1] = b"\n"
                written = write(self.descriptor, start + done - 1, size + 1) - 1
            else:
                written = write(self.descriptor, start + done, size)
            if written > 0:
                self.torn = False
                done += <uint32_t> written
                continue
            if written == 0 and self.torn:
                self.torn = False
                continue
            if errno == EINTR:
                continue
            if errno == EAGAIN:
                break
            self.lost += count_records(start + done, self.used - done)
            if done > 0:
                self.torn = start[done - 1] != b"\n"
            done = self.used
        self.used -= done
        if self.used and done:
            memmove(start, start + done, self.used)
        self.records = count_records(start, self.used)

    def flush(self) -> None:
        """Write out what is buffered, as far as that is possible without waiting for a pipe's reader."""
        self.push()

    def reopen(self) -> None:
        """Flush, then open the path anew (after a rotation). On OSError the old file stays in use."""
        cdef int old = self.descriptor
        self.push()
        if not self.owned:
            return
        self._open()
        if old >= 0:
            os.close(old)

    def close(self) -> None:
        """Flush and close; records that come later count as lost. Closing twice is allowed."""
        cdef int old = self.descriptor
        if old < 0:
            return
        self.push()
        self.lost += self.records
        self.used = 0
        self.records = 0
        self.descriptor = -1
        if self.owned:
            os.close(old)

    def fileno(self) -> int:
        """The descriptor written to, -1 after close()."""
        return self.descriptor

    @property
    def pending(self) -> int:
        """Bytes in the buffer, not yet written."""
        return self.used

    def __repr__(self) -> str:
        return f"<Journal {self.path!r}: {self.records} records waiting, {self.lost} lost>"


cdef uint32_t last_record_end(const char* text, uint32_t limit) noexcept nogil:
    # Length of the whole records within `limit` bytes; every record on a pipe is shorter than that.
    while limit > 1 and text[limit - 1] != b"\n":
        limit -= 1
    return limit


cdef uint32_t fitting(LogText text, uint32_t* room, bint json) noexcept nogil:
    # How many bytes of `text` fit into `room` when escaped, in whole units; takes them off `room`.
    cdef char scrap[8]
    cdef uint32_t at = 0, taken, size
    cdef const uint8_t* bytes = <const uint8_t*> text.text
    while at < text.length:
        if json:
            size = <uint32_t> (json_unit(scrap, bytes + at, text.length - at, &taken) - scrap)
        else:
            size = <uint32_t> (common_unit(scrap, bytes + at, &taken) - scrap)
        if size > room[0]:
            break
        room[0] -= size
        at += taken
    return at


cdef bint shorten(LogRecord* record, uint32_t room, bint json) noexcept nogil:
    # Cut the texts so that they fit escaped: the short and useful ones go first, the target may have
    # half of what they leave, then the rest in turn. True if anything was cut.
    cdef LogText* texts[TEXTS]
    cdef uint32_t share, before, length, index
    cdef bint cut = False
    texts[0] = &record.direction
    texts[1] = &record.method
    texts[2] = &record.request_id
    texts[3] = &record.route
    texts[4] = &record.limit
    texts[5] = &record.rule
    texts[6] = &record.dry_rule
    texts[7] = &record.upstream
    texts[8] = &record.endpoint
    texts[9] = &record.host
    texts[10] = &record.tls_version
    texts[11] = &record.tls_cipher
    texts[12] = &record.ja4
    texts[13] = &record.certificate_fingerprint
    texts[14] = &record.sni
    texts[15] = &record.target
    texts[16] = &record.certificate_subject
    texts[17] = &record.user
    texts[18] = &record.user_agent
    texts[19] = &record.referer
    texts[20] = &record.region
    share = room
    for index in range(<uint32_t>TEXTS):        # it may fit as it is: the first estimate was the worst case
        cut = cut or fitting(texts[index][0], &share, json) < texts[index].length
    if not cut:
        return False
    for index in range(<uint32_t>TEXTS):
        share = room if index + 1 == <uint32_t>TEXTS else room // 2
        before = share
        length = fitting(texts[index][0], &share, json)
        room -= before - share
        texts[index].length = length
    return True
