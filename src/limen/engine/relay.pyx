# The splice relay. EAGAIN on entering the pipe may mean "source empty" or "pipe full"; as we
# empty the pipe first and know what it holds, only "source empty" is left.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.connection cimport Connection
from limen.engine.sys cimport (
    EAGAIN,
    EINTR,
    SPLICE_F_MORE,
    SPLICE_F_MOVE,
    SPLICE_F_NONBLOCK,
    limen_errno,
    splice,
)
from limen.engine.worker cimport Pipe


cdef int relay(Connection source, Connection sink, Pipe* pipe, uint64_t* remaining, uint64_t* moved) noexcept:
    cdef ssize_t done
    cdef uint64_t budget = RELAY_BUDGET
    cdef size_t want
    cdef unsigned int flags
    cdef bint source_empty = False
    while True:
        while pipe.held:
            flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK
            if remaining[0] and not source_empty and sink.tls is None:
                # not to a kernel that seals: it would keep what does not fill a record for as long as no more comes
                flags |= SPLICE_F_MORE
            done = splice(pipe.reader, NULL, sink.fd, NULL, pipe.held, flags)
            if done <= 0:
                if done < 0 and limen_errno() == EINTR:
                    continue
                if done < 0 and limen_errno() == EAGAIN:
                    sink.writable = False
                    return RELAY_SINK
                return RELAY_SINK_BROKEN
            pipe.held -= <uint32_t>done
            sink.sent += <uint64_t>done
            moved[0] += <uint64_t>done
        if remaining[0] == 0:
            return RELAY_DONE
        if source_empty:
            return RELAY_SOURCE
        if budget == 0:
            return RELAY_TURN
        want = <size_t>min(remaining[0], <uint64_t>pipe.room)
        done = splice(source.fd, NULL, pipe.writer, NULL, want, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
        if done > 0:
            pipe.held += <uint32_t>done
            source.received += <uint64_t>done
            remaining[0] -= <uint64_t>done
            budget -= min(budget, <uint64_t>done)
        elif done == 0:
            source.eof = True
            source.readable = False
            return RELAY_EOF
        elif limen_errno() == EAGAIN:
            source.readable = False
            source_empty = True
            return RELAY_SOURCE
        elif limen_errno() != EINTR:
            return RELAY_SOURCE_BROKEN
