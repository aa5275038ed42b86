# Who a client is, asked once for each request (or SOCKS connection): known of late, or verified by Python meanwhile.
#
#   shown --(sealed; known)--> Identity
#      \--(not known)--> Claim: Python verifies --settle()--> waiter.on_identified(claim), once, if it still waits
#
# Credentials that are good for once (RFC 4559) are never known by their seal. Who has shown them is bound to the
# connection instead: its further requests are for the same, as long as its binder says and they show nothing else.
#
# With a field or a certificate: identify(). With a name and a password that came otherwise (SOCKS5, RFC 1929):
#
#   found = known_pair(worker, demand, name, size, password, length)          # an Identity, or None
#   if found is None:
#       claim = claim_pair(worker, demand, waiter, &peer, name, size, password, length)
#       # None: FAULT_INTERNAL or FAULT_MEMORY; otherwise Party.on_identified(claim) comes later, never from within.
#       # Keep the claim; drop_claim(claim) if the connection ends before.
#
# In on_identified(): `claim.fault` is FAULT_NONE and `claim.identity` is set, or it is the fault to answer with:
# FAULT_IDENTITY (wrong), FAULT_IDENTITY_SLOWED (after too many wrong ones), FAULT_IDENTITY_SHED,
# FAULT_IDENTITY_PROVIDER.

from libc.stdint cimport uint64_t

from limen.engine.demand cimport Demand
from limen.engine.identity cimport Bond, Identity
from limen.engine.seal cimport Seal
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Party
from limen.engine.tls.facts cimport Facts
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


cdef class Claim:
    # What a client has shown, as long as somebody verifies it.
    cdef Worker worker
    cdef Party waiter         # None: settled, or nobody waits any more
    cdef Address peer
    cdef Seal seal
    cdef Facts facts          # of the client's TLS, if its certificate counts
    cdef readonly Demand demand
    cdef readonly bytes field         # value of the credentials' field; None: there was none
    cdef readonly bytes name          # of a pair; None: it is none
    cdef readonly bytes password
    cdef public object state          # Python's; its ended() is called if nobody waits any more
    cdef readonly Identity identity   # once settled
    cdef readonly int fault
    cdef bint token_refused   # the field held a token, and it was not taken
    cdef Bond bond            # once settled: it holds for the connection; None: for what was shown
    cdef bytes told_back      # what the answer says to it in the challenges' field; None: nothing

    cdef void begin(self) noexcept


# FAULT_NONE with exchange.identity (None: nobody, which is allowed), IDENTITY_ASKED with exchange.claim, or the fault.
cdef int identify(ExchangeState exchange, Demand demand) noexcept
# What Python has found out goes to the exchange; the fault of it.
cdef int take_claim(ExchangeState exchange, object claim) noexcept
cdef void drop_claim(Claim claim) noexcept
cdef Identity known_pair(
    Worker worker, Demand demand, const char* name, size_t size, const char* password, size_t length
)
cdef Claim claim_pair(
    Worker worker, Demand demand, Party waiter, const Address* peer, const char* name, size_t size,
    const char* password, size_t length
)
# The challenges of the demand that the exchange did not meet, into worker.out.
cdef void add_challenges(ExchangeState exchange, unsigned int* count) noexcept
# What proves to the client who we are, into worker.out; nothing where the status makes a challenge of it.
cdef void add_told_back(ExchangeState exchange, unsigned int* count, int status) noexcept
