"""Tests only: cells of limits with any clock, address lists and how long they take. Left out of wheels."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from posix.time cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from limen.engine.addresses cimport parse_ip
from limen.engine.cells cimport (
    CELL_WINDOW,
    LIMIT_ALLOWED,
    LIMIT_CELLS,
    LIMIT_FORGOTTEN,
    LIMIT_HELD,
    LIMIT_REFUSED,
    LIMIT_SLOTS,
    LIMIT_UNCOUNTED,
    LIMIT_WARNED,
    LIMITS_HEAD,
    LIMITS_MOST,
    LIMITS_VERSION,
    LimitCells,
)
from limen.engine.lists cimport AddressList, list_contains
from limen.engine.quotas cimport QUOTA_WINDOW, QUOTAS_HEAD, QUOTAS_VERSION, QuotaCell, QuotaCells, period_of
from limen.engine.types cimport Address

NUMBERS = {
    "VERSION": LIMITS_VERSION, "HEAD": LIMITS_HEAD, "SLOTS": LIMIT_SLOTS, "CELLS": LIMIT_CELLS,
    "WINDOW": CELL_WINDOW, "LIMITS_OF_ROUTE": LIMITS_MOST, "ALLOWED": LIMIT_ALLOWED, "REFUSED": LIMIT_REFUSED,
    "FORGOTTEN": LIMIT_FORGOTTEN, "UNCOUNTED": LIMIT_UNCOUNTED, "HELD": LIMIT_HELD, "WARNED": LIMIT_WARNED,
}


QUOTA_NUMBERS = {
    "VERSION": QUOTAS_VERSION, "HEAD": QUOTAS_HEAD, "WINDOW": QUOTA_WINDOW, "CELL": sizeof(QuotaCell),
}


def period(int kind, int64_t second):
    cdef int64_t start = 0
    cdef int64_t end = 0
    period_of(kind, second, &start, &end)
    return start, end


def use(QuotaCells cells not None, uint64_t tag, int64_t now, int64_t until, int64_t amount):
    """What the tag's cell had counted before; None: no place was left."""
    cdef QuotaCell* cell = cells.find(tag, now, until)
    return cells.add(cell, amount) if cell != NULL else None


cdef double now() noexcept:
    cdef timespec t
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)
    return t.tv_sec * 1e9 + t.tv_nsec


def charge(LimitCells cells not None, uint64_t tag, int64_t at, int64_t interval, int64_t burst, unsigned int slot=0):
    return cells.charge(tag, at, interval, burst, slot)


def charge_many(
    LimitCells cells not None, uint64_t tag, int64_t at, int64_t step, int64_t count, int64_t interval, int64_t burst
):
    """How many of `count` are allowed, the clock going on by `step` before each."""
    cdef int64_t _i, allowed = 0
    with nogil:
        for _i in range(count):
            at += step
            allowed += cells.charge(tag, at, interval, burst, 0) >= 0
    return allowed


def refund(LimitCells cells not None, uint64_t tag, int64_t interval):
    cells.refund(tag, interval)


def enter(LimitCells cells not None, uint64_t tag, int64_t most, unsigned int slot=0):
    return cells.enter(tag, most, slot)


def enter_and_leave(LimitCells cells not None, uint64_t tag, int64_t most, int64_t rounds):
    """(How often it was let in, the most that it ever saw in flight.)"""
    cdef int64_t _i, place, entered = 0, seen = 0, number
    with nogil:
        for _i in range(rounds):
            place = cells.enter(tag, most, 0)
            if place > 0:
                number = cells.concurrent[place - 1].number
                if number > seen:
                    seen = number
                entered += 1
                cells.leave(place)
    return entered, seen


def leave(LimitCells cells not None, int64_t place):
    cells.leave(place)


def bench_charge(LimitCells cells not None, int keys, int loops):
    cdef int _i, k
    cdef int64_t at = 1000000000
    cdef double start = now()
    for _i in range(loops):
        for k in range(keys):
            at += 10
            cells.charge((<uint64_t>(k + 1)) * <uint64_t>0x9E3779B97F4A7C15, at, 1000, 1000000, 0)
    return (now() - start) / (<double>loops * keys)


def is_listed(AddressList addresses not None, str text not None):
    cdef Address address
    cdef bytes raw = text.encode()
    if parse_ip(raw, <size_t>len(raw), &address) != 0:
        raise ValueError(text)
    return bool(list_contains(&addresses.view, address.ip))


def bench_listed(AddressList addresses not None, list ips not None, int loops):
    """Nanoseconds per look-up, and how many were found; `ips` are of 16 bytes."""
    cdef bytes joined = b"".join(ips)
    cdef const uint8_t* p = <const uint8_t*><const char*>joined
    cdef int _i, k, count = <int>len(ips)
    cdef long found = 0
    cdef double start = now()
    for _i in range(loops):
        for k in range(count):
            found += list_contains(&addresses.view, p + 16 * k)
    return (now() - start) / (<double>loops * count), found // loops
