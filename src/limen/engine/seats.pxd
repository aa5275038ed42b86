# What a balancer knows of endpoints: data only, shared by balance, policies and upstream.

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef enum:
    SHARE_ONE = 1024          # share of an endpoint of weight 1, in full
    SCAN_MOST = 32            # so many endpoints are all looked at; of more a few are drawn
    DRAWN = 4                 # by least_requests and peak_ewma


cdef struct Load:
    # Of one endpoint, as this worker knows it; lives in its Endpoint and so over reloads.
    int64_t* total            # exchanges in flight of all workers: on the board, or `own`
    int64_t own               # without a place on the board
    const uint64_t* health    # the supervisor's word (HEALTH_CELLS): on the board, or UNTOLD
    int64_t* busy             # what it says of itself (reports.pxd), to all workers: on the board, or `own_busy`
    int64_t own_busy
    int64_t weighed           # of that, what this worker's balancers have taken into account: thousandths
    uint64_t out_until        # monotonic ns: not chosen before, unless nothing else is there
    uint64_t out_from         # and when that was decided
    uint64_t since            # in rotation since, for slow start; 0 = from the beginning
    uint64_t* peak            # time to a response head, to all workers (peaks.pxd): on the board, or `own_peak`
    uint64_t own_peak


cdef struct Seat:
    Load* load                # borrowed from the Endpoint
    int64_t configured        # weight as configured
    int64_t weight            # weight in force: as configured, or as set at run time
    int64_t share             # the same times SHARE_ONE, less while it warms up
    int64_t most              # exchanges at a time, all workers together; 0 = any number
    uint64_t step             # virtual time between two of its turns
    uint64_t turn             # virtual time of its next turn
    int priority              # the lower the earlier
    bint backup
    bint live                 # was usable at the last survey
    bint barred               # by the supervisor's word: not even when nothing else is there
    bint keeps                # exchanges that belong to it may come, draining or not


cdef struct Group:
    # The endpoints of one priority.
    Seat* seats               # borrowed: all of the balancer, found by index
    int* members              # borrowed: indices, in the order of the configuration
    int* order                # borrowed, as long: the first `live` are usable, in that order
    int* heap                 # borrowed, as long: of round robin by weight, the first `live`
    uint32_t* alias           # borrowed, as long: Walker's tables, for draws by weight
    uint32_t* chance
    uint32_t* table           # owned: of hash, indices of seats
    uint32_t table_size
    int count
    int live
    bint backup
    bint called               # backups that share the load although others are left
    bint even                 # the live ones have equal shares
    int cursor
    uint64_t virtual          # virtual time of the last turn
    uint64_t random           # state of the generator, never 0
    double decay              # ns in which a peak falls to 1/e
    double bound              # of hash: times the mean load an endpoint may have; 0 = any
    int64_t shares            # sum over the live
    int64_t weights_live      # sums of the weights in force
    int64_t weights           # of all members
    int64_t total             # in flight at all live ones, as of `totalled`
    uint64_t totalled
    uint64_t hinted           # of first: when `cursor` was last put to 0
    uint32_t portion          # of 2^32: this much of the load not taken by those before


cdef inline uint64_t draw(Group* group) noexcept nogil:
    # xorshift64* (Vigna 2016)
    cdef uint64_t x = group.random
    x ^= x >> 12
    x ^= x << 25
    x ^= x >> 27
    group.random = x
    return x * 2685821657736338717ULL


cdef inline uint32_t below(uint64_t random, uint32_t bound) noexcept nogil:
    # 0 to bound - 1, from the upper half
    return <uint32_t>(((random >> 32) * bound) >> 32)
