# cython: binding=False
# The reactor's loop. A batch: wait, dispatch events, give deferred handlers their turn, fire
# timers, release the dead. It returns to asyncio only when asyncio has something to do.

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t

from limen.engine.sys cimport (
    EINTR,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLET,
    EPOLLHUP,
    EPOLLIN,
    EPOLLRDHUP,
    close,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_wait,
    limen_errno,
    monotonic,
)
from limen.engine.timers cimport wheel_begin, wheel_fire, wheel_lift, wheel_next

import os
import selectors


cdef extern from *:
    """
    #ifdef LIMEN_DEBUG
    static long limen_handlers = 0;
    #define LIMEN_HANDLER_BORN() (limen_handlers++)
    #define LIMEN_HANDLER_GONE() (limen_handlers--)
    #define LIMEN_HANDLERS_LIVE() (limen_handlers)
    #else
    #define LIMEN_HANDLER_BORN() ((void)0)
    #define LIMEN_HANDLER_GONE() ((void)0)
    #define LIMEN_HANDLERS_LIVE() (-1L)
    #endif
    """
    void handler_born "LIMEN_HANDLER_BORN"() noexcept nogil
    void handler_gone "LIMEN_HANDLER_GONE"() noexcept nogil
    long handlers_live "LIMEN_HANDLERS_LIVE"() noexcept nogil


cdef long live_handlers() noexcept nogil:
    return handlers_live()


@cython.no_gc
cdef class Handler:
    def __cinit__(self):
        handler_born()
        self.fd = -1
        self.timer.owner = <void*>self

    def __dealloc__(self):
        handler_gone()
        if self.timer.tick != 0 and self.reactor is not None:
            wheel_lift(&self.reactor.wheel, &self.timer)
        if self.fd >= 0:
            close(self.fd)

    cdef void on_event(self, uint32_t events) noexcept:
        pass

    cdef void on_timer(self) noexcept:
        pass

    cdef void on_turn(self) noexcept:
        pass

    cdef void on_gathered(self) noexcept:
        pass


cdef class Reactor:
    def __cinit__(self, *args, **kwargs):
        self.inner_fd = -1
        self.epfd = -1
        self.input = <char*>PyMem_Malloc(INPUT_SIZE)
        self.arena = <char*>PyMem_Malloc(ARENA_SIZE)
        self.sealed = <char*>PyMem_Malloc(SEALED_SIZE)
        self.staging = <char*>PyMem_Malloc(RECORD_SIZE)
        self.turn_room = 1024
        self.turns = <void**>PyMem_Malloc(self.turn_room * sizeof(void*))
        self.grave_room = 1024
        self.graveyard = <void**>PyMem_Malloc(self.grave_room * sizeof(void*))
        if self.sealed == NULL or self.staging == NULL:
            raise MemoryError
        if self.input == NULL or self.arena == NULL or self.turns == NULL or self.graveyard == NULL:
            raise MemoryError
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        if self.epfd < 0:
            raise OSError(limen_errno(), os.strerror(limen_errno()))
        self.now = monotonic()
        wheel_begin(&self.wheel, self.now)

    def __dealloc__(self):
        if self.epfd >= 0:
            close(self.epfd)
        PyMem_Free(self.input)
        PyMem_Free(self.arena)
        PyMem_Free(self.sealed)
        PyMem_Free(self.staging)
        PyMem_Free(self.turns)
        PyMem_Free(self.graveyard)

    cdef int watch(self, Handler handler, uint32_t events) noexcept:
        """Register the handler's descriptor, edge-triggered. Returns 0 or -errno."""
        cdef epoll_event event
        event.events = events | EPOLLET
        event.data.ptr = <void*>handler
        if epoll_ctl(self.epfd, EPOLL_CTL_ADD, handler.fd, &event) < 0:
            return -limen_errno()
        Py_INCREF(handler)
        handler.watched = True
        self.watched_count += 1
        return 0

    cdef int adopt(self, Handler handler, uint32_t events) noexcept:
        """Take over a descriptor that is registered for a handler which has let go of it."""
        cdef epoll_event event
        event.events = events | EPOLLET
        event.data.ptr = <void*>handler
        if epoll_ctl(self.epfd, EPOLL_CTL_MOD, handler.fd, &event) < 0:
            return -limen_errno()
        Py_INCREF(handler)
        handler.watched = True
        self.watched_count += 1
        return 0

    cdef void bury(self, Handler handler) noexcept:
        """Close the descriptor now, let go of the handler at the end of the batch."""
        cdef void** grown
        if handler.closed:
            return
        handler.closed = True
        if self.gather_owner == <void*>handler:
            # what was gathered for it has nowhere to go
            self.forget_gathered()
        if handler.timer.tick != 0:
            wheel_lift(&self.wheel, &handler.timer)
        handler.timer.deadline = 0
        if handler.fd >= 0:
            # close() also takes it out of the epoll set: no other descriptor shares the description
            close(handler.fd)
            handler.fd = -1
        if not handler.watched:
            return
        handler.watched = False
        self.watched_count -= 1
        if self.grave_count == self.grave_room:
            grown = <void**>PyMem_Realloc(self.graveyard, 2 * self.grave_room * sizeof(void*))
            if grown == NULL:
                return  # the handler leaks rather than dangles
            self.graveyard = grown
            self.grave_room *= 2
        self.graveyard[self.grave_count] = <void*>handler
        self.grave_count += 1

    cdef void bury_shared(self, Handler handler) noexcept:
        """As bury(), for a descriptor whose description other processes have, too: closing ours ends no events."""
        cdef epoll_event event
        if handler.watched and not handler.closed:
            epoll_ctl(self.epfd, EPOLL_CTL_DEL, handler.fd, &event)
        self.bury(handler)

    cdef void defer(self, Handler handler) noexcept:
        """Have handler.on_turn() called after the events of this batch."""
        cdef void** grown
        if handler.deferred or handler.closed:
            return
        if self.turn_count == self.turn_room:
            grown = <void**>PyMem_Realloc(self.turns, 2 * self.turn_room * sizeof(void*))
            if grown == NULL:
                return
            self.turns = grown
            self.turn_room *= 2
        handler.deferred = True
        Py_INCREF(handler)
        self.turns[self.turn_count] = <void*>handler
        self.turn_count += 1

    cdef void flush(self) noexcept:
        """Send what is gathered; afterwards input and arena may be used anew."""
        if self.gather_owner != NULL:
            (<Handler>self.gather_owner).on_gathered()
        self.forget_gathered()

    cdef void settle(self) noexcept:
        """Release what died in this batch."""
        cdef size_t i = 0
        while i < self.grave_count:
            # a destructor may bury others: the count is read anew each time
            Py_DECREF(<object>self.graveyard[i])
            i += 1
        self.grave_count = 0

    cdef int run(self, double timeout) except -2:
        """Work until asyncio has something to do or `timeout` seconds are over (negative: no end).

        Returns 1 if asyncio's own descriptors are ready.
        """
        cdef uint64_t end = 0
        cdef uint64_t soonest
        cdef int wait
        cdef int count
        cdef int i
        cdef bint ready = False
        cdef size_t turn
        cdef size_t turns
        cdef void* due
        cdef Handler handler
        self.now = monotonic()
        if timeout > 0:
            end = self.now + <uint64_t>(timeout * 1e9)
        while True:
            if self.turn_count or self.wake or timeout == 0:
                wait = 0
            else:
                soonest = wheel_next(&self.wheel)
                if end and (soonest == 0 or end < soonest):
                    soonest = end
                if soonest == 0:
                    wait = -1
                elif soonest <= self.now:
                    wait = 0
                else:
                    wait = <int>min((soonest - self.now + 999999) // 1000000, <uint64_t>60000)
            if wait == 0:
                count = epoll_wait(self.epfd, self.events, EVENT_SLOTS, 0)
            else:
                with nogil:
                    # a first look without sleeping would cost a call when idle and save one when busy
                    count = epoll_wait(self.epfd, self.events, EVENT_SLOTS, wait)
            if count < 0:
                if limen_errno() == EINTR:
                    return 1  # a signal: asyncio's wake-up descriptor has it
                raise OSError(limen_errno(), os.strerror(limen_errno()))
            self.now = monotonic()
            self.batches += 1
            for i in range(count):
                if self.events[i].data.ptr == NULL:
                    ready = True
                    continue
                handler = <Handler>self.events[i].data.ptr
                if not handler.closed:
                    if self.events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                        handler.hung = True
                    handler.on_event(self.events[i].events)
                    if self.gather_owner != NULL:
                        self.flush()
            # those deferred from here on wait for the next batch, so that nobody starves the events
            turns = self.turn_count
            turn = 0
            while turn < turns:
                handler = <Handler>self.turns[turn]
                handler.deferred = False
                if not handler.closed:
                    handler.on_turn()
                    if self.gather_owner != NULL:
                        self.flush()
                Py_DECREF(handler)
                turn += 1
            if turns:
                self.turn_count -= turns
                for turn in range(self.turn_count):
                    self.turns[turn] = self.turns[turn + turns]
            while True:
                due = wheel_fire(&self.wheel, self.now)
                if due == NULL:
                    break
                handler = <Handler>due
                if not handler.closed:
                    handler.on_timer()
                    if self.gather_owner != NULL:
                        self.flush()
            handler = None
            if self.grave_count:
                self.settle()
            if ready or self.wake or timeout == 0 or (end and self.now >= end):
                self.wake = False
                self.turns_given += 1
                return ready

    def poll(self, timeout: float | None) -> bool:
        """Serve connections until asyncio has work; True if its own descriptors are ready."""
        return self.run(-1.0 if timeout is None else max(timeout, 0.0)) == 1

    def nest(self, fd: int) -> None:
        """Watch asyncio's epoll descriptor; called once by the selector."""
        cdef epoll_event event
        event.events = EPOLLIN
        event.data.ptr = NULL
        if epoll_ctl(self.epfd, EPOLL_CTL_ADD, fd, &event) < 0:
            raise OSError(limen_errno(), os.strerror(limen_errno()))
        self.inner_fd = fd

    def selector(self) -> "ReactorSelector":
        """The selector to build the worker's asyncio loop with."""
        return ReactorSelector(self)


class ReactorSelector(selectors.EpollSelector):
    """asyncio's selector, with the reactor's work in place of sleeping."""

    def __init__(self, reactor):
        super().__init__()
        self._reactor = reactor
        reactor.nest(self.fileno())

    def select(self, timeout=None):
        """Serve connections for up to `timeout` seconds, then say which of asyncio's files are ready."""
        if self._reactor.poll(timeout):
            return super().select(0)
        return []
