# A timing wheel: setting, moving and cancelling a timer is O(1) and touches no kernel object.

from libc.stdint cimport uint32_t, uint64_t


cdef enum:
    WHEEL_SHIFT = 24          # one tick is 2^24 ns = 16.8 ms
    WHEEL_SLOTS = 4096        # so the horizon is 68.7 s; later deadlines are laid in again when they come round


cdef struct Timer:
    Timer* next               # borrowed: neighbours in the slot, each living in its owner
    Timer* prev
    void* owner               # borrowed from whoever embeds the timer; handed back when it fires
    uint64_t deadline         # monotonic ns; 0 = off
    uint64_t tick             # where it is laid; 0 = nowhere


cdef struct Wheel:
    Timer slots[4096]         # list heads
    uint64_t occupied[64]     # bit per slot
    uint64_t tick             # everything up to here has fired
    uint32_t count            # timers laid in


cdef void wheel_begin(Wheel* wheel, uint64_t now) noexcept nogil
cdef void wheel_lay(Wheel* wheel, Timer* timer) noexcept nogil
cdef void wheel_lift(Wheel* wheel, Timer* timer) noexcept nogil

# Next monotonic ns at which something may fire; 0 = nothing is laid in.
cdef uint64_t wheel_next(const Wheel* wheel) noexcept nogil

# Owner of a timer that is due, lifted and switched off; NULL when there is none up to `now`.
cdef void* wheel_fire(Wheel* wheel, uint64_t now) noexcept nogil


cdef inline void timer_set(Wheel* wheel, Timer* timer, uint64_t deadline) noexcept nogil:
    """(Re)arm: a later deadline than before costs one store, the wheel finds out when the old one comes round."""
    timer.deadline = deadline
    if timer.tick == 0 or (deadline >> WHEEL_SHIFT) + 1 < timer.tick:
        if timer.tick != 0:
            wheel_lift(wheel, timer)
        wheel_lay(wheel, timer)


cdef inline void timer_off(Timer* timer) noexcept nogil:
    """Disarm; it stays laid in until its slot comes round, which is cheaper than lifting it."""
    timer.deadline = 0
