# The engine as Python sees it: listeners come and go, services are published, numbers are read.


from limen.engine.accepted cimport Accepted, Listener
from limen.engine.acceptor cimport Acceptor
from limen.engine.reactor cimport live_handlers
from limen.engine.service cimport Service
from limen.engine.stream cimport live_parties
from limen.engine.stream cimport Party
from limen.engine.sys cimport EPOLLIN, IPPROTO_TCP, TCP_NODELAY, monotonic, setsockopt
from limen.engine.types cimport FAULT_DRAIN
from limen.engine.worker cimport Worker

import os


cdef class Engine(Worker):
    """All native work of one worker: `asyncio.SelectorEventLoop(engine.selector())` runs it."""

    def __init__(self, **kwargs):
        self.listeners = {}
        self.acceptors = {}
        self.leaving = []

    def listen(self, key: str, fd: int, Service service not None) -> None:
        """Accept on a listening, non-blocking socket, which is duplicated. Several sockets may share a key."""
        cdef Listener listener = self.listeners.get(key)
        cdef Acceptor acceptor
        cdef int result
        cdef int one = 1
        self.enter()
        if listener is None:
            listener = Listener.__new__(Listener)
            listener.key = key
            listener.worker = self
            listener.service = service
            self.listeners[key] = listener
            self.acceptors[key] = []
        acceptor = Acceptor.__new__(Acceptor)
        acceptor.worker = self
        acceptor.reactor = self
        acceptor.listener = listener
        acceptor.fd = os.dup(fd)
        os.set_blocking(acceptor.fd, False)
        # accepted sockets inherit it, which saves a call for each; a unix socket has no such option
        setsockopt(acceptor.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
        result = self.watch(acceptor, EPOLLIN)
        if result < 0:
            self.bury_shared(acceptor)
            raise OSError(-result, os.strerror(-result))
        self.acceptors[key].append(acceptor)
        # connections that came before we watched make no edge
        self.defer(acceptor)
        self.wake = True

    def unlisten(self, key: str) -> None:
        """Stop accepting, the backlog taken; connections that stand end with their exchange, idle ones soon."""
        cdef Listener listener = self.listeners.pop(key, None)
        self.enter()
        self.stop_accepting(self.acceptors.pop(key, []))
        if listener is not None:
            self.drain_listener(listener)
            self.leaving = [one for one in (*self.leaving, listener) if (<Listener>one).connections]
        self.settle_now()

    def publish(self, services: dict[str, Service]) -> None:
        """Put services in force, by listener key: for every exchange that begins from now on."""
        for key, service in services.items():
            if key in self.listeners:
                (<Listener>self.listeners[key]).service = <Service?>service

    def renew(self, key: str) -> None:
        """Connections that stand end with their exchange, idle ones soon; tunnels go on, and so does accepting."""
        cdef Listener listener = self.listeners.get(key)
        self.enter()
        if listener is not None:
            self.drain_listener(listener)
        self.settle_now()

    def drain(self) -> None:
        """Stop accepting, the backlog taken; all ends with its exchange, what is idle soon. Tunnels go on."""
        self.enter()
        self.draining = True
        for acceptors in self.acceptors.values():
            self.stop_accepting(acceptors)
        for listener in self.listeners.values():
            self.drain_listener(<Listener>listener)
        self.settle_now()

    def stop(self) -> None:
        """Close everything at once."""
        self.enter()
        self.draining = True
        for acceptors in self.acceptors.values():
            for acceptor in acceptors:
                self.bury_shared(<Acceptor>acceptor)
            acceptors.clear()
        for listener in (*self.listeners.values(), *self.leaving):
            self.close_connections(<Listener>listener)
        for endpoint in tuple(self.direct.values()):
            endpoint.retire()
        self.settle_now()

    cdef int drain_listener(self, Listener listener) except -1:
        cdef void* at = listener.first
        cdef Accepted connection
        while at != NULL:
            connection = <Accepted>at
            at = connection.next
            connection.drain()
        return 0

    cdef int close_connections(self, Listener listener) except -1:
        cdef Accepted connection
        cdef Party party
        while listener.first != NULL:
            connection = <Accepted>listener.first
            # held: ending, it lets go of the connection, and the connection of it
            party = connection.party
            if party is not None:
                party.on_fault(connection, FAULT_DRAIN)
            connection.abort()
        return 0

    cdef int stop_accepting(self, list acceptors) except -1:
        for acceptor in acceptors:
            (<Acceptor>acceptor).accept_rest()
            self.flush()
            self.bury_shared(<Acceptor>acceptor)
        acceptors.clear()
        return 0

    cdef int enter(self) except -1:
        """Called from Python, outside of run(): the time of the last batch may be long ago."""
        self.now = monotonic()
        return 0

    cdef int settle_now(self) except -1:
        self.flush()
        self.settle()
        return 0

    def live(self) -> dict[str, int]:
        """What is going on: connections of clients, exchanges, tunnels."""
        return {"connections": self.connections, "exchanges": self.exchanges, "tunnels": self.tunnels}

    def counters(self) -> dict[str, int]:
        """Figures of the reactor, for the curious and for tests; a debug build adds its live objects."""
        cdef dict found = {
            "batches": self.batches, "turns_given": self.turns_given, "watched": self.watched_count,
            "direct": len(self.direct), "names": len(self.names), "pipes": self.pipes_kept,
        }
        if live_handlers() >= 0:
            # of the whole process
            found["handlers"] = live_handlers()
            found["parties"] = live_parties()
        return found
