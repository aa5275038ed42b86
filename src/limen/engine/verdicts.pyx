# Beside allow and deny a rule may have limits, and name a host that is dialled instead of the target.
#
# Whom to dial has to be known before a name is resolved, while a rule on addresses is decided afterwards. So the rules
# are asked twice where one of them waits for an address: without those, whom to dial; with the address of whom that
# is, whether it may be. The rule that redirects is the first that fits among those without addresses; so the second
# answer is that rule, or one on addresses before it.

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from limen.engine.access cimport (
    ACCESS_HTTP,
    ACCESS_HTTPS,
    ACCESS_TUNNEL,
    ALLOW,
    DENY,
    NEED_ADDRESS,
    AccessTable,
    AccessView,
)
from limen.engine.addresses cimport TargetHost
from limen.engine.admission cimport admit_rule
from limen.engine.effects cimport RuleEffect
from limen.engine.recording cimport record_for
from limen.engine.places cimport Places
from limen.engine.state cimport ExchangeState
from limen.engine.steering cimport place_of
from limen.engine.types cimport (
    FAULT_DENIED,
    FAULT_NONE,
    FIELD_CONTENT_TYPE,
    FRAMING_CHUNKED,
    FRAMING_LENGTH,
    FRAMING_NONE,
    Address,
    Field,
    Head,
)


cdef uint64_t NOT_TOLD = 0xFFFFFFFFFFFFFFFFULL


cdef void lay_request(ExchangeState exchange, AccessView* view) noexcept:
    cdef AccessTable access = exchange.service.access
    view.client = &exchange.peer
    view.host = exchange.host.name
    view.host_length = exchange.host.name_length
    view.port = exchange.host.port
    view.method_id = exchange.head.method
    view.method = exchange.base
    view.method_length = exchange.head.method_length
    view.target = NULL
    view.place = place_of(exchange) if access.asks_place else NULL
    view.target_place = NULL
    view.identity = <void*>exchange.identity if exchange.identity is not None else NULL
    view.by_name = view.answered = False
    view.path = NULL
    view.path_length = 0
    view.content_type = NULL
    view.content_type_length = 0
    view.content_size = 0
    if exchange.is_connect or exchange.base == NULL:
        view.scheme = ACCESS_TUNNEL
        return
    view.scheme = ACCESS_HTTPS if exchange.bridged is not None else ACCESS_HTTP
    if access.asks_path:
        view.path = exchange.path
        view.path_length = exchange.path_length
    if not access.asks_content:
        return
    if exchange.head.framing == FRAMING_LENGTH:
        view.content_size = exchange.head.length
    elif exchange.head.framing == FRAMING_CHUNKED:
        view.content_size = NOT_TOLD
    view.content_type = find_type(&exchange.head, exchange.fields, exchange.base, &view.content_type_length)


cdef void lay_target(ExchangeState exchange, AccessView* view, const Address* target) noexcept:
    cdef Places places = exchange.worker.places
    cdef uint32_t number
    view.target = target
    if target == NULL or places is None or not exchange.service.access.asks_target:
        return
    # one that is new may move the rows, and begin their numbers anew: the client's is taken again
    number = places.find(target)
    if exchange.service.access.asks_place:
        view.place = place_of(exchange)
    view.target_place = &places.rows[number]


cdef const char* find_type(const Head* head, const Field* fields, const char* base, size_t* size) noexcept:
    """The content type as it was sent; NULL: none."""
    cdef int i
    for i in range(head.count):
        if fields[i].id == FIELD_CONTENT_TYPE:
            size[0] = fields[i].value_length
            return base + fields[i].value
    return NULL


cdef int check_answer(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept:
    cdef AccessTable access = exchange.service.access
    cdef AccessView view
    cdef int rule = -1, dry = -1
    lay_request(exchange, &view)
    view.answered = True
    view.answer_type_length = 0
    view.answer_type = find_type(head, fields, base, &view.answer_type_length)
    view.answer_size = 0
    if head.framing == FRAMING_LENGTH:
        view.answer_size = head.length
    elif head.framing != FRAMING_NONE:
        view.answer_size = NOT_TOLD
    if access.decide(&view, &rule, &dry) != DENY:
        return FAULT_NONE
    if 0 <= dry and (exchange.rule < 0 or dry < exchange.rule) and (exchange.dry_rule < 0 or dry < exchange.dry_rule):
        exchange.dry_rule = dry
    if rule < 0 or 0 <= exchange.rule < rule:
        return FAULT_NONE
    exchange.rule = rule
    return FAULT_DENIED


cdef inline bint is_datagram(const AccessView* view) noexcept:
    return view.method_length == 3 and memcmp(view.method, b"UDP", 3) == 0


cdef const TargetHost* goal_of(ExchangeState exchange) noexcept:
    cdef TargetHost* host
    if exchange.redirect is None:
        return &exchange.host
    host = &exchange.redirect.host
    host.port = host.address.port = exchange.host.port
    return host


cdef inline bint is_same_host(RuleEffect one, RuleEffect other) noexcept:
    return one is not None and one.host.name_length == other.host.name_length and (
        memcmp(one.host.name, other.host.name, one.host.name_length) == 0
    )


cdef int follow(ExchangeState exchange, AccessView* view, int decision, bint dialled) noexcept:
    cdef AccessTable access = exchange.service.access
    cdef RuleEffect effect
    cdef int rule = exchange.rule, dry = -1
    if decision == DENY:
        return FAULT_DENIED
    if not dialled:
        exchange.redirect = None
    if decision == NEED_ADDRESS:
        if not access.redirects or dialled:
            return FAULT_NONE
        view.by_name = True
        if access.decide(view, &rule, &dry) == ALLOW and (<RuleEffect>access.effects[rule]).host.name_length:
            if is_datagram(view):
                return FAULT_DENIED
            exchange.redirect = <RuleEffect>access.effects[rule]
        return FAULT_NONE
    effect = <RuleEffect>access.effects[rule]
    if effect.host.name_length and exchange.redirect is not effect and not is_same_host(exchange.redirect, effect):
        if dialled or is_datagram(view):
            # a time window has opened in between, or there are new rules; of datagrams none is led elsewhere
            return FAULT_DENIED
        exchange.redirect = effect
        # the rules on addresses before this one were asked about the target: what is dialled is another
        exchange.need_address = exchange.need_address or view.target != NULL
    if exchange.asked_again:
        exchange.guard_now = effect.guard
    elif exchange.started and not is_datagram(view) and (effect.capture is not None or exchange.recording is not None):
        # (the rule before a look-up or a hook may have been another)
        record_for(exchange, effect.capture if effect.capture is not None else exchange.action.capture)
    # a question (limen.engine.explain) has not begun, and takes nothing
    if effect.guard is None or not exchange.started or exchange.asked_again:
        return FAULT_NONE
    return admit_rule(exchange, effect.guard, is_datagram(view))
