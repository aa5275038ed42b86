# A balancer keeps what choices need laid out, and lays it out anew only when something happened: an endpoint went out
# or came back, is warming up, or the supervisor has said something of one. So a choice touches the usable ones alone.

import os

from libc.math cimport exp
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from limen.engine.board cimport (
    HEALTH_CALLED,
    HEALTH_DISABLED,
    HEALTH_DOWN,
    HEALTH_DRAINING,
    HEALTH_EJECTED,
    HEALTH_PANIC,
    HEALTH_SINCE,
    HEALTH_WORD,
    total_now,
    word_now,
)
from limen.engine.maglev cimport maglev_fill, maglev_size, mixed
from limen.engine.policies cimport (
    pick_ewma,
    pick_first,
    pick_hash,
    pick_least,
    pick_random,
    pick_turn,
    pick_two,
    settle_draws,
    settle_turns,
)
from limen.engine.peaks cimport peak_age, peak_clock, peak_now, peak_swap, peak_time, peak_word
from limen.engine.reports cimport busy_now
from limen.engine.seats cimport Group, Load, SCAN_MOST, SHARE_ONE, Seat, below, draw


cdef enum:
    WARMING_LOOKS = 20        # surveys while an endpoint warms up
    PEAK_TRIES = 4            # with more workers at it at a time, their measurements do
    LEAST_PART = 20           # an endpoint that says it is all at work keeps this part of its weight


cdef uint64_t NEVER = 0xffffffffffffffffULL
cdef double WARM_LEAST = 0.1  # of its weight: what an endpoint begins with
cdef uint64_t health_epoch = 1
cdef uint64_t NO_EPOCH = 0    # of balancers without a board


cdef void health_changed() noexcept nogil:
    global health_epoch
    health_epoch += 1


cdef void load_measured(Load* load, uint64_t now, uint64_t time, double decay) noexcept nogil:
    """A peak is taken over at once, and forgotten slowly."""
    cdef uint64_t word = peak_now(load.peak)
    cdef double ns = <double>max(time, <uint64_t>1)
    cdef double peak
    cdef double kept
    cdef int _try
    for _try in range(PEAK_TRIES):
        peak = peak_time(word)
        if ns < peak:
            kept = exp(-peak_age(word, now) / decay)
            if kept == 1.0:
                # one stands for all that were measured at the same time
                return
            peak = peak * kept + ns * (1.0 - kept)
        else:
            peak = ns
        if peak_swap(load.peak, &word, peak_word(peak, peak_clock(now))):
            return


cdef Pick policy_of(int policy) noexcept:
    if policy == POLICY_ROUND_ROBIN:
        return pick_turn
    if policy == POLICY_LEAST_REQUESTS:
        return pick_least
    if policy == POLICY_TWO_CHOICES:
        return pick_two
    if policy == POLICY_RANDOM:
        return pick_random
    if policy == POLICY_PEAK_EWMA:
        return pick_ewma
    return pick_hash if policy == POLICY_HASH else pick_first


cdef class Balancer:
    """Chooses among `names` (what tells endpoints apart in a table of hash, on every machine and after restarts)."""

    def __cinit__(self, *args, **kwargs):
        self.seats = NULL
        self.places = NULL
        self.draws = NULL
        self.groups = NULL

    def __init__(
        self, list names, *, list weights=None, list priorities=None, list backups=None, list most=None,
        int policy=0, double bound=0.0, double decay=10.0, double spill=0.7, double slow_start=0.0,
    ):
        cdef int i
        if not 0 <= policy <= POLICY_FIRST:
            raise ValueError(f"there is no policy {policy}")
        if self.seats != NULL:
            raise ValueError("a balancer is made once")
        self.policy = policy
        self.count = len(names)
        # until the first survey
        self.open = self.count
        self.word_epoch = &NO_EPOCH
        self.decay = decay * 1e9
        self.spill = spill
        self.slow_start = <uint64_t>(slow_start * 1e9)
        self.measures = policy == POLICY_PEAK_EWMA or policy == POLICY_LEAST_REQUESTS
        self.pick = policy_of(policy)
        self.seats = <Seat*>calloc(max(self.count, 1), sizeof(Seat))
        self.places = <int*>calloc(3 * max(self.count, 1), sizeof(int))
        self.draws = <uint32_t*>calloc(2 * max(self.count, 1), sizeof(uint32_t))
        if self.seats == NULL or self.places == NULL or self.draws == NULL:
            raise MemoryError
        for i in range(self.count):
            self.seats[i].configured = self.seats[i].weight = weights[i] if weights else 1
            self.seats[i].priority = priorities[i] if priorities else 0
            self.seats[i].backup = backups[i] if backups else False
            self.seats[i].most = most[i] if most else 0
            if self.seats[i].weight < 1:
                raise ValueError("a weight is at least 1")
        self.lay_groups()
        for i in range(self.group_count):
            self.groups[i].bound = bound
            self.groups[i].decay = self.decay
        if policy == POLICY_HASH:
            self.names = names
            self.lay_tables()

    def __dealloc__(self):
        cdef int i
        if self.groups != NULL:
            for i in range(self.group_count):
                free(self.groups[i].table)
        free(self.seats)
        free(self.places)
        free(self.draws)
        free(self.groups)

    def __repr__(self) -> str:
        return f"<Balancer policy={self.policy} endpoints={self.count} live={self.live} groups={self.group_count}>"

    cdef int lay_groups(self) except -1:
        """One group per priority; the backups behind them all."""
        cdef Group* group
        cdef int i
        cdef int at = 0
        cdef list levels = sorted({(self.seats[i].backup, self.seats[i].priority) for i in range(self.count)})
        cdef dict members = {level: [] for level in levels}
        for i in range(self.count):
            members[self.seats[i].backup, self.seats[i].priority].append(i)
        self.groups = <Group*>calloc(max(len(levels), 1), sizeof(Group))
        if self.groups == NULL:
            raise MemoryError
        self.group_count = len(levels)
        for number, level in enumerate(levels):
            group = &self.groups[<int>number]
            group.seats = self.seats
            group.members = self.places + at
            group.order = self.places + self.count + at
            group.heap = self.places + 2 * self.count + at
            group.alias = self.draws + at
            group.chance = self.draws + self.count + at
            group.backup = level[0]
            group.random = int.from_bytes(os.urandom(8), "little") | 1
            group.count = len(members[level])
            # the next in turn is the first
            group.cursor = 0 if self.policy == POLICY_FIRST else -1
            for i in members[level]:
                self.places[at] = i
                at += 1
        return 0

    cdef int lay_tables(self) except -1:
        cdef Group* group
        cdef int number
        for number in range(self.group_count):
            group = &self.groups[number]
            group.table_size = maglev_size(group.count)
            group.table = <uint32_t*>malloc(group.table_size * sizeof(uint32_t))
            if group.table == NULL:
                raise MemoryError
            self.fill_table(group)
        return 0

    cdef void follow(self, Balancer before, const int* seats) noexcept:
        """Go on where `before` is; `seats` has the index there of each endpoint here, -1 for new ones.

        What has no history to go on with begins anywhere: always with the first, often renewed lists would burden it.
        """
        cdef Group* group
        cdef Group* old
        cdef Seat* seat
        cdef int number
        cdef int i
        if self.policy == POLICY_FIRST or self.policy != before.policy:
            return
        for i in range(self.count):
            seat = &self.seats[i]
            if seats[i] >= 0 and before.seats[seats[i]].priority == seat.priority:
                seat.live = before.seats[seats[i]].live
                seat.step = before.seats[seats[i]].step
                seat.turn = before.seats[seats[i]].turn
        for number in range(self.group_count):
            group = &self.groups[number]
            group.cursor = <int>below(draw(group), <uint32_t>group.count) - 1
            for i in range(before.group_count):
                old = &before.groups[i]
                if (
                    old.backup == group.backup
                    and before.seats[old.members[0]].priority == self.seats[group.members[0]].priority
                ):
                    group.virtual = old.virtual
                    group.even = old.even
    cdef int fill_table(self, Group* group) except -1:
        cdef uint64_t* hashes = <uint64_t*>malloc(group.count * sizeof(uint64_t))
        cdef double* weights = <double*>malloc(group.count * sizeof(double))
        cdef int result = -1
        cdef int i
        cdef uint32_t place
        cdef bytes name
        if hashes != NULL and weights != NULL:
            for i in range(group.count):
                name = self.names[group.members[i]]
                hashes[i] = mixed(name, <size_t>len(name), 0)
                weights[i] = <double>self.seats[group.members[i]].weight
            result = maglev_fill(group.table, group.table_size, group.count, hashes, weights)
        free(hashes)
        free(weights)
        if result < 0:
            raise MemoryError
        for place in range(group.table_size):
            group.table[place] = <uint32_t>group.members[group.table[place]]
        return 0

    cdef void lay_again(self) noexcept:
        """Weights were changed at run time. Without memory the old tables stay."""
        cdef int number
        cdef Group* group
        cdef uint32_t* before
        self.laid_anew = False
        for number in range(self.group_count):
            group = &self.groups[number]
            before = group.table
            group.table = <uint32_t*>malloc(group.table_size * sizeof(uint32_t))
            try:
                if group.table == NULL:
                    raise MemoryError
                self.fill_table(group)
            except MemoryError:
                free(group.table)
                group.table = before
            else:
                free(before)

    # surveys -----------------------------------------------------------------------------------------

    cdef void look(self, uint64_t now) noexcept:
        if self.epoch != health_epoch or now >= self.survey_at or self.told != word_now(self.word_epoch):
            self.survey(now)

    cdef void survey(self, uint64_t now) noexcept:
        """Who is usable, with what share; then everything that follows from it."""
        cdef int number
        self.epoch = health_epoch
        # before the words are read: what comes later is another change
        self.told = word_now(self.word_epoch)
        self.survey_at = NEVER
        self.live = 0
        self.open = 0
        for number in range(self.group_count):
            self.survey_group(&self.groups[number], now)
            self.live += self.groups[number].live
        if self.laid_anew:
            self.lay_again()
        self.portion_out()

    cdef bint survey_seat(self, Group* group, Seat* seat, uint64_t now) noexcept:
        """By the supervisor's word and what this worker saw: may it be chosen, with what weight?"""
        cdef uint64_t word = word_now(&seat.load.health[HEALTH_WORD])
        cdef int64_t weight = <int64_t>(word >> 32)
        cdef bint doubtful = word & (HEALTH_DOWN | HEALTH_EJECTED) != 0 and not word & HEALTH_PANIC
        if weight == 0:
            weight = seat.configured
        if weight != seat.weight:
            seat.weight = weight
            self.laid_anew = self.policy == POLICY_HASH
        group.weights += weight
        if seat.load.out_until and word_now(&seat.load.health[HEALTH_SINCE]) > seat.load.out_from:
            # it was found well after this worker's dial had failed
            seat.load.out_until = 0
        seat.keeps = not word & HEALTH_DISABLED and not doubtful and seat.load.out_until <= now
        seat.barred = doubtful or word & (HEALTH_DRAINING | HEALTH_DISABLED) != 0
        if seat.barred:
            return False
        self.open += 1
        if word & HEALTH_CALLED:
            group.called = True
        if seat.load.out_until > now:
            self.survey_at = min(self.survey_at, seat.load.out_until)
            return False
        return True

    cdef void survey_group(self, Group* group, uint64_t now) noexcept:
        cdef bint was_even = group.even
        cdef bint returned
        cdef uint64_t begun
        cdef uint64_t until
        cdef int busy
        cdef Seat* seat
        cdef int at
        cdef int i
        group.live = 0
        group.even = True
        group.shares = 0
        group.weights_live = 0
        group.weights = 0
        group.called = False
        group.totalled = 0
        group.hinted = 0
        for at in range(group.count):
            i = group.members[at]
            seat = &self.seats[i]
            returned = not seat.live
            seat.live = self.survey_seat(group, seat, now)
            if not seat.live:
                continue
            seat.share = seat.weight * SHARE_ONE
            if self.slow_start:
                begun = max(seat.load.since, seat.load.out_until, word_now(&seat.load.health[HEALTH_SINCE]))
                if begun and now < begun + self.slow_start:
                    seat.share = <int64_t>(
                        seat.share * max(WARM_LEAST, <double>(now - min(begun, now)) / <double>self.slow_start)
                    )
                    self.survey_at = min(self.survey_at, now + self.slow_start // WARMING_LOOKS)
            busy = busy_now(seat.load, now, &until)
            seat.load.weighed = busy
            if busy:
                # as much less as it says it is at work, but never nothing: it has to be asked to say otherwise
                seat.share = max(seat.share * (1000 - busy) // 1000, seat.share // LEAST_PART, <int64_t>1)
            if until:
                self.survey_at = min(self.survey_at, until)
            group.order[group.live] = i
            group.live += 1
            group.shares += seat.share
            group.weights_live += seat.weight
            if seat.share != self.seats[group.order[0]].share:
                group.even = False
            if returned:
                # what was missed is not made up for
                seat.step = 0
        if self.policy != POLICY_ROUND_ROBIN and (
            group.live > SCAN_MOST or self.policy == POLICY_RANDOM or self.policy == POLICY_TWO_CHOICES
            or self.policy == POLICY_HASH
        ):
            for at in range(group.live):
                # draws use it for their own
                self.seats[group.order[at]].step = 0
            settle_draws(group)
            return
        for at in range(group.live):
            seat = &self.seats[group.order[at]]
            returned = seat.step == 0
            seat.step = (<uint64_t>1 << 44) // <uint64_t>seat.share
            if returned or (was_even and not group.even and self.policy == POLICY_ROUND_ROBIN):
                seat.turn = group.virtual + seat.step // 2
        if self.policy == POLICY_ROUND_ROBIN and not group.even:
            settle_turns(group)

    cdef void portion_out(self) noexcept:
        """What part of the load each priority gets: the first as much as it is healthy, the next of the rest."""
        cdef Group* group
        cdef double rest = 1.0
        cdef double able
        cdef double total = 0.0
        cdef double part
        cdef bint is_reserve
        cdef int number
        for number in range(self.group_count):
            group = &self.groups[number]
            if (group.called or not group.backup) and group.live:
                able = <double>group.weights_live / <double>group.weights
                total += min(1.0, able / self.spill) if self.spill > 0 else 1.0
        total = min(total, 1.0)
        for number in range(self.group_count):
            group = &self.groups[number]
            group.portion = 0
            is_reserve = group.backup and not group.called
            if group.live == 0 or (is_reserve and total > 0):
                continue
            able = <double>group.weights_live / <double>group.weights
            part = min(1.0, able / self.spill) if self.spill > 0 else 1.0
            if is_reserve:
                part = 1.0
            elif total > 0:
                # none is well: they share everything
                part = part / total
            part = min(part, rest)
            # of what the groups before leave
            group.portion = <uint32_t>(min(1.0, part / rest) * 4294967295.0) if rest > 1e-9 else 0
            rest -= part

    # choices -----------------------------------------------------------------------------------------

    cdef int obey(self, Balancer leader) except -1:
        cdef int i
        if leader.count != self.count:
            raise ValueError("the balancers are for different endpoints")
        self.word_epoch = leader.word_epoch
        for i in range(self.count):
            self.seats[i].load = leader.seats[i].load
        return 0

    cdef int choose(self, uint64_t now, int avoid, uint64_t key) noexcept:
        cdef Group* group = self.groups
        cdef int found = -1
        if self.count == 0:
            return -1
        if self.epoch != health_epoch or now >= self.survey_at or self.told != word_now(self.word_epoch):
            # as look() has it, without a call
            self.survey(now)
        if self.open == 0:
            return -1
        if self.count == 1:
            # whatever happened to it
            if self.seats[0].most and total_now(self.seats[0].load.total) >= self.seats[0].most:
                return -1
            return 0
        if self.group_count > 1:
            found = self.choose_group(now, avoid, key)
        elif group.live:
            found = self.pick(group, now, avoid, key)
        if found < 0 and self.live - (1 if avoid >= 0 and self.seats[avoid].live else 0) == 0:
            # better a doubtful one than none
            found = self.choose_out(avoid)
        return found

    cdef bint may_keep(self, uint64_t now, int index) noexcept:
        self.look(now)
        return self.seats[index].keeps

    cdef int choose_group(self, uint64_t now, int avoid, uint64_t key) noexcept:
        """By portions; where the chosen group has no room, the others in their order."""
        cdef Group* group
        cdef int chosen = -1
        cdef int found
        cdef int number
        for number in range(self.group_count):
            group = &self.groups[number]
            if group.portion and (group.portion == 0xffffffff or (draw(group) >> 32) < group.portion):
                chosen = number
                break
        if chosen >= 0:
            found = self.pick(&self.groups[chosen], now, avoid, key)
            if found >= 0:
                return found
        for number in range(self.group_count):
            if number != chosen and self.groups[number].live:
                found = self.pick(&self.groups[number], now, avoid, key)
                if found >= 0:
                    return found
        return -1

    cdef int choose_out(self, int avoid) noexcept:
        """In turn, one that is out; backups like any other."""
        cdef Seat* seat
        cdef int _i
        for _i in range(self.count):
            self.cursor += 1
            if self.cursor >= self.count:
                self.cursor = 0
            seat = &self.seats[self.cursor]
            if self.cursor != avoid and not seat.barred and (seat.most == 0 or total_now(seat.load.total) < seat.most):
                return self.cursor
        return -1
