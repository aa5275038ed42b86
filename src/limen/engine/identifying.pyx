# What is known costs a seal and a look; what is not, one call of Python. Nothing here depends on the client's address.

cimport cython
from libc.stdint cimport uint64_t

from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport client_text
from limen.engine.connection cimport Connection
from limen.engine.demand cimport IDENTITY_ASKED
from limen.engine.forwarding cimport is_trusted
from limen.engine.seal cimport limen_seal
from limen.engine.stream cimport OutField
from limen.engine.sys cimport monotonic
from limen.engine.tls.facts cimport facts_of
from limen.engine.tls.session cimport Session
from limen.engine.types cimport (
    FAULT_IDENTITY,
    FAULT_INTERNAL,
    FAULT_MEMORY,
    FAULT_NONE,
    SEEN,
    Field,
)
from limen.engine.ways cimport WAY_SOCKS4
from limen.engine.worker cimport OUT_FIELDS


cdef enum:
    # What a seal is of.
    SEALED_FIELD = 1
    SEALED_PAIR = 2


cdef int identify(ExchangeState exchange, Demand demand) noexcept:
    cdef Worker worker = exchange.worker
    cdef const Field* field = NULL
    cdef Facts facts = None
    cdef Seal seal
    cdef Claim claim
    cdef int i
    exchange.demand = demand
    if exchange.bridged is not None:
        # the connection is CONNECT's, and so is who it is for; credentials inside are the origin's
        exchange.identity = exchange.bridged.identity
        return FAULT_IDENTITY if exchange.identity is None and demand.required else FAULT_NONE
    if exchange.way_in >= WAY_SOCKS4 and exchange.identity is not None:
        # it said so before its request
        return FAULT_NONE
    exchange.identity = None
    if demand.wants_field and exchange.head.seen & SEEN(demand.field_id):
        for i in range(exchange.head.count):
            if exchange.fields[i].id != demand.field_id:
                continue
            if field != NULL:
                # which of both counts would be a guess
                return FAULT_IDENTITY
            field = &exchange.fields[i]
    if demand.wants_certificate:
        facts = shown_certificate(exchange)
    if demand.binders is not None:
        if field != NULL:
            # whatever becomes of what is shown now, it stands in for what was shown before
            (<Accepted>exchange.client).bond = None
        else:
            exchange.identity = bound_here(exchange, demand)
            if exchange.identity is not None:
                return FAULT_NONE
    if field == NULL and facts is None:
        return FAULT_IDENTITY if demand.required else FAULT_NONE
    if worker.identities is None:
        return FAULT_INTERNAL
    if field != NULL:
        seal_shown(
            worker, demand.number << 8 | SEALED_FIELD, facts, exchange.base + field.value, field.value_length, &seal
        )
    else:
        seal_shown(worker, demand.number << 8, facts, NULL, 0, &seal)
    exchange.identity = worker.identities.find(&seal, worker.now)
    if exchange.identity is not None:
        return FAULT_NONE
    try:
        claim = Claim.__new__(Claim)
        if field != NULL:
            claim.field = exchange.base[field.value:field.value + field.value_length]
    except MemoryError:
        return FAULT_MEMORY
    claim.worker = worker
    claim.demand = demand
    claim.waiter = exchange
    claim.peer = exchange.peer
    claim.seal = seal
    claim.facts = facts
    exchange.claim = claim
    # content waits as well: where it goes is not yet known
    exchange.client.pause()
    claim.begin()
    if claim.waiter is None:
        exchange.claim = None
        exchange.client.resume()
        return FAULT_INTERNAL
    return IDENTITY_ASKED


cdef int take_claim(ExchangeState exchange, object claim) noexcept:
    exchange.claim = None
    exchange.identity = (<Claim>claim).identity
    exchange.token_refused = (<Claim>claim).token_refused
    exchange.told_back = (<Claim>claim).told_back
    if (<Claim>claim).bond is not None and not is_shared(exchange):
        (<Accepted>exchange.client).bond = (<Claim>claim).bond
    exchange.client.resume()
    return (<Claim>claim).fault


cdef Identity bound_here(ExchangeState exchange, Demand demand):
    """Who the connection is for, if somebody of this demand vouches for it yet."""
    cdef Bond bond = (<Accepted>exchange.client).bond
    if bond is None or bond.expires <= exchange.worker.now:
        return None
    # by itself: after a reload, one that has changed is another one
    for binder in demand.binders:
        if binder is bond.binder:
            return bond.identity
    return None


cdef bint is_shared(ExchangeState exchange) noexcept:
    """Whether a connection may carry requests of several clients (RFC 4559, 6): then each has to show its own."""
    return exchange.sender.family == 1 or is_trusted(exchange)


cdef Facts shown_certificate(ExchangeState exchange):
    cdef Session tls = (<Connection>exchange.client).tls
    cdef Facts facts = facts_of(tls) if tls is not None else None
    return facts if facts is not None and facts.presented else None


cdef void seal_shown(
    Worker worker, uint64_t what, Facts facts, const char* data, size_t size, Seal* seal
) noexcept:
    cdef uint64_t words[3]
    words[0] = what
    words[1] = words[2] = 0
    if facts is not None:
        limen_seal(
            worker.identities.key, words, 1, <const char*>facts.fingerprint, <size_t>len(facts.fingerprint), &seal.low
        )
        words[1] = seal.low
        words[2] = seal.high
    limen_seal(worker.identities.key, words, 3, data, size, &seal.low)


cdef void seal_pair(
    Worker worker, Demand demand, const char* name, size_t size, const char* password, size_t length, Seal* seal
) noexcept:
    cdef uint64_t words[3]
    words[0] = demand.number << 8 | SEALED_PAIR
    limen_seal(worker.identities.key, words, 1, name, size, &seal.low)
    words[1] = seal.low
    words[2] = seal.high
    limen_seal(worker.identities.key, words, 3, password, length, &seal.low)


cdef Identity known_pair(
    Worker worker, Demand demand, const char* name, size_t size, const char* password, size_t length
):
    cdef Seal seal
    if worker.identities is None:
        return None
    seal_pair(worker, demand, name, size, password, length, &seal)
    return worker.identities.find(&seal, worker.now)


cdef Claim claim_pair(
    Worker worker, Demand demand, Party waiter, const Address* peer, const char* name, size_t size,
    const char* password, size_t length
):
    cdef Claim claim
    if worker.identities is None:
        return None
    try:
        claim = Claim.__new__(Claim)
        claim.name = name[:size]
        claim.password = password[:length]
    except MemoryError:
        return None
    claim.worker = worker
    claim.demand = demand
    claim.waiter = waiter
    claim.peer = peer[0]
    seal_pair(worker, demand, name, size, password, length, &claim.seal)
    claim.begin()
    return claim if claim.waiter is not None else None


cdef void drop_claim(Claim claim) noexcept:
    """Nobody waits any more."""
    cdef object state = claim.state
    claim.waiter = None
    claim.state = None
    if state is None:
        return
    claim.worker.wake = True
    try:
        state.ended()
    except Exception as error:
        claim.worker.tell(40, f"identity: {error!r}")


@cython.final
cdef class Claim:
    """What a client has shown, until `settle`."""

    cdef void begin(self) noexcept:
        """Have it verified; without a waiter afterwards if that cannot be."""
        self.worker.wake = True
        try:
            self.worker.identify(self)
        except Exception as error:
            self.worker.tell(40, f"identity could not be asked for: {error!r}")
            self.waiter = None
            self.state = None

    @property
    def is_open(self) -> bool:
        """Whether somebody waits."""
        return self.waiter is not None

    @property
    def key(self) -> bytes:
        """Equal for all that show the same for the same demand; secret, and new with every process."""
        return self.seal.low.to_bytes(8, "little") + self.seal.high.to_bytes(8, "little")

    def client(self) -> str:
        """The client's address, for slowing down those that guess; never what an identity depends on."""
        return client_text(&self.peer)

    def certificate(self):
        """Subject, fingerprint, alternative names and DER of the client's certificate; None without."""
        if self.facts is None:
            return None
        return (
            self.facts.subject.decode("utf-8", "replace"), self.facts.fingerprint.decode(),
            self.facts.names.decode("utf-8", "replace").splitlines(), self.facts.certificate,
        )

    def settle(
        self, Identity identity=None, *, int fault=FAULT_NONE, double lifetime=0.0, bint token_refused=False,
        object binder=None, bytes told_back=None
    ) -> None:
        """Tell the waiter, once: the identity, known for `lifetime` seconds, or the fault. Later calls do nothing.

        With a `binder` it holds for the connection, and not for others that show the same.
        Called from Python's turn of the loop, never while `identify` is called. ValueError for neither.
        """
        cdef Party waiter = self.waiter
        if identity is None and fault == FAULT_NONE:
            raise ValueError("neither an identity nor a fault")
        if waiter is None:
            return
        self.waiter = None
        self.state = None
        self.identity = identity if fault == FAULT_NONE else None
        self.fault = fault
        self.token_refused = token_refused
        # outside of run(): the time of the last batch may be long ago
        self.worker.now = monotonic()
        if self.identity is not None:
            self.told_back = told_back
        if self.identity is not None and binder is not None:
            self.bond = Bond.__new__(Bond)
            self.bond.identity = identity
            self.bond.binder = binder
            self.bond.expires = self.worker.now + <uint64_t>(lifetime * 1e9)
        elif self.identity is not None and lifetime > 0 and self.worker.identities is not None:
            self.worker.identities.keep(&self.seal, identity, self.worker.now + <uint64_t>(lifetime * 1e9))
        waiter.on_identified(self)
        self.worker.flush()

    def __repr__(self) -> str:
        return f"<Claim {self.demand!r} open={self.waiter is not None} fault={self.fault}>"


cdef void add_demanded(ExchangeState exchange, unsigned int* count, bytes value) noexcept:
    """A field of the name in which credentials are asked for; nothing where there is no room for another one."""
    cdef bytes name = exchange.demand.name
    cdef OutField* field
    if count[0] >= OUT_FIELDS:
        return
    field = &exchange.worker.out[count[0]]
    field.name = <const char*>name
    field.name_length = <unsigned int>len(name)
    field.value = <const char*>value
    field.value_length = <unsigned int>len(value)
    count[0] += 1


cdef void add_challenges(ExchangeState exchange, unsigned int* count) noexcept:
    cdef Demand demand = exchange.demand
    cdef bytes text
    for text in demand.refusals if exchange.token_refused else demand.challenges:
        add_demanded(exchange, count, text)


cdef void add_told_back(ExchangeState exchange, unsigned int* count, int status) noexcept:
    if status != 401 and status != 407 and exchange.demand is not None:
        add_demanded(exchange, count, exchange.told_back)
