# Shared resources of a worker: date and identifiers, name answers, connection counts per client,
# pipes. The hot parts allocate nothing.

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from limen.engine.addresses cimport format_ip, parse_ip
from limen.engine.board cimport Board, WORKER_DNS_LOOKUPS
from limen.engine.journal cimport Journal
from limen.engine.keys cimport limen_fold
from limen.engine.stream cimport Party
from limen.engine.sys cimport F_SETPIPE_SZ, O_CLOEXEC, O_NONBLOCK, close, fcntl, monotonic, pipe2, realtime
from limen.engine.tls.shakes cimport Shakes
from limen.engine.types cimport FAULT_DNS, Address

import os
import traceback


cdef extern from *:
    """
    #include <time.h>
    static inline size_t limen_imf_date(char *out, size_t room, long long second) {
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t t = (time_t)second;
        struct tm tm;
        gmtime_r(&t, &tm);
        return (size_t)snprintf(out, room, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
            tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
    """
    size_t limen_imf_date(char* out, size_t room, long long second) noexcept nogil


cdef enum:
    NAMES_KEPT = 20000        # answers kept in the engine; the resolver has its own cache
    PIPE_SIZE = 1048576


cdef str format_address(const Address* address):
    cdef char out[64]
    cdef int size = format_ip(address, out)
    return out[:size].decode("ascii")


cdef class Worker(Reactor):
    def __cinit__(
        self, *, int number=0, Board board=None, Journal journal=None, resolve=None, run_hook=None, identify=None,
        report=None, unsigned long max_connections=10000,
    ):
        self.number = number
        self.board = board if board is not None else Board(None)
        self.journal = journal
        self.resolve = resolve
        self.run_hook = run_hook
        self.identify = identify
        self.report = report
        self.max_connections = max_connections
        self.resting_most = 4096
        self.names = {}
        self.direct = {}
        self.shakes = Shakes.__new__(Shakes)
        self.own = {}
        self.client_room = 1024
        self.clients = <ClientCount*>PyMem_Calloc(self.client_room, sizeof(ClientCount))
        self.values = <char*>PyMem_Malloc(VALUES_SIZE)
        if self.clients == NULL or self.values == NULL:
            raise MemoryError
        self.id_prefix = int.from_bytes(os.urandom(8), "little")
        self.client_seed[0] = int.from_bytes(os.urandom(8), "little")
        self.client_seed[1] = int.from_bytes(os.urandom(8), "little")
        self.date_second = -1

    def __dealloc__(self):
        cdef Pipe* pipe
        while self.pipes != NULL:
            pipe = self.pipes
            self.pipes = pipe.next
            close(pipe.reader)
            close(pipe.writer)
            free(pipe)
        PyMem_Free(self.clients)
        PyMem_Free(self.values)

    cdef char* value(self, size_t size) noexcept:
        """Scratch for a field value of the head being made; NULL when the head has outgrown it."""
        cdef char* place
        if self.values_used + size > VALUES_SIZE:
            return NULL
        place = self.values + self.values_used
        self.values_used += size
        return place

    cdef const char* http_date(self) noexcept:
        """The current IMF-fixdate (RFC 9110, 5.6.7), 29 bytes, made once a second."""
        cdef int64_t second = <int64_t>(realtime() // 1000000000)
        if second != self.date_second:
            self.date_second = second
            limen_imf_date(self.date, sizeof(self.date), second)
        return self.date

    cdef uint32_t request_id(self, char* out) noexcept:
        """Write a new request id: 32 hexadecimal digits, unique over workers and restarts."""
        cdef uint64_t parts[2]
        cdef int i
        cdef int j
        self.id_counter += 1
        parts[0] = self.id_prefix
        # spread, so that neighbours differ in more than the last digit and a prefix sorts nothing out
        parts[1] = self.id_counter * <uint64_t>0x9E3779B97F4A7C15
        for j in range(2):
            for i in range(16):
                out[16 * j + i] = (b"0123456789abcdef")[(parts[j] >> (60 - 4 * i)) & 15]
        return 32

    # Connections per client address -------------------------------------------------------------

    cdef size_t place_of(self, const uint8_t* ip) noexcept:
        cdef uint64_t a
        cdef uint64_t b
        cdef size_t i
        memcpy(&a, ip, 8)
        memcpy(&b, ip + 8, 8)
        # neighbours must not lie side by side (a run costs its square to dissolve), nor clients choose where they lie
        a = limen_fold(a ^ self.client_seed[0], <uint64_t>0x9E3779B97F4A7C15)
        a = limen_fold(a ^ b ^ self.client_seed[1], <uint64_t>0xBF58476D1CE4E5B9)
        i = <size_t>a & (self.client_room - 1)
        while self.clients[i].connections and memcmp(self.clients[i].ip, ip, 16) != 0:
            i = (i + 1) & (self.client_room - 1)
        return i

    cdef bint client_enter(self, const Address* client, unsigned int limit) noexcept:
        """Count one more connection of this address; False if that is over `limit` (0: no limit)."""
        cdef size_t i
        if 2 * (self.client_count + 1) > self.client_room and not self.client_grow():
            return False
        i = self.place_of(client.ip)
        if limit and self.clients[i].connections >= limit:
            return False
        if self.clients[i].connections == 0:
            memcpy(self.clients[i].ip, client.ip, 16)
            self.client_count += 1
        self.clients[i].connections += 1
        return True

    cdef bint client_grow(self) noexcept:
        cdef ClientCount* old = self.clients
        cdef size_t room = self.client_room
        cdef ClientCount* grown = <ClientCount*>PyMem_Calloc(2 * room, sizeof(ClientCount))
        cdef size_t i
        if grown == NULL:
            return False
        self.clients = grown
        self.client_room = 2 * room
        for i in range(room):
            if old[i].connections:
                grown[self.place_of(old[i].ip)] = old[i]
        PyMem_Free(old)
        return True

    cdef void client_leave(self, const Address* client) noexcept:
        cdef size_t i = self.place_of(client.ip)
        cdef size_t hole
        cdef ClientCount moved
        if self.clients[i].connections == 0:
            return
        self.clients[i].connections -= 1
        if self.clients[i].connections:
            return
        self.client_count -= 1
        # close the gap: whoever follows in the run is laid in again
        hole = (i + 1) & (self.client_room - 1)
        while self.clients[hole].connections:
            moved = self.clients[hole]
            self.clients[hole].connections = 0
            self.clients[self.place_of(moved.ip)] = moved
            hole = (hole + 1) & (self.client_room - 1)

    # Pipes for splice -----------------------------------------------------------------------------

    cdef Pipe* pipe_take(self) noexcept:
        """An empty pipe, or NULL (no descriptors, no memory): the caller copies instead."""
        cdef Pipe* pipe = self.pipes
        cdef int ends[2]
        cdef int room
        if pipe != NULL:
            self.pipes = pipe.next
            self.pipes_kept -= 1
            return pipe
        if pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0:
            return NULL
        pipe = <Pipe*>malloc(sizeof(Pipe))
        if pipe == NULL:
            close(ends[0])
            close(ends[1])
            return NULL
        pipe.reader = ends[0]
        pipe.writer = ends[1]
        pipe.held = 0
        pipe.next = NULL
        # over the user's share the kernel refuses and the pipe stays at 64 KiB, which works as well
        room = fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE)
        pipe.room = <uint32_t>room if room > 0 else 65536
        return pipe

    cdef void pipe_give(self, Pipe* pipe) noexcept:
        if pipe.held == 0 and self.pipes_kept < PIPES_KEPT:
            pipe.next = self.pipes
            self.pipes = pipe
            self.pipes_kept += 1
            return
        close(pipe.reader)
        close(pipe.writer)
        free(pipe)

    # Python ---------------------------------------------------------------------------------------

    cdef bint is_own(self, const Address* target) noexcept:
        """Whether this is a listener or the admin address of this very process."""
        if not self.own:
            return False
        try:
            found = self.own.get(target.port)
            if found is None:
                return False
            return found.matches(format_address(target))
        except Exception as error:
            # not sure means no
            self.tell(40, f"own addresses: {error!r}")
            return True

    @property
    def resting(self) -> int:
        """Idle connections to targets of requests."""
        return self.rests[1].count

    @property
    def resting_endpoints(self) -> int:
        """Idle connections to configured endpoints."""
        return self.rests[0].count

    def set_own(self, addresses: dict[int, object]) -> None:
        """Where this process listens, by port: objects whose matches(ip: str) tells. Never dialled for a target."""
        self.own = dict(addresses)

    cdef void tell(self, int level, str message) noexcept:
        """Say something in the event log; `level` as in the logging module."""
        if self.report is None:
            return
        try:
            self.report(level, message)
        except Exception:
            # the log itself failed: the interpreter's own channel is what is left
            traceback.print_exc()
        self.wake = True

    cdef Resolution ask_name(self, bytes host, Party waiter):
        """The Resolution of `host` if it is known and fresh, else None and `waiter` is called later."""
        cdef Resolution known = self.names.get(host)
        if known is not None:
            if known.expires == 0:
                known.waiters.append(waiter)
                return None
            if known.expires > self.now:
                return known
        if len(self.names) >= NAMES_KEPT:
            self.forget_names()
        known = Resolution.__new__(Resolution)
        known.waiters = [waiter]
        self.names[host] = known
        self.board.worker_add(WORKER_DNS_LOOKUPS, 1)
        self.wake = True
        try:
            self.resolve(host.decode("ascii"))
        except Exception as error:
            self.tell(40, f"resolver failed for {host!r}: {error!r}")
            del self.names[host]
            known.fault = FAULT_DNS
            known.expires = 1
            return known
        return None

    cdef int forget_names(self) except -1:
        cdef Resolution known
        for host in [host for host, answer in self.names.items() if (<Resolution>answer).expires]:
            known = self.names[host]
            if known.expires <= self.now or len(self.names) > NAMES_KEPT // 2:
                del self.names[host]
        return 0

    def set_journal(self, Journal journal) -> None:
        """Write the access log to another journal from now on; None: to none."""
        self.journal = journal

    def resolved(self, host: str, addresses: list[str], ttl: float, fault: int = 0) -> None:
        """The resolver's answer to resolve(host): addresses in the order to try them, `ttl` seconds."""
        cdef Resolution known = self.names.get(host.encode("ascii"))
        cdef bytes text
        cdef list waiters
        if known is None:
            return
        # outside of run(): the time of the last batch may be long ago
        self.now = monotonic()
        known.count = 0
        for address in addresses[:16]:
            text = address.encode("ascii")
            if parse_ip(text, len(text), &known.addresses[known.count]) == 0:
                known.count += 1
        known.fault = fault if fault or known.count else FAULT_DNS
        known.expires = self.now + <uint64_t>(max(ttl, 0.001) * 1e9)
        waiters = known.waiters
        known.waiters = []
        for waiter in waiters:
            (<Party>waiter).on_resolved(known)
        self.flush()
        self.settle()


@cython.no_gc_clear
cdef class Resolution:
    pass
