# Which way a request goes: its target, its route, its rules, its id. Each answers with a fault;
# what follows from that is the phase machine's business.

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from limen.engine.accepted cimport Accepted
from limen.engine.access cimport DENY, NEED_ADDRESS, AccessView
from limen.engine.addresses cimport HOST_NAME, TargetHost, is_special, parse_authority
from limen.engine.bridged cimport Bridged
from limen.engine.connection cimport Connection
from limen.engine.forwarding cimport is_id_field, is_trusted
from limen.engine.keys cimport KeyRecord
from limen.engine.service cimport TARGET_FROM_REQUEST, Action, Service
from limen.engine.state cimport ExchangeState
from limen.engine.steering cimport place_of, take_share
from limen.engine.tables cimport RequestView, normalize_path
from limen.engine.tls.contexts cimport ServerContext
from limen.engine.tls.facts cimport Facts, facts_of
from limen.engine.tls.session cimport Session
from limen.engine.transparent cimport find_host
from limen.engine.types cimport (
    FAULT_DENIED,
    FAULT_FRONTING,
    FAULT_HOST,
    FAULT_IDENTITY,
    FAULT_INTERNAL,
    FAULT_LOOP,
    FAULT_MEMORY,
    FAULT_METHOD,
    FAULT_MISDIRECTED,
    FAULT_NONE,
    FAULT_NO_ROUTE,
    FAULT_SCHEME,
    FAULT_TARGET,
    FAULT_TARGET_ADDRESS,
    FIELD_MAX_FORWARDS,
    FIELD_UPGRADE,
    FORM_ASTERISK,
    FORM_AUTHORITY,
    FORM_ORIGIN,
    METHOD_CONNECT,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_TRACE,
    SCHEME_HTTP,
    SCHEME_HTTPS,
    Address,
    Field,
    Head,
)
from limen.engine.verdicts cimport follow, lay_request, lay_target


cdef void lay_id(ExchangeState exchange) noexcept:
    """The request id: a trusted sender's own, or a new one."""
    cdef int i
    cdef const Field* field
    if exchange.service.id_field is None or len(exchange.service.id_field) == 0:
        return
    if exchange.service.id_trust or is_sender_trusted(exchange):
        for i in range(exchange.head.count):
            field = &exchange.fields[i]
            if not is_id_field(exchange, field, exchange.base):
                continue
            if 0 < field.value_length <= sizeof(exchange.id) and is_visible(
                exchange.base + field.value, field.value_length
            ):
                memcpy(exchange.id, exchange.base + field.value, field.value_length)
                exchange.id_length = field.value_length
                return
    exchange.id_length = exchange.worker.request_id(exchange.id)


cdef bint is_sender_trusted(ExchangeState exchange) noexcept:
    return (
        exchange.service.trusted is not None and exchange.sender.family != 1
        and exchange.service.trusted.contains(exchange.sender.ip)
    )


cdef int find_target(ExchangeState exchange) noexcept:
    """Where the exchange goes, from the request or from the route: the one place that asks."""
    cdef Head* head = &exchange.head
    cdef int result
    if exchange.bridged is not None:
        return find_bridged(exchange)
    if exchange.service.transparent:
        return find_host(exchange)
    if exchange.service.target_source == TARGET_FROM_REQUEST:
        if head.form == FORM_AUTHORITY:
            exchange.is_connect = True
            exchange.host.port = 0
            result = parse_authority(exchange.base + head.authority, head.authority_length, 0, &exchange.host)
            return FAULT_TARGET if result < 0 or exchange.host.port == 0 else FAULT_NONE
        if head.form == FORM_ORIGIN or head.form == FORM_ASTERISK:
            return FAULT_TARGET
        if head.scheme != SCHEME_HTTP:
            return FAULT_SCHEME
        if parse_authority(exchange.base + head.authority, head.authority_length, 80, &exchange.host) < 0:
            return FAULT_TARGET
        return FAULT_NONE
    if head.method == METHOD_CONNECT:
        return FAULT_METHOD
    if head.authority_length:
        result = parse_authority(exchange.base + head.authority, head.authority_length, 80, &exchange.host)
        return FAULT_TARGET if result < 0 else FAULT_NONE
    if head.host_length:
        result = parse_authority(exchange.base + head.host, head.host_length, 80, &exchange.host)
        return FAULT_HOST if result < 0 else FAULT_NONE
    exchange.host.name_length = 0
    return FAULT_NONE


cdef int find_bridged(ExchangeState exchange) noexcept:
    """Inside bridged TLS: where CONNECT went, whatever the request says; what it says has to agree."""
    cdef Head* head = &exchange.head
    cdef Bridged bridged = exchange.bridged
    cdef TargetHost said
    exchange.host = bridged.host
    if bridged.fault:
        return bridged.fault
    if head.method == METHOD_CONNECT:
        return FAULT_METHOD
    if head.authority_length:
        if head.scheme != SCHEME_HTTPS:
            return FAULT_SCHEME
        if parse_authority(exchange.base + head.authority, head.authority_length, 443, &said) < 0:
            return FAULT_TARGET
    elif head.host_length == 0 or parse_authority(exchange.base + head.host, head.host_length, 443, &said) < 0:
        return FAULT_HOST
    if bridged.bridge.same_host and (
        said.port != bridged.host.port
        or (not is_named(&said, bridged.name) and not is_named(&said, bridged.host.name[:bridged.host.name_length]))
    ):
        return FAULT_FRONTING
    return FAULT_NONE


cdef inline bint is_named(const TargetHost* host, bytes name) noexcept:
    return host.name_length == <size_t>len(name) and memcmp(host.name, <const char*>name, host.name_length) == 0


cdef int check_authority(ExchangeState exchange, Session tls) noexcept:
    """Whether the connection stands for the host: one certificate, one set of names (RFC 9110, 15.5.20)."""
    cdef ServerContext context
    cdef const KeyRecord* record
    cdef const char* name
    cdef size_t size = 0
    cdef int number
    if tls is None or exchange.service.target_source == TARGET_FROM_REQUEST or exchange.host.name_length == 0:
        return FAULT_NONE
    if exchange.service.passes is not None:
        number = exchange.service.passes.find_host(exchange.host.name, exchange.host.name_length)
        if 0 <= number < exchange.service.opened:
            # hellos with this name are passed on: nobody speaks for it here
            return FAULT_MISDIRECTED
    context = <ServerContext>tls.context
    record = context.look_up(exchange.host.name, exchange.host.name_length)
    if (<int>record.first if record != NULL else 0) != tls.choice:
        return FAULT_MISDIRECTED
    if record == NULL:
        # the default is for whoever asks for no name that we have; a trusted proxy asks for Limen's own, and then
        # speaks for all of its clients
        name = tls.server_name(&size)
        if size and context.look_up(name, size) != NULL and not is_trusted(exchange):
            return FAULT_MISDIRECTED
    return FAULT_NONE


cdef bint is_for_pac(ExchangeState exchange) noexcept:
    cdef Head* head = &exchange.head
    return head.form == FORM_ORIGIN and exchange.service.pac.is_asked(exchange.base + head.path, head.path_length) and (
        head.method == METHOD_GET or head.method == METHOD_HEAD
    )


cdef bint is_last_hop(ExchangeState exchange) noexcept:
    """Max-Forwards: 0 with TRACE or OPTIONS ends here (RFC 9110, 7.6.2)."""
    cdef int i
    cdef uint32_t j
    cdef const Field* field
    if exchange.head.method != METHOD_TRACE and exchange.head.method != METHOD_OPTIONS:
        return False
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id == FIELD_MAX_FORWARDS:
            for j in range(field.value_length):
                if exchange.base[field.value + j] != 48:
                    return False
            return True
    return False


cdef int settle_path(ExchangeState exchange) noexcept:
    """exchange.path: the request's, normalised."""
    cdef Head* head = &exchange.head
    cdef int length
    exchange.path = exchange.base + head.path
    exchange.path_length = head.path_length
    if head.path_length == 0:
        exchange.path = b"*" if head.form == FORM_ASTERISK else b"/"
        exchange.path_length = 1
    elif not is_plain(exchange.path, exchange.path_length):
        free(exchange.normal)
        exchange.normal = <char*>malloc(exchange.path_length)
        if exchange.normal == NULL:
            return FAULT_MEMORY
        length = normalize_path(exchange.path, exchange.path_length, exchange.normal, exchange.path_length)
        if length < 0:
            return FAULT_TARGET
        if length > 0:
            exchange.path = exchange.normal
            exchange.path_length = <size_t>length
    return FAULT_NONE


cdef int find_route(ExchangeState exchange) noexcept:
    cdef Head* head = &exchange.head
    cdef int index
    cdef int fault
    if exchange.is_connect or exchange.service.routes is None:
        exchange.path = exchange.base + head.path
        exchange.path_length = head.path_length
        if exchange.service.access is not None and exchange.service.access.asks_path and not exchange.is_connect:
            # what rules see; what the target sees stays as it is
            return settle_path(exchange)
        return FAULT_NONE
    fault = settle_path(exchange)
    if fault != FAULT_NONE:
        return fault
    index = route_of(exchange, exchange.service)
    if index < 0:
        return FAULT_NO_ROUTE
    exchange.action = <Action>exchange.service.routes.actions[index]
    if exchange.action.split is not None:
        take_share(exchange)
    exchange.upstream = exchange.action.upstream
    if exchange.action.replace is not None:
        return rewrite_path(exchange)
    return FAULT_NONE


cdef int route_of(ExchangeState exchange, Service service) noexcept:
    cdef RequestView view
    cdef Head* head = &exchange.head
    view.head = exchange.base
    view.fields = exchange.fields
    view.count = head.count
    view.host = exchange.host.name
    view.host_length = exchange.host.name_length
    view.path = exchange.path
    view.path_length = exchange.path_length
    view.query = exchange.base + head.query
    view.query_length = head.query_length
    view.method = exchange.base
    view.method_length = head.method_length
    view.method_id = head.method
    view.client = &exchange.peer
    view.certificate = NULL
    view.ja4 = NULL
    view.ja4_length = 0
    view.place = place_of(exchange) if service.routes.asks_place else NULL
    view.identity = <void*>exchange.identity if exchange.identity is not None else NULL
    if service.routes.asks_certificate or service.routes.asks_ja4:
        look_at_tls(exchange, service, &view)
    return service.routes.match(&view)


cdef void look_at_tls(ExchangeState exchange, Service service, RequestView* view) noexcept:
    cdef Session tls = (<Connection>exchange.client).tls
    cdef Facts facts
    if tls is None:
        return
    if service.routes.asks_certificate:
        facts = facts_of(tls)
        # the session keeps them
        view.certificate = facts.shown() if facts is not None else NULL
    if tls.ja4 is not None:
        view.ja4 = <const char*>tls.ja4
        view.ja4_length = <size_t>len(tls.ja4)


cdef bint has_certificate(ExchangeState exchange) noexcept:
    """Whether the client has shown the certificate that the route wants."""
    cdef Session tls = (<Connection>exchange.client).tls
    cdef Facts facts = facts_of(tls) if tls is not None else None
    return exchange.action.certificate.holds(facts.shown() if facts is not None else NULL)


cdef int rewrite_path(ExchangeState exchange) noexcept:
    """The route's regular expression on the path; a result that is no path refuses the request."""
    cdef bytes path
    cdef unsigned char c
    try:
        path = exchange.action.replace(exchange.path[:exchange.path_length])
    except Exception as error:
        exchange.worker.tell(40, f"route {exchange.action.name}: rewrite failed: {error!r}")
        return FAULT_INTERNAL
    if not path.startswith(b"/"):
        path = b"/" + path
    for c in path:
        if c <= 32 or c >= 127 or c == 35 or c == 63:
            exchange.worker.tell(40, f"route {exchange.action.name}: rewriting made an invalid path {path!r}")
            return FAULT_INTERNAL
    exchange.rewritten = path
    return FAULT_NONE


cdef bint upgrade_allowed(ExchangeState exchange) noexcept:
    """h2c is not passed: it would open a channel in which nothing is checked any more."""
    cdef int i
    cdef uint32_t j
    cdef const Field* field
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id != FIELD_UPGRADE:
            continue
        for j in range(field.value_length):
            if field.value_length - j >= 3 and (exchange.base[field.value + j] | 32) == 104 and (
                exchange.base[field.value + j + 1] == 50
            ):
                return False
    return True


cdef int check_access(ExchangeState exchange, const Address* target) noexcept:
    cdef AccessView view
    cdef int decision
    cdef const Address* known = target
    if exchange.service.transparent and (target == NULL or exchange.redirect is None):
        # from the beginning, whatever name came with it
        known = &(<Accepted>exchange.client).original
    elif target == NULL and exchange.host.kind != HOST_NAME:
        known = &exchange.host.address
    lay_request(exchange, &view)
    lay_target(exchange, &view, known)
    decision = exchange.service.access.decide(&view, &exchange.rule, &exchange.dry_rule)
    if decision == NEED_ADDRESS:
        exchange.need_address = True
    if decision == DENY and exchange.identity is None and exchange.demand is not None and (
        exchange.service.access.asks_identity and exchange.bridged is None
    ):
        # somebody might be allowed what nobody is
        return FAULT_IDENTITY
    if exchange.service.access.effects is not None:
        return follow(exchange, &view, decision, target != NULL)
    return FAULT_DENIED if decision == DENY else FAULT_NONE


cdef int check_target_address(ExchangeState exchange, const Address* target) noexcept:
    """What may be dialled: the rules on the very address, own listeners never, special ones if opened."""
    cdef int fault
    if exchange.need_address:
        fault = check_access(exchange, target)
        if fault != FAULT_NONE:
            return fault
    if exchange.worker.is_own(target):
        return FAULT_LOOP
    if exchange.service.private_allowed or not is_special(target.ip):
        return FAULT_NONE
    if exchange.service.targets_allowed is not None and exchange.service.targets_allowed.contains(target.ip):
        return FAULT_NONE
    return FAULT_TARGET_ADDRESS


cdef int revise(ExchangeState exchange) noexcept:
    """After a hook has changed the request: target and path again. The route stays."""
    cdef int fault
    if not exchange.pinned:
        fault = find_target(exchange)
        if fault != FAULT_NONE:
            return fault
    return settle_path(exchange)


cdef inline bint is_visible(const char* text, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if not 32 < <unsigned char>text[i] < 127:
            return False
    return True


cdef inline bint is_plain(const char* path, size_t size) noexcept nogil:
    """No escape and no dot segment, as in most paths: nothing to normalise."""
    cdef size_t i
    for i in range(size):
        if path[i] == 37 or (path[i] == 46 and path[i - 1 if i else 0] == 47):
            return False
    return True
