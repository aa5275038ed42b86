# The board: counters in shared memory. One region of 64-bit cells per worker, written by that
# worker alone with plain aligned stores; whoever reads sums over the workers. No locks: an x86-64
# or AArch64 store of an aligned 64-bit cell is never seen torn. Only the totals, one cell per
# endpoint in front of the regions, are written by all workers: the exchanges in flight, by atomic
# addition or, where `max_requests` bounds them, compare-and-swap. Balancers read them.
# limen/observe/board.py holds the same numbers for readers; a test compares them.

cimport cython
from libc.stdint cimport int64_t, uint64_t


cdef enum:
    # Layout, in cells (8 bytes). Areas and regions begin on 64 KiB, the largest page in use.
    BOARD_VERSION = 5
    BOARD_HEADER = 401408         # cells before the first worker's region
    BOARD_EPOCH = 8               # the supervisor raises it after each change of the health area
    BOARD_ALARM = 16              # workers raise it when a run of failures is long enough
    BOARD_TOTALS = 8192           # where in them the endpoints' totals begin
    BOARD_RUNS = 73728            # failures in a row, by endpoint
    BOARD_HEALTH = 139264         # the supervisor's word, two cells per endpoint (HealthCell)
    BOARD_LOADS = 270336          # how busy endpoints say they are in ordinary answers (reports.pxd), by endpoint
    BOARD_PEAKS = 335872          # how long endpoints take to answer (peaks.pxd), by endpoint
    BOARD_ROUTES = 65536
    BOARD_ENDPOINTS = 65536
    BOARD_LISTENERS = 256
    BOARD_FAULTS = 128
    WORKER_AREA = 0
    WORKER_CELLS = 64
    FAULT_AREA = 64
    LISTENER_AREA = 192
    LISTENER_CELLS = 8
    ROUTE_AREA = 8192
    ROUTE_CELLS = 32
    ENDPOINT_AREA = 2105344       # ROUTE_AREA + BOARD_ROUTES * ROUTE_CELLS
    ENDPOINT_CELLS = 16
    BOARD_REGION = 3153920        # ENDPOINT_AREA + BOARD_ENDPOINTS * ENDPOINT_CELLS


cdef enum:  # RouteCell
    ROUTE_STATUS = 0              # + class of the status (1 to 5); 0: ended without an answer
    ROUTE_RECEIVED = 6            # bytes from the client
    ROUTE_SENT = 7                # bytes to the client
    ROUTE_NANOSECONDS = 8         # sum of the durations
    ROUTE_BUCKETS = 9             # + bucket, 0 to 16
    ROUTE_RETRIES = 27            # + cause: 0 no connection, 1 reset, 2 too late, 3 status
    ROUTE_BUDGET_SPENT = 31       # retries not made, or made later, for the budget


cdef enum:  # EndpointCell
    # Gauges first: reset_gauges() clears what is below ENDPOINT_GAUGES. What every exchange counts is
    # in the first eight, one line of the cache.
    ENDPOINT_ACTIVE = 0           # exchanges it is working on
    ENDPOINT_CONNECTIONS = 1
    ENDPOINT_IDLE = 2             # of them in the pool
    ENDPOINT_OUT = 3              # monotonic ns until which this worker leaves it out, else 0
    ENDPOINT_GAUGES = 4
    ENDPOINT_REQUESTS = 4
    ENDPOINT_RESPONSES = 5        # response heads
    ENDPOINT_NANOSECONDS = 6      # sum of the times from sent requests to them
    ENDPOINT_FAILURES = 7         # attempts that speak against it: outlier.pyx
    ENDPOINT_DIALS = 8
    ENDPOINT_DIAL_FAILURES = 9
    ENDPOINT_RESPONSE_FAULTS = 10
    ENDPOINT_RETRIES = 11         # requests sent to it after an attempt had failed


cdef enum:  # HealthCell
    HEALTH_WORD = 0               # flags (HealthFlag); from bit 32 on the weight in force, 0 = as configured
    HEALTH_SINCE = 1              # monotonic ns at which it came (back) into rotation; 0 = from the beginning
    HEALTH_CELLS = 2


cdef enum:  # HealthFlag
    HEALTH_DOWN = 1               # by its probe
    HEALTH_EJECTED = 2            # as an outlier
    HEALTH_DRAINING = 4           # no new exchanges but those that belong to it
    HEALTH_DISABLED = 8           # nothing at all
    HEALTH_PANIC = 16             # to be used although it is down or ejected: too few are not
    HEALTH_CALLED = 32            # a backup that shares the load of a priority that has lost too much


cdef enum:  # ListenerCell
    LISTENER_CONNECTIONS = 0      # gauge
    LISTENER_GAUGES = 1
    LISTENER_ACCEPTED = 1
    LISTENER_REFUSED = 2          # closed at once by a limit or a rule
    LISTENER_HANDSHAKES = 3       # TLS handshakes that were finished
    LISTENER_RESUMED = 4          # of these, those that took up an earlier session
    LISTENER_UNSEALED = 5         # connections whose content the kernel seals


cdef enum:  # WorkerCell
    WORKER_CONNECTIONS = 0        # client connections, gauge
    WORKER_EXCHANGES = 1          # in flight, gauge
    WORKER_TUNNELS = 2            # gauge
    WORKER_GAUGES = 8             # cells 3 to 7 are kept for later gauges
    WORKER_TUNNEL_BYTES = 8       # both ways together
    WORKER_HOOK_CALLS = 9
    WORKER_HOOK_FAILURES = 10
    WORKER_DNS_LOOKUPS = 11       # questions asked, not answers from the cache
    WORKER_LOG_LOST = 12          # access log records that could not be written
    WORKER_IDENTITY_CHECKS = 29   # credentials verified, not those that were known
    WORKER_IDENTITY_FAILURES = 30 # of these, those that were refused
    WORKER_IDENTITY_SHED = 31     # not verified: too many at a time, or too many failures before
    WORKER_HEDGES = 24            # second attempts beside slow ones
    WORKER_HEDGES_WON = 25        # of these, those that answered first
    WORKER_MIRRORED = 26          # requests copied to a mirror
    WORKER_MIRRORS_SHED = 27      # not copied: too many under way, content too large, no endpoint with room
    WORKER_MIRRORS_FAILED = 28    # copied or begun, without a whole answer in time
    WORKER_HEDGES_SHED = 40       # second attempts not made, for `hedge.most`
    WORKER_CAPTURED = 41          # exchanges written to the files of captures
    WORKER_CAPTURE_LOST = 42      # of those asked for, not written


cdef inline int duration_bucket(uint64_t nanoseconds) noexcept nogil:
    # Bounds in observe/board.py (BUCKETS), each inclusive: 0.5 ms to 60 s, then everything above.
    # A search by halves with constants: four predicted compares.
    if nanoseconds <= 100000000:
        if nanoseconds <= 5000000:
            if nanoseconds <= 1000000:
                return 0 if nanoseconds <= 500000 else 1
            return 2 if nanoseconds <= 2500000 else 3
        if nanoseconds <= 25000000:
            return 4 if nanoseconds <= 10000000 else 5
        return 6 if nanoseconds <= 50000000 else 7
    if nanoseconds <= 2500000000ULL:
        if nanoseconds <= 500000000:
            return 8 if nanoseconds <= 250000000 else 9
        return 10 if nanoseconds <= 1000000000 else 11
    if nanoseconds <= 10000000000ULL:
        return 12 if nanoseconds <= 5000000000ULL else 13
    if nanoseconds <= 30000000000ULL:
        return 14
    return 15 if nanoseconds <= 60000000000ULL else 16


cdef extern from * nogil:
    """
    static inline void limen_total_add(int64_t *total, int64_t delta) {
        __atomic_fetch_add(total, delta, __ATOMIC_RELAXED);
    }
    static inline int64_t limen_total(const int64_t *total) {
        return __atomic_load_n(total, __ATOMIC_RELAXED);
    }
    static inline void limen_total_set(int64_t *total, int64_t value) {
        __atomic_store_n(total, value, __ATOMIC_RELAXED);
    }
    static inline uint64_t limen_word(const uint64_t *cell) {
        return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
    }
    static inline int64_t limen_total_next(int64_t *total) {
        return __atomic_add_fetch(total, 1, __ATOMIC_RELAXED);
    }
    /* One more, unless `most` are there: 1 or 0. */
    static inline int limen_total_claim(int64_t *total, int64_t most) {
        int64_t found = __atomic_load_n(total, __ATOMIC_RELAXED);
        while (found < most)
            if (__atomic_compare_exchange_n(total, &found, found + 1, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                return 1;
        return 0;
    }
    """
    void total_add "limen_total_add"(int64_t* total, int64_t delta) noexcept
    int64_t total_now "limen_total"(const int64_t* total) noexcept
    void total_set "limen_total_set"(int64_t* total, int64_t value) noexcept
    int64_t total_next "limen_total_next"(int64_t* total) noexcept
    uint64_t word_now "limen_word"(const uint64_t* cell) noexcept
    bint total_claim "limen_total_claim"(int64_t* total, int64_t most) noexcept


@cython.final
cdef class Board:
    cdef uint64_t* cells          # this worker's region; owned mapping, until __dealloc__
    cdef uint64_t* front          # the areas before the regions; owned mapping, until __dealloc__
    cdef int64_t* totals          # borrowed: in `front`, by endpoint slot
    cdef uint64_t* epoch          # borrowed: in `front`
    cdef readonly int worker
    cdef readonly bint shared     # False: private memory that nobody reads
    cdef int descriptor           # borrowed from the caller until __dealloc__; -1 if private

    # Slots out of range are dropped: the supervisor hands them out and knows the bounds.

    cdef inline void count_exchange(
        self, unsigned int route, int status, uint64_t received, uint64_t sent, uint64_t nanoseconds
    ) noexcept nogil:
        cdef uint64_t* cell
        cdef unsigned int kind = <unsigned int> status // 100
        if route >= BOARD_ROUTES:
            return
        if kind > 5:
            kind = 0
        cell = self.cells + ROUTE_AREA + <uint64_t> route * ROUTE_CELLS
        cell[ROUTE_STATUS + kind] += 1
        cell[ROUTE_RECEIVED] += received
        cell[ROUTE_SENT] += sent
        cell[ROUTE_NANOSECONDS] += nanoseconds
        cell[ROUTE_BUCKETS + duration_bucket(nanoseconds)] += 1

    cdef inline void count_fault(self, int fault) noexcept nogil:
        if <unsigned int> fault < BOARD_FAULTS:
            self.cells[FAULT_AREA + fault] += 1

    cdef inline void route_add(self, unsigned int route, int cell, int64_t delta) noexcept nogil:
        if route < BOARD_ROUTES:
            self.cells[ROUTE_AREA + <uint64_t> route * ROUTE_CELLS + cell] += <uint64_t> delta

    cdef inline void endpoint_add(self, unsigned int slot, int cell, int64_t delta) noexcept nogil:
        if slot < BOARD_ENDPOINTS:
            self.cells[ENDPOINT_AREA + <uint64_t> slot * ENDPOINT_CELLS + cell] += <uint64_t> delta

    cdef inline void endpoint_set(self, unsigned int slot, int cell, int64_t value) noexcept nogil:
        if slot < BOARD_ENDPOINTS:
            self.cells[ENDPOINT_AREA + <uint64_t> slot * ENDPOINT_CELLS + cell] = <uint64_t> value

    cdef inline int64_t endpoint_get(self, unsigned int slot, int cell) noexcept nogil:
        # This worker's own cell, not the sum.
        if slot >= BOARD_ENDPOINTS:
            return 0
        return <int64_t> self.cells[ENDPOINT_AREA + <uint64_t> slot * ENDPOINT_CELLS + cell]

    cdef inline int64_t* endpoint_total(self, unsigned int slot) noexcept nogil:
        # NULL for a slot out of range.
        return self.totals + slot if slot < BOARD_ENDPOINTS else NULL

    cdef inline const uint64_t* endpoint_health(self, unsigned int slot) noexcept nogil:
        # HEALTH_CELLS cells; NULL for a slot out of range.
        return self.front + BOARD_HEALTH + slot * HEALTH_CELLS if slot < BOARD_ENDPOINTS else NULL

    cdef inline int64_t* endpoint_run(self, unsigned int slot) noexcept nogil:
        # NULL for a slot out of range.
        return <int64_t*>self.front + BOARD_RUNS + slot if slot < BOARD_ENDPOINTS else NULL

    cdef inline int64_t* endpoint_busy(self, unsigned int slot) noexcept nogil:
        # NULL for a slot out of range.
        return <int64_t*>self.front + BOARD_LOADS + slot if slot < BOARD_ENDPOINTS else NULL

    cdef inline uint64_t* endpoint_peak(self, unsigned int slot) noexcept nogil:
        # NULL for a slot out of range.
        return self.front + BOARD_PEAKS + slot if slot < BOARD_ENDPOINTS else NULL

    cdef inline void raise_alarm(self) noexcept nogil:
        total_add(<int64_t*>self.front + BOARD_ALARM, 1)

    cdef inline void listener_add(self, unsigned int slot, int cell, int64_t delta) noexcept nogil:
        if slot < BOARD_LISTENERS:
            self.cells[LISTENER_AREA + slot * LISTENER_CELLS + cell] += <uint64_t> delta

    cdef inline void worker_add(self, int cell, int64_t delta) noexcept nogil:
        self.cells[WORKER_AREA + cell] += <uint64_t> delta
