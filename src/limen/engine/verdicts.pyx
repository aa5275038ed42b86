# Beside allow and deny a rule may have limits, and name a host that is dialled instead of the target.
#
# Whom to dial has to be known before a name is resolved, while a rule on addresses is decided afterwards. So the rules
# are asked twice where one of them waits for an address: without those, whom to dial; with the address of whom that
# is, whether it may be. The rule that redirects is the first that fits among those without addresses; so the second
# answer is that rule, or one on addresses before it.

from libc.stdint cimport uint64_t
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
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport (
    FAULT_DENIED,
    FAULT_NONE,
    FIELD_CONTENT_TYPE,
    FRAMING_CHUNKED,
    FRAMING_LENGTH,
    Field,
)


cdef uint64_t NOT_TOLD = 0xFFFFFFFFFFFFFFFFULL


cdef void lay_request_view(ExchangeState exchange, AccessView* view) noexcept:
    cdef AccessTable access = exchange.service.access
    cdef const Field* field
    cdef int i
    view.by_name = False
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
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id == FIELD_CONTENT_TYPE:
            view.content_type = exchange.base + field.value
            view.content_type_length = field.value_length
            return


cdef inline bint is_datagram(const AccessView* view) noexcept:
    return view.method_length == 3 and memcmp(view.method, b"UDP", 3) == 0


cdef const TargetHost* goal_of(ExchangeState exchange) noexcept:
    cdef TargetHost* host
    if exchange.redirect is None:
        return &exchange.host
    host = &exchange.redirect.host
    host.port = host.address.port = exchange.host.port
    return host


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
    if effect.host.name_length and exchange.redirect is not effect:
        if dialled:
            # a time window has opened in between
            return FAULT_DENIED
        if is_datagram(view):
            # there is no exchange that would go elsewhere as a whole
            return FAULT_DENIED
        exchange.redirect = effect
        # the rules on addresses before this one were asked about the target: what is dialled is another
        exchange.need_address = exchange.need_address or view.target != NULL
    # a question (limen.engine.explain) has not begun, and takes nothing
    return admit_rule(exchange, effect.guard) if effect.guard is not None and exchange.started else FAULT_NONE
