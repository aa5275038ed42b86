# The timing wheel (Varghese and Lauck 1987, scheme 6 with lazy re-laying).
# One slot is 16.8 ms, so timers fire up to that much late and never early.

from libc.stdint cimport uint64_t
from libc.string cimport memset


cdef extern from *:
    int __builtin_ctzll(unsigned long long) noexcept nogil


cdef void wheel_begin(Wheel* wheel, uint64_t now) noexcept nogil:
    cdef int i
    memset(wheel, 0, sizeof(Wheel))
    for i in range(WHEEL_SLOTS):
        wheel.slots[i].next = &wheel.slots[i]
        wheel.slots[i].prev = &wheel.slots[i]
    wheel.tick = now >> WHEEL_SHIFT


cdef void wheel_lay(Wheel* wheel, Timer* timer) noexcept nogil:
    cdef uint64_t tick = (timer.deadline >> WHEEL_SHIFT) + 1
    cdef Timer* head
    if tick <= wheel.tick:
        tick = wheel.tick + 1
    elif tick >= wheel.tick + WHEEL_SLOTS:
        tick = wheel.tick + WHEEL_SLOTS - 1
    timer.tick = tick
    head = &wheel.slots[tick & (WHEEL_SLOTS - 1)]
    timer.prev = head.prev
    timer.next = head
    head.prev.next = timer
    head.prev = timer
    wheel.occupied[(tick & (WHEEL_SLOTS - 1)) >> 6] |= (<uint64_t>1) << (tick & 63)
    wheel.count += 1


cdef void wheel_lift(Wheel* wheel, Timer* timer) noexcept nogil:
    cdef uint64_t slot = timer.tick & (WHEEL_SLOTS - 1)
    if timer.tick == 0:
        return
    timer.prev.next = timer.next
    timer.next.prev = timer.prev
    if wheel.slots[slot].next == &wheel.slots[slot]:
        wheel.occupied[slot >> 6] &= ~((<uint64_t>1) << (slot & 63))
    timer.tick = 0
    wheel.count -= 1


cdef uint64_t wheel_next(const Wheel* wheel) noexcept nogil:
    cdef uint64_t slot = (wheel.tick + 1) & (WHEEL_SLOTS - 1)
    cdef uint64_t word = slot >> 6
    cdef uint64_t bits
    cdef uint64_t found
    cdef int _i
    if wheel.count == 0:
        return 0
    bits = wheel.occupied[word] & (~(<uint64_t>0) << (slot & 63))
    for _i in range(65):
        if bits:
            found = (word << 6) + <uint64_t>__builtin_ctzll(bits)
            # distance from the slot that comes next, round the wheel
            return (wheel.tick + 1 + ((found - slot) & (WHEEL_SLOTS - 1))) << WHEEL_SHIFT
        word = (word + 1) & 63
        bits = wheel.occupied[word]
    return 0


cdef void* wheel_fire(Wheel* wheel, uint64_t now) noexcept nogil:
    cdef uint64_t upto = now >> WHEEL_SHIFT
    cdef uint64_t soonest
    cdef Timer* head
    cdef Timer* timer
    while wheel.tick < upto:
        head = &wheel.slots[(wheel.tick + 1) & (WHEEL_SLOTS - 1)]
        timer = head.next
        if timer == head:
            soonest = wheel_next(wheel)
            if soonest == 0 or (soonest >> WHEEL_SHIFT) > upto:
                wheel.tick = upto
                return NULL
            wheel.tick = (soonest >> WHEEL_SHIFT) - 1
            continue
        wheel_lift(wheel, timer)
        if timer.deadline == 0:
            continue
        if timer.deadline > now:
            # moved later since it was laid in; its tick lies past this slot, so the loop ends
            wheel_lay(wheel, timer)
            continue
        timer.deadline = 0
        return timer.owner
    return NULL
