# Policies: pure choices over a group's numbers. No Python object, no memory, no I/O.
#
# Small groups are looked at in full; of large ones a few are drawn, so that a choice stays O(1)
# (or O(log n) for turns by weight) with ten thousand endpoints.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from limen.engine.board cimport total_now
from limen.engine.peaks cimport peak_age, peak_now, peak_time
from limen.engine.seats cimport DRAWN, Group, SCAN_MOST, Seat, below, draw


cdef enum:
    DRAWS_MOST = 16           # until all are looked through instead
    LOOK_AGAIN = 1000000      # ns after which first, and the bound of hash, look at large groups anew
    TABLE_WALK = 256          # places of the table tried for one key


cdef double UNMEASURED = 1e18   # cost of an endpoint that is at work and has not answered yet
cdef double SLOWER = 2.0        # so many times another's time, and SLOWER_LEAST more, is much slower
cdef double SLOWER_LEAST = 1e6  # ns


cdef inline bint fits(Seat* seats, int i, int avoid) noexcept nogil:
    return i != avoid and (seats[i].most == 0 or total_now(seats[i].load.total) < seats[i].most)


cdef inline bint earlier(Seat* seats, int a, int b) noexcept nogil:
    cdef int64_t apart = <int64_t>(seats[a].turn - seats[b].turn)
    return apart < 0 or (apart == 0 and a < b)


cdef int any_that_fits(Group* group, int avoid) noexcept nogil:
    """From a random place on: the last resort of draws."""
    cdef int at = <int>below(draw(group), <uint32_t>group.live)
    cdef int _i
    for _i in range(group.live):
        if fits(group.seats, group.order[at], avoid):
            return group.order[at]
        at += 1
        if at == group.live:
            at = 0
    return -1


# turns ---------------------------------------------------------------------------------------------------

cdef void sift_down(Group* group, int at) noexcept nogil:
    cdef int* heap = group.heap
    cdef int moved = heap[at]
    cdef int child
    while True:
        child = 2 * at + 1
        if child >= group.live:
            break
        if child + 1 < group.live and earlier(group.seats, heap[child + 1], heap[child]):
            child += 1
        if not earlier(group.seats, heap[child], moved):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


cdef void settle_turns(Group* group) noexcept nogil:
    cdef int i
    for i in range(group.live):
        group.heap[i] = group.order[i]
    for i in range(group.live // 2 - 1, -1, -1):
        sift_down(group, i)


cdef int pick_turn(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil:
    """In turn; by weight each has its turns evenly over virtual time, so that over the sum of the weights all get
    exactly their share (earliest deadline first)."""
    cdef int _i
    cdef int* heap = group.heap
    cdef Seat* seat
    cdef int at = 0
    cdef int i
    if group.even:
        for _i in range(group.live):
            group.cursor += 1
            if group.cursor >= group.live:
                group.cursor = 0
            i = group.order[group.cursor]
            if fits(group.seats, i, avoid):
                return i
        return -1
    if not fits(group.seats, heap[0], avoid):
        # the second is a child of the first; beyond that all are looked at
        at = 1
        if group.live > 2 and earlier(group.seats, heap[2], heap[1]):
            at = 2
        if at >= group.live or not fits(group.seats, heap[at], avoid):
            at = -1
            for i in range(group.live):
                if fits(group.seats, heap[i], avoid) and (at < 0 or earlier(group.seats, heap[i], heap[at])):
                    at = i
            if at < 0:
                return -1
    i = heap[at]
    seat = &group.seats[i]
    group.virtual = seat.turn
    seat.turn += seat.step
    sift_down(group, at)
    return i


# draws ---------------------------------------------------------------------------------------------------

cdef void settle_draws(Group* group) noexcept nogil:
    """Walker's alias tables (1977, built as Vose 1991 did): a draw by weight costs one look. `heap` is scratch."""
    cdef int n = group.live
    cdef int small = 0
    cdef int large = n
    cdef int i
    cdef int low
    cdef int high
    cdef double mean = <double>group.shares / n if n else 1.0
    cdef double left
    # chance holds the remaining part of each as a fraction of 2^31 while the tables are built
    if group.even:
        return
    for i in range(n):
        left = <double>group.seats[group.order[i]].share
        group.seats[group.order[i]].step = <uint64_t>(left / mean * 4294967296.0)
        if left < mean:
            group.heap[small] = i
            small += 1
        else:
            large -= 1
            group.heap[large] = i
    while small > 0 and large < n:
        small -= 1
        low = group.heap[small]
        high = group.heap[large]
        group.chance[low] = <uint32_t>min(group.seats[group.order[low]].step, <uint64_t>4294967295)
        group.alias[low] = <uint32_t>high
        # what the small one lacks comes out of the large one
        group.seats[group.order[high]].step -= <uint64_t>4294967296 - group.seats[group.order[low]].step
        if group.seats[group.order[high]].step < <uint64_t>4294967296:
            large += 1
            group.heap[small] = high
            small += 1
    while large < n:
        group.chance[group.heap[large]] = 4294967295
        group.alias[group.heap[large]] = <uint32_t>group.heap[large]
        large += 1
    while small > 0:
        small -= 1
        group.chance[group.heap[small]] = 4294967295
        group.alias[group.heap[small]] = <uint32_t>group.heap[small]


cdef inline int drawn(Group* group) noexcept nogil:
    cdef uint64_t random = draw(group)
    cdef uint32_t at = below(random, <uint32_t>group.live)
    if not group.even and <uint32_t>random > group.chance[at]:
        at = group.alias[at]
    return group.order[at]


cdef int pick_random(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil:
    cdef int _i
    cdef int i
    for _i in range(DRAWS_MOST):
        i = drawn(group)
        if fits(group.seats, i, avoid):
            return i
    return any_that_fits(group, avoid)


cdef inline int least_drawn(Group* group, int avoid, int wanted) noexcept nogil:
    """Of `wanted` drawn by weight the one with the fewest exchanges per share."""
    cdef int _i
    cdef Seat* seat
    cdef int64_t load
    cdef int64_t least = 0
    cdef int best = -1
    cdef int last = -1
    cdef int seen = 0
    cdef int i
    for _i in range(DRAWS_MOST):
        i = drawn(group)
        if i == avoid or i == last:
            continue
        last = i
        seat = &group.seats[i]
        load = total_now(seat.load.total)
        if seat.most and load >= seat.most:
            continue
        if best < 0 or load * group.seats[best].share < least * seat.share:
            best = i
            least = load
        seen += 1
        if seen == wanted:
            break
    return best if best >= 0 else any_that_fits(group, avoid)


cdef int pick_two(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil:
    return least_drawn(group, avoid, 2)


# load ----------------------------------------------------------------------------------------------------

cdef inline double faded(Group* group, uint64_t word, uint64_t now) noexcept nogil:
    """The peak of the time to a response head, as old as it is by now."""
    # close to exp(-age), without its cost
    cdef double age = peak_age(word, now) / group.decay
    return peak_time(word) / (1.0 + age + 0.5 * age * age)


cdef bint goes_first(Group* group, int a, int b, int64_t load, uint64_t now) noexcept nogil:
    """Of two that are level, `load` in flight at each per share: idle ones have turns. At work, a slow one goes after:
    whoever waits there waits longer for those before."""
    cdef double time_a
    cdef double time_b
    if load > 0:
        time_a = faded(group, peak_now(group.seats[a].load.peak), now)
        time_b = faded(group, peak_now(group.seats[b].load.peak), now)
        if time_a > SLOWER * time_b + SLOWER_LEAST:
            return False
        if time_b > SLOWER * time_a + SLOWER_LEAST:
            return True
    return earlier(group.seats, a, b)


cdef int pick_least(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil:
    """Fewest exchanges in flight per share, all workers together. Those that are level have turns by weight, so that
    an idle upstream is used evenly; of those at work, the much slower ones come last."""
    cdef Seat* seat
    cdef int64_t load
    cdef int64_t least = 0
    cdef int64_t apart
    cdef int best = -1
    cdef int at
    cdef int i
    if group.live > SCAN_MOST:
        return least_drawn(group, avoid, DRAWN)
    for at in range(group.live):
        i = group.order[at]
        seat = &group.seats[i]
        load = total_now(seat.load.total)
        if i == avoid or (seat.most and load >= seat.most):
            continue
        # load / share compared without division
        apart = load * group.seats[best].share - least * seat.share if best >= 0 else -1
        if apart < 0 or (apart == 0 and goes_first(group, i, best, load, now)):
            best = i
            least = load
    if best >= 0:
        seat = &group.seats[best]
        if <int64_t>(seat.turn - group.virtual) > 0:
            group.virtual = seat.turn
        seat.turn = group.virtual + seat.step
    return best


cdef inline double cost_of(Group* group, Seat* seat, int64_t load, uint64_t now) noexcept nogil:
    cdef uint64_t word = peak_now(seat.load.peak)
    if word == 0:
        return UNMEASURED * <double>load / <double>seat.share
    return faded(group, word, now) * <double>(load + 1) / <double>seat.share


cdef int pick_ewma(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil:
    """Least of: decayed peak of the time to a response head, times exchanges in flight, per share. What was never
    measured is asked at once, but by one exchange at a time."""
    cdef Seat* seat
    cdef int64_t load
    cdef double cost
    cdef double least = 0
    cdef int best = -1
    cdef int seen = 0
    cdef bint small = group.live <= SCAN_MOST
    cdef int i
    cdef int at
    for at in range(group.live if small else DRAWS_MOST):
        i = group.order[at] if small else drawn(group)
        seat = &group.seats[i]
        load = total_now(seat.load.total)
        if i == avoid or (seat.most and load >= seat.most):
            continue
        cost = cost_of(group, seat, load, now)
        if best < 0 or cost < least or (cost == least and small and earlier(group.seats, i, best)):
            best = i
            least = cost
        seen += 1
        if seen == DRAWN and not small:
            break
    if best < 0:
        return -1 if small else any_that_fits(group, avoid)
    if small:
        seat = &group.seats[best]
        if <int64_t>(seat.turn - group.virtual) > 0:
            group.virtual = seat.turn
        seat.turn = group.virtual + seat.step
    return best


# places --------------------------------------------------------------------------------------------------

cdef void sum_up(Group* group, uint64_t now) noexcept nogil:
    cdef int i
    if group.live > SCAN_MOST and now < group.totalled + LOOK_AGAIN:
        return
    group.totalled = now
    group.total = 0
    for i in range(group.live):
        group.total += total_now(group.seats[group.order[i]].load.total)


cdef int pick_hash(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil:
    """The endpoint that the table has for the key; if that is out, full or over the bound, the next in the table."""
    cdef int _i
    cdef uint32_t at
    cdef int i
    cdef Seat* seat
    cdef double room = 0
    if group.live == 0:
        return -1
    at = below(key, group.table_size)
    if group.bound > 0:
        sum_up(group, now)
        # what may be in flight per share, with this one
        room = group.bound * <double>(group.total + 1) / <double>group.shares
    for _i in range(TABLE_WALK):
        i = <int>group.table[at]
        seat = &group.seats[i]
        # an idle endpoint always has room: the bound is rounded up
        if seat.live and fits(group.seats, i, avoid) and (
            group.bound <= 0 or <double>total_now(seat.load.total) < max(room * <double>seat.share, 1.0)
        ):
            return i
        at += 1
        if at == group.table_size:
            at = 0
    return least_drawn(group, avoid, DRAWN)


cdef int pick_first(Group* group, uint64_t now, int avoid, uint64_t key) noexcept nogil:
    """The first that has room. Of a large group those found full are looked at again after a millisecond."""
    cdef int at
    if group.live <= SCAN_MOST or now >= group.hinted + LOOK_AGAIN:
        group.cursor = 0
        group.hinted = now
    for at in range(group.cursor, group.live):
        if fits(group.seats, group.order[at], avoid):
            if group.order[at] != avoid and group.seats[group.order[at]].most and avoid < 0:
                group.cursor = at
            return group.order[at]
    if avoid < 0:
        group.cursor = group.live
    return -1
