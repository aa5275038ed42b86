# For tests only: the pure functions of budget.pyx.

from libc.stdint cimport uint64_t

from limen.engine cimport budget


def most_of(long live, double share, long least):
    return budget.most_of(live, share, least)


def jittered(uint64_t draw, int retry, uint64_t base, uint64_t most):
    return budget.jittered(draw, retry, base, most)


def spread(uint64_t draw, uint64_t bound):
    return budget.spread(draw, bound)


def draws(uint64_t state, int count):
    cdef list found = []
    for _ in range(count):
        found.append(budget.draw_next(&state))
    return found
