# All that is known of one exchange. Data only; exchange.pyx moves it, forwarding.pyx reads it.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.addresses cimport TargetHost
from limen.engine.alarm cimport Alarm
from limen.engine.bridged cimport Bridged
from limen.engine.capture cimport Recording
from limen.engine.demand cimport Demand
from limen.engine.dial cimport Dial
from limen.engine.effects cimport RuleEffect
from limen.engine.guard cimport Guard, Limit
from limen.engine.identity cimport Identity
from limen.engine.keep cimport Keep
from limen.engine.meter cimport Meter
from limen.engine.service cimport Action, Service
from limen.engine.split cimport Split
from limen.engine.stream cimport Party, Stream
from limen.engine.types cimport Address, Field, Head
from limen.engine.upstream cimport Endpoint, Upstream
from limen.engine.ways_out cimport Egress, Way
from limen.engine.worker cimport Worker


cdef enum Phase:
    # In order; an exchange never goes back but from EGRESS to EGRESS (another attempt).
    PHASE_REQUEST = 0
    PHASE_ROUTE = 1
    PHASE_ACCESS = 2
    PHASE_HOOK = 3            # parked: Python has it
    PHASE_EGRESS = 4          # looking up, dialling
    PHASE_FORWARD = 5         # request goes out, response awaited
    PHASE_RESPONSE_HOOK = 6   # parked with a response head
    PHASE_REPLY = 7           # response goes to the client
    PHASE_TUNNEL = 8
    PHASE_LOG = 9             # over


cdef class ExchangeState(Party):
    cdef Worker worker
    cdef Stream client
    cdef Stream origin        # None until an attempt is under way
    cdef Service service
    cdef Action action
    cdef Upstream upstream
    cdef Endpoint endpoint
    cdef Endpoint avoid       # failed last
    cdef Split split          # of the route, None: it has none
    cdef int32_t share        # of it
    cdef int32_t told         # the share that the client's cookie names; -1: none, or not by the newest key
    cdef Endpoint own         # that the client's cookie names; None: none. See MARK_LOOKED
    cdef uint32_t marks       # steering.CookieMark
    cdef list tried           # Endpoints that failed, if they are several
    cdef Alarm alarm          # the end of an attempt or a pause, or of all patience
    cdef Party hedge          # a hedge.Hedge
    cdef uint64_t counted     # bytes that talkers know of already
    cdef Recording recording  # of what it shows, for a capture; None: it is not recorded
    cdef Meter meter          # of its bandwidth and quotas; None: nothing is measured
    cdef uint64_t until       # monotonic ns: the deadline; 0 = none
    cdef uint64_t budget_until         # how long it waits for the budget
    cdef int held_fault       # of the attempt that failed last, while pausing or forsaken
    cdef int held_cause
    cdef Dial dial
    cdef Egress egress        # by which it goes out; None: directly, or to an upstream
    cdef Way way_out          # one of it: that of `endpoint`
    cdef Endpoint pool        # with an egress: where connections to this target by this way rest
    cdef Address exit         # what the way is asked for, if the name was resolved here; family 0: the name itself
    cdef Bridged bridged      # where the client's connection goes, if its TLS is bridged
    cdef Identity identity    # who it is for; None: nobody said, or nobody asked
    cdef Demand demand        # that was made of it last
    cdef object claim         # an identifying.Claim, as long as Python verifies it
    cdef bint token_refused   # it showed a token that was not taken
    cdef bytes told_back      # value of the challenges' field in its answer: we prove who we are; None: nothing
    # the request
    cdef char* block          # owned: `fields`, then the head's bytes
    cdef Field* fields        # borrowed from block
    cdef const char* base     # borrowed from block: where the offsets count from
    cdef Head head
    cdef TargetHost host      # of the target, canonical; name_length 0 if an HTTP/1.0 client named none
    cdef const char* path     # normalised; borrowed from block or `normal`
    cdef size_t path_length
    cdef char* normal         # owned; the path if it had to be normalised
    cdef bytes rewritten      # request path from `replace`, or None
    cdef bytes ja4            # opaque: fingerprint of the client's hello, if something asks for it
    cdef Address peer         # who the client is (behind trusted proxies)
    cdef Address sender       # who is connected
    cdef char id[128]         # request id
    cdef uint32_t id_length
    cdef int minor            # of the client's version
    # where it stands
    cdef uint8_t phase
    cdef bint request_over
    cdef bint origin_ready    # the head went to the present origin
    cdef bint response_begun  # a final head went to the client
    cdef bint finished
    cdef bint fresh           # don't take a connection from the pool any more
    cdef bint pinned          # `endpoint` was set by a hook
    cdef bint need_address    # access rules are to be asked again with the address
    cdef bint is_connect
    cdef bint looking         # CONNECT: its TLS will be looked at
    cdef uint8_t way_in       # ways.WayIn: what the client speaks; 0: HTTP
    cdef bint awaits          # SOCKS BIND: the peer comes to us
    cdef bint is_opaque       # a stream listener's: no HTTP at all
    cdef bint is_upgrade
    cdef bint settled         # `egress` was decided
    cdef bint passing         # with an egress that has parents: the way is not open yet
    cdef bint absolute        # the parent gets the request itself, in absolute-form
    cdef bint waiting         # in the upstream's queue
    cdef bint entered         # counted as active at `endpoint`
    cdef bint retrying        # counted in upstream.retrying
    cdef bint pausing         # between two attempts
    cdef bint forsaken        # its own attempt has failed, a hedge is still under way
    cdef bint mirroring       # a copy goes to the mirror once the request is whole
    cdef int attempts
    cdef int fault
    cdef int rule             # access rule that decided, -1 = none
    cdef int dry_rule         # that would have decided but is dry, -1 = none
    cdef RuleEffect redirect  # of the rule that says whom to dial instead; None: the target
    cdef bint asked_again     # rules are asked of what goes on already: no limits are taken
    cdef Guard rule_guard     # of the rule whose limits were taken; None: none were
    cdef Guard guard_now      # asked again: of the rule that lets it pass now
    cdef uint32_t rule_places[8]       # of LimitCells, to be left
    cdef uint8_t retry_blocked
    cdef bint holds_limits    # some of limit_places are taken
    cdef Limit refusing       # the limit that refused, or with dry_run would have; None: none
    cdef uint8_t limit_told   # number + 1 of the limit whose RateLimit field is told
    cdef int64_t limit_wait   # ns until the one that refused would allow
    cdef int64_t limit_left   # ns that are left of the one that is told
    cdef uint32_t limit_places[8]      # of LimitCells, to be left
    cdef uint16_t status
    cdef uint64_t received    # bytes of content
    cdef uint64_t sent
    cdef uint64_t started     # monotonic ns
    cdef uint64_t dialled_at
    cdef uint64_t dial_time
    cdef uint64_t forwarded_at
    cdef uint64_t response_time
    # content kept for another attempt, or until there is an origin
    cdef Keep keep
    cdef uint64_t keep_sent   # of it, to the present origin
    cdef bint keep_lost       # content has passed that was not kept: no other attempt
    cdef char* trailer_block  # owned: trailer fields, then their bytes; NULL when there are none
    cdef unsigned int trailer_count
    # hooks
    cdef object hook_state    # what Python keeps with this exchange
    cdef int hook_index
    cdef Keep response_keep   # content of a response that a hook waits for
    cdef char* response_block # owned: head of a response parked for a hook
    cdef Field* response_fields        # borrowed from response_block
    cdef const char* response_base     # borrowed from response_block
    cdef Head response_head
    cdef bint response_over
    cdef bint parked
    cdef bint continued       # a 100 was sent from here
    cdef bint replaced        # the request's content is a hook's; the client's own is read off
    cdef object body_waiter   # callable(content or None): a hook reads the content
    cdef uint64_t body_limit
