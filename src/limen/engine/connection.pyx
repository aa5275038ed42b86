# The transport: gathers pieces of one event into one sendmsg, keeps what the kernel does not take.
# Nothing here raises; a failed send marks the connection broken and gives it a turn to end itself,
# so that callers up the stack never see it vanish under their feet.

cimport cython
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, memset

from limen.engine.stream cimport Stream
from limen.engine.sys cimport (
    EAGAIN,
    EINTR,
    MSG_NOSIGNAL,
    limen_errno,
    msghdr,
    recv,
    send,
    sendmsg,
)
from limen.engine.reactor cimport FLAT_SIZE, GATHER_SLOTS, RECORD_SIZE, SEALED_SIZE, Reactor
from limen.engine.tls.session cimport Session, in_clear


cdef enum:
    CHATTER_MOST = 4096       # about 150 key updates


@cython.no_gc
cdef class Connection(Stream):
    def __dealloc__(self):
        free(self.backlog)

    cdef void put(self, const char* data, size_t size) noexcept:
        cdef Reactor reactor = self.reactor
        if size == 0 or self.broken or self.closed:
            return
        if self.backlog != NULL and in_clear(self.tls):
            # order: behind what is already waiting
            if self.keep_unsent(data, size) < 0:
                self.broken = True
                reactor.defer(self)
            return
        if reactor.gather_owner != <void*>self:
            if reactor.gather_owner != NULL:
                # the arena may hold bytes of ours that are put next: send without resetting it
                (<Connection>reactor.gather_owner).on_gathered()
                reactor.gather_count = 0
                reactor.gather_bytes = 0
            reactor.gather_owner = <void*>self
        elif reactor.gather_count == GATHER_SLOTS:
            self.on_gathered()
            reactor.gather_count = 0
            reactor.gather_bytes = 0
            if self.backlog != NULL or self.broken:
                self.put(data, size)
                return
        reactor.gather[reactor.gather_count].iov_base = <void*>data
        reactor.gather[reactor.gather_count].iov_len = size
        reactor.gather_count += 1
        reactor.gather_bytes += size

    cdef void on_gathered(self) noexcept:
        """Send the gathered pieces; called by reactor.flush() only."""
        cdef Reactor reactor = self.reactor
        cdef msghdr message
        cdef ssize_t done
        cdef int i
        cdef size_t skip
        if self.closed or self.broken or reactor.gather_count == 0:
            return
        if not in_clear(self.tls):
            self.seal_gathered()
            self.send_sealed()
            return
        if self.backlog == NULL and self.writable:
            if reactor.gather_count > 1 and reactor.gather_bytes <= FLAT_SIZE:
                # one copy of a small message costs less than the kernel's walk over several pieces
                skip = 0
                for i in range(reactor.gather_count):
                    memcpy(reactor.flat + skip, reactor.gather[i].iov_base, reactor.gather[i].iov_len)
                    skip += reactor.gather[i].iov_len
                reactor.gather[0].iov_base = reactor.flat
                reactor.gather[0].iov_len = skip
                reactor.gather_count = 1
            while True:
                if reactor.gather_count == 1:
                    done = send(self.fd, reactor.gather[0].iov_base, reactor.gather[0].iov_len, MSG_NOSIGNAL)
                else:
                    memset(&message, 0, sizeof(message))
                    message.msg_iov = reactor.gather
                    message.msg_iovlen = <size_t>reactor.gather_count
                    done = sendmsg(self.fd, &message, MSG_NOSIGNAL)
                if done >= 0 or limen_errno() != EINTR:
                    break
            if done < 0:
                if limen_errno() != EAGAIN:
                    self.broken = True
                    reactor.defer(self)
                    return
                done = 0
            self.sent += <size_t>done
            if <size_t>done == reactor.gather_bytes:
                return
            self.writable = False
            self.on_stuck()
        else:
            done = 0
        skip = <size_t>done
        for i in range(reactor.gather_count):
            if skip >= reactor.gather[i].iov_len:
                skip -= reactor.gather[i].iov_len
                continue
            if self.keep_unsent(<char*>reactor.gather[i].iov_base + skip, reactor.gather[i].iov_len - skip) < 0:
                self.broken = True
                reactor.defer(self)
                return
            skip = 0

    cdef int keep_unsent(self, const char* data, size_t size) noexcept:
        """Append to the backlog; -1 without memory. Its growth is bounded by back-pressure: whoever
        feeds this connection stops while is_clogged()."""
        cdef uint32_t room
        cdef char* grown
        cdef size_t waiting = self.backlog_end - self.backlog_start
        if self.backlog_end + size > self.backlog_room:
            if self.backlog_start:
                memmove(self.backlog, self.backlog + self.backlog_start, waiting)
                self.backlog_end = <uint32_t>waiting
                self.backlog_start = 0
            if waiting + size > 0x7fffffff:
                return -1
            if waiting + size > self.backlog_room:
                room = <uint32_t>max(waiting + size, <size_t>4096)
                grown = <char*>realloc(self.backlog, room)
                if grown == NULL:
                    return -1
                self.backlog = grown
                self.backlog_room = room
        memcpy(self.backlog + self.backlog_end, data, size)
        self.backlog_end += <uint32_t>size
        return 0

    cdef bint drain_backlog(self) noexcept:
        cdef ssize_t done
        if self.backlog == NULL:
            return True
        while self.backlog_start < self.backlog_end:
            done = send(self.fd, self.backlog + self.backlog_start, self.backlog_end - self.backlog_start, MSG_NOSIGNAL)
            if done < 0:
                if limen_errno() == EINTR:
                    continue
                if limen_errno() != EAGAIN:
                    self.broken = True
                    self.reactor.defer(self)
                else:
                    self.writable = False
                return False
            self.backlog_start += <uint32_t>done
            self.sent += <size_t>done
        free(self.backlog)
        self.backlog = NULL
        self.backlog_start = self.backlog_end = self.backlog_room = 0
        return True

    cdef ssize_t receive(self, char* data, size_t room) noexcept:
        cdef ssize_t done
        if self.tls is not None:
            return self.receive_sealed(data, room)
        while True:
            done = recv(self.fd, data, room, 0)
            if done > 0:
                self.received += <size_t>done
                # a short read emptied the socket: what comes later brings a new edge; an end that was
                # there already does not
                self.readable = <size_t>done == room or self.hung
                return done
            if done == 0:
                self.readable = False
                self.eof = True
                return 0
            if limen_errno() == EINTR:
                continue
            self.readable = False
            if limen_errno() == EAGAIN:
                return -1
            return -2

    cdef void on_stuck(self) noexcept:
        pass

    cdef void on_shake(self) noexcept:
        pass

    cdef int shake(self) noexcept:
        """Go on with the handshake: 1 done, 0 waits, -1 failed. Sends what it has to say."""
        cdef int result
        self.tls.ready = self.readable
        self.tls.hung = self.hung
        result = self.tls.handshake()
        self.readable = self.tls.ready or (result == 1 and self.tls.has_more())
        if not self.tls.plain:
            self.send_sealed()
        self.reactor.sealed_used = 0
        return result

    cdef bint is_clogged(self) noexcept:
        return self.backlog != NULL

    # TLS -------------------------------------------------------------------------------------------

    cdef void seal_gathered(self) noexcept:
        """Make records of the gathered pieces, as full as they can be."""
        cdef Reactor reactor = self.reactor
        cdef const char* data
        cdef size_t size
        cdef size_t part
        cdef size_t staged = 0
        cdef size_t most = self.tls.most
        cdef int i
        if reactor.gather_count == 1:
            self.seal(<const char*>reactor.gather[0].iov_base, reactor.gather[0].iov_len)
            return
        for i in range(reactor.gather_count):
            data = <const char*>reactor.gather[i].iov_base
            size = reactor.gather[i].iov_len
            if staged == 0 and size >= most:
                part = size - size % most
                self.seal(data, part)
                data += part
                size -= part
            while size:
                part = min(size, most - staged)
                memcpy(reactor.staging + staged, data, part)
                staged += part
                data += part
                size -= part
                if staged == most:
                    self.seal(reactor.staging, staged)
                    staged = 0
        if staged:
            self.seal(reactor.staging, staged)

    cdef void seal(self, const char* data, size_t size) noexcept:
        cdef size_t part
        while size and not self.broken:
            if self.reactor.sealed_used + 2 * RECORD_SIZE > SEALED_SIZE:
                self.send_sealed()
            part = min(size, <size_t>self.tls.most)
            if self.tls.write(data, <int>part) < 0:
                self.broken = True
                self.reactor.defer(self)
                return
            data += part
            size -= part

    cdef void send_sealed(self) noexcept:
        """Push the sealed records to the kernel; what it does not take goes to the backlog."""
        cdef Reactor reactor = self.reactor
        cdef size_t size = reactor.sealed_used
        cdef ssize_t done = 0
        reactor.sealed_used = 0
        if size == 0 or self.closed or self.broken:
            return
        if self.backlog == NULL and self.writable:
            while True:
                done = send(self.fd, reactor.sealed, size, MSG_NOSIGNAL)
                if done >= 0 or limen_errno() != EINTR:
                    break
            if done < 0:
                if limen_errno() != EAGAIN:
                    self.broken = True
                    reactor.defer(self)
                    return
                done = 0
            self.sent += <size_t>done
            if <size_t>done == size:
                return
            self.writable = False
            self.on_stuck()
        if self.keep_unsent(reactor.sealed + done, size - <size_t>done) < 0:
            self.broken = True
            reactor.defer(self)

    cdef ssize_t receive_sealed(self, char* data, size_t room) noexcept:
        """Open as many records as there are and room is for."""
        cdef Session tls = self.tls
        cdef ssize_t done
        cdef size_t got = 0
        tls.ready = self.readable
        tls.hung = self.hung
        while True:
            done = tls.read(data + got, room - got)
            if done <= 0:
                break
            got += <size_t>done
            if room - got < RECORD_SIZE or not (tls.has_more() or tls.ready):
                break
        if self.reactor.sealed_used:
            # an answer to a key update, or an alert
            tls.chatter = 0 if got else tls.chatter + <uint32_t>self.reactor.sealed_used
            self.send_sealed()
            if tls.chatter > CHATTER_MOST:
                # a flood of key updates: work for nothing, and answers that may never be read
                self.readable = False
                return -2
        if tls.overtaken:
            self.readable = False
            return -2
        self.readable = tls.ready or tls.has_more()
        if got:
            self.received += got
            if done == 0 or done == -2:
                # the end, or the failure, is told with the next call
                self.readable = True
            return <ssize_t>got
        if done == 0:
            self.eof = True
        if done != -1:
            self.readable = False
        elif not tls.ready:
            # a part of a record is left over: the rest brings an edge
            self.readable = False
        return done

    cdef void say_end(self) noexcept:
        """close_notify, where the connection ends in good order, in one call with what is gathered; a plain connection
        only sends what is gathered."""
        cdef Reactor reactor = self.reactor
        if in_clear(self.tls) or reactor.gather_owner != <void*>self:
            reactor.flush()
        elif not (self.closed or self.broken):
            self.seal_gathered()
            reactor.forget_gathered()
        if self.tls is None or self.closed:
            return
        if self.tls.kernel and self.backlog != NULL:
            # it goes out behind what waits: whoever closes asks again then
            return
        if not self.broken:
            self.tls.close_notify()
        # of a broken one nothing goes out, and nothing may be left for whoever seals next
        self.send_sealed()

    cdef bint unseal(self) noexcept:
        if in_clear(self.tls):
            return True
        if self.backlog != NULL or self.broken or not self.tls.unseal():
            return False
        self.on_unsealed()
        return True

    cdef void on_unsealed(self) noexcept:
        pass
