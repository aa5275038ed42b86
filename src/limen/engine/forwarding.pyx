# Laying out a message for the next hop (RFC 9110, 7.6; RFC 7239). Fields are pointed at, not
# copied; values made here live in the worker's scratch until the head was sent.

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from limen.engine.admission cimport add_limit_fields
from limen.engine.addresses cimport AddressSet, format_ip, parse_ip
from limen.engine.connection cimport Connection
from limen.engine.deadline cimport lay_deadline
from limen.engine.exits cimport lay_absolute
from limen.engine.identifying cimport add_told_back
from limen.engine.masking cimport add_masked
from limen.engine.reports cimport is_report
from limen.engine.scrub cimport Scrub
from limen.engine.scrubbing cimport SCRUB_ADDS, add_scrubbed, is_scrubbed, is_third_party, scrub_request
from limen.engine.service cimport (
    ANONYMITY_ELITE,
    ANONYMITY_TRANSPARENT,
    HOST_ENDPOINT,
    HOST_LITERAL,
    TARGET_FROM_REQUEST,
    Action,
    Edits,
    Service,
)
from limen.engine.state cimport ExchangeState
from limen.engine.steering cimport add_cookies, add_set_cookies, has_hidden
from limen.engine.stream cimport OutField, OutHead
from limen.engine.tls.facts cimport Facts, facts_of
from limen.engine.tls.session cimport Session
from limen.engine.types cimport (
    FIELD_CLIENT_CERT,
    FIELD_CLIENT_IP,
    FIELD_CONNECTION,
    FIELD_CONTENT_LENGTH,
    FIELD_COOKIE,
    FIELD_DATE,
    FIELD_EXPECT,
    FIELD_FORWARDED,
    FIELD_HOST,
    FIELD_HTTP2_SETTINGS,
    FIELD_KEEP_ALIVE,
    FIELD_LOCATION,
    FIELD_MAX_FORWARDS,
    FIELD_NAMED,
    FIELD_PROXY_AUTHENTICATE,
    FIELD_PROXY_AUTHENTICATION_INFO,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_PROXY_CONNECTION,
    FIELD_PROXY_OTHER,
    FIELD_PROXY_STATUS,
    FIELD_SET_COOKIE,
    FIELD_TE,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE,
    FIELD_VIA,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_OTHER,
    FIELD_X_FORWARDED_PORT,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_ORIGINAL_URL,
    FIELD_X_REAL_IP,
    FORM_ASTERISK,
    HEAD_TE_TRAILERS,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_TRACE,
    Address,
    Field,
    Head,
)
from limen.engine.ways_out cimport Hop
from limen.engine.worker cimport OUT_FIELDS, Worker


cdef extern from *:
    """
    #define LIMEN_BIT(id) (1ull << (id))
    """
    uint64_t BIT "LIMEN_BIT"(int id) noexcept nogil


# Never forwarded as received, whoever sent them: they speak of this connection (RFC 9110, 7.6.1),
# frame the content, or are made anew.
cdef uint64_t HOP = (
    BIT(FIELD_CONNECTION) | BIT(FIELD_KEEP_ALIVE) | BIT(FIELD_PROXY_CONNECTION) | BIT(FIELD_PROXY_AUTHORIZATION)
    | BIT(FIELD_TE) | BIT(FIELD_TRANSFER_ENCODING) | BIT(FIELD_UPGRADE) | BIT(FIELD_CONTENT_LENGTH)
    | BIT(FIELD_HTTP2_SETTINGS)
)
# What tells or claims who the client is.
cdef uint64_t ORIGINATOR = (
    BIT(FIELD_FORWARDED) | BIT(FIELD_X_FORWARDED_FOR) | BIT(FIELD_X_FORWARDED_HOST) | BIT(FIELD_X_FORWARDED_PROTO)
    | BIT(FIELD_X_FORWARDED_PORT) | BIT(FIELD_X_FORWARDED_OTHER) | BIT(FIELD_X_REAL_IP) | BIT(FIELD_CLIENT_IP)
)
# Reveals a proxy.
cdef uint64_t PROXY_MARKS = BIT(FIELD_PROXY_OTHER) | BIT(FIELD_PROXY_AUTHENTICATE) | BIT(
    FIELD_PROXY_AUTHENTICATION_INFO) | BIT(FIELD_PROXY_STATUS)
# Sent by clients to make applications see another URL than the rules saw.
cdef uint64_t DISGUISE = BIT(FIELD_X_ORIGINAL_URL)


cdef inline OutField* next_field(Worker worker, unsigned int* count) noexcept:
    """The next free place; the table holds every head the parser lets through and all that is added."""
    cdef OutField* field = &worker.out[count[0] if count[0] < OUT_FIELDS else OUT_FIELDS - 1]
    if count[0] < OUT_FIELDS:
        count[0] += 1
    return field


cdef inline void add(Worker worker, unsigned int* count, const char* name, uint32_t name_length,
                     const char* value, uint32_t length) noexcept:
    cdef OutField* field = next_field(worker, count)
    field.name = name
    field.name_length = name_length
    field.value = value
    field.value_length = length


cdef bint is_id_field(ExchangeState exchange, const Field* field, const char* base) noexcept:
    cdef bytes name = exchange.service.id_field
    cdef uint32_t i
    cdef unsigned char a
    cdef unsigned char b
    if field.name_length != <uint32_t>len(name):
        return False
    for i in range(field.name_length):
        a = <unsigned char>base[field.name + i]
        b = <unsigned char>(<const char*>name)[i]
        if a != b and (a ^ b) != 32:
            return False
    return True


cdef const Field* find(ExchangeState exchange, int id) noexcept:
    """The last field with this id, or NULL."""
    cdef int i
    if not exchange.head.seen & BIT(id):
        return NULL
    for i in range(exchange.head.count - 1, -1, -1):
        if exchange.fields[i].id == id:
            return &exchange.fields[i]
    return NULL


cdef void find_client(ExchangeState exchange) noexcept:
    """Walk X-Forwarded-For from the right as long as those who wrote it are trusted."""
    cdef AddressSet trusted = exchange.service.trusted
    cdef int i
    exchange.peer = exchange.sender
    if trusted is None or exchange.sender.family == 1 or not trusted.contains(exchange.sender.ip):
        return
    for i in range(exchange.head.count - 1, -1, -1):
        if exchange.fields[i].id == FIELD_X_FORWARDED_FOR:
            if not walk_list(exchange, exchange.base + exchange.fields[i].value, exchange.fields[i].value_length):
                return


cdef bint walk_list(ExchangeState exchange, const char* text, size_t size) noexcept:
    """Take addresses from the right end of a list; False at the first that is no trusted proxy."""
    cdef size_t end = size
    cdef size_t start
    cdef size_t first
    cdef size_t last
    cdef Address address
    while True:
        start = end
        while start > 0 and text[start - 1] != 44:
            start -= 1
        first = start
        last = end
        while first < last and (text[first] == 32 or text[first] == 9):
            first += 1
        while last > first and (text[last - 1] == 32 or text[last - 1] == 9):
            last -= 1
        # some write "[v6]:port" or "v4:port"
        if last > first and text[first] == 91:
            first += 1
            while last > first and text[last - 1] != 93:
                last -= 1
            if last > first:
                last -= 1
        if parse_ip(text + first, last - first, &address) != 0:
            return False
        exchange.peer = address
        exchange.peer.port = 0
        if not exchange.service.trusted.contains(address.ip):
            return False
        if start == 0:
            return True
        end = start - 1


cdef bint is_trusted(ExchangeState exchange) noexcept:
    return (
        exchange.service.trusted is not None and exchange.sender.family != 1
        and exchange.service.trusted.contains(exchange.sender.ip)
    )


cdef void add_sets(Worker worker, unsigned int* count, Edits edits) noexcept:
    cdef int i
    for i in range(edits.set_count):
        add(worker, count, edits.sets[i].name, edits.sets[i].name_length, edits.sets[i].value,
            edits.sets[i].value_length)


cdef uint32_t decimal(char* out, uint64_t value) noexcept:
    cdef char digits[20]
    cdef int n = 0
    cdef int i
    while True:
        digits[n] = <char>(48 + value % 10)
        value //= 10
        n += 1
        if value == 0:
            break
    for i in range(n):
        out[i] = digits[n - 1 - i]
    return <uint32_t>n


cdef void lay_target(ExchangeState exchange, OutHead* out) noexcept:
    cdef Action action = exchange.action
    cdef Head* head = &exchange.head
    cdef size_t skip = 0
    cdef int i
    for i in range(4):
        out.target[i].length = 0
    if head.form == FORM_ASTERISK:
        out.target[0].data = b"*"
        out.target[0].length = 1
        return
    if exchange.rewritten is not None:
        out.target[1].data = <const char*>exchange.rewritten
        out.target[1].length = <size_t>len(exchange.rewritten)
    else:
        out.target[0].data = <const char*>action.add
        out.target[0].length = <size_t>len(action.add)
        if exchange.service.target_source == TARGET_FROM_REQUEST:
            # a proxy must not rewrite the path (RFC 9112, 3.2.1)
            out.target[1].data = exchange.base + head.path
            out.target[1].length = head.path_length
        else:
            # a gateway's origin sees the very path that the rules saw
            out.target[1].data = exchange.path
            out.target[1].length = exchange.path_length
        if out.target[1].length == 0:
            out.target[1].data = b"/"
            out.target[1].length = 1
        skip = <size_t>len(action.strip)
        if skip and skip <= out.target[1].length and starts(out.target[1].data, <const char*>action.strip, skip):
            # what is left begins with a slash, whatever way the prefix was written
            if (<const char*>action.strip)[skip - 1] == 47:
                skip -= 1
            if skip < out.target[1].length and out.target[1].data[skip] == 47:
                out.target[1].data += skip
                out.target[1].length -= skip
            elif skip == out.target[1].length:
                out.target[1].data = b"/"
                out.target[1].length = 1
        if out.target[0].length and (<const char*>action.add)[out.target[0].length - 1] == 47:
            out.target[0].length -= 1
    if head.has_query:
        # the "?" lies before the query
        out.target[2].data = exchange.base + head.query - 1
        out.target[2].length = head.query_length + 1


cdef inline bint starts(const char* text, const char* prefix, size_t size) noexcept:
    cdef size_t i
    for i in range(size):
        if text[i] != prefix[i]:
            return False
    return True


cdef void lay_host(ExchangeState exchange, OutField* field) noexcept:
    """Host for the next hop: as the client named it, the endpoint's, or a fixed one."""
    cdef Head* head = &exchange.head
    field.name = b"Host"
    field.name_length = 4
    if exchange.action.host_mode == HOST_LITERAL:
        field.value = <const char*>exchange.action.host
        field.value_length = <uint32_t>len(exchange.action.host)
    elif exchange.action.host_mode == HOST_ENDPOINT or (exchange.host.name_length == 0 and not exchange.pinned):
        field.value = <const char*>exchange.endpoint.label
        field.value_length = <uint32_t>len(exchange.endpoint.label)
    elif head.authority_length and not exchange.is_connect:
        # absolute-form: its authority replaces whatever Host said (RFC 9112, 3.2.2)
        field.value = exchange.base + head.authority
        field.value_length = head.authority_length
    else:
        field.value = exchange.base + head.host
        field.value_length = head.host_length


cdef unsigned int add_credentials(ExchangeState exchange, OutField* field) noexcept:
    """Ours, for a parent that gets the request itself."""
    cdef Hop hop = <Hop>exchange.way_out.hops[0]
    if len(hop.authorization) == 0:
        return 0
    field.name = b"Proxy-Authorization"
    field.name_length = 19
    field.value = <const char*>hop.authorization
    field.value_length = <uint32_t>len(hop.authorization)
    return 1


cdef int lay_request(ExchangeState exchange) noexcept:
    cdef Worker worker = exchange.worker
    cdef Service service = exchange.service
    cdef Head* head = &exchange.head
    cdef OutHead* out = &worker.out_head
    cdef const char* base = exchange.base
    cdef const Field* field
    cdef Edits edits = exchange.action.request
    cdef Scrub scrub = exchange.action.scrub
    cdef bint third = scrub is not None and scrub.asks_third and is_third_party(exchange)
    cdef const char* value
    cdef uint32_t length
    cdef unsigned int count = 1
    cdef unsigned int i
    cdef uint64_t drop = HOP | BIT(FIELD_HOST) | DISGUISE
    cdef bint elite = service.target_source == TARGET_FROM_REQUEST and service.anonymity == ANONYMITY_ELITE
    cdef bint trusted = is_trusted(exchange)
    cdef bint own_id = len(service.id_field) != 0 and (
        service.target_source != TARGET_FROM_REQUEST or service.anonymity == ANONYMITY_TRANSPARENT
    )
    cdef bint add_forwarded
    cdef bint add_x
    worker.values_used = 0
    out.method.data = base
    out.method.length = head.method_length
    out.status = 0
    lay_target(exchange, out)
    lay_host(exchange, &worker.out[0])
    if exchange.absolute:
        lay_absolute(out, worker.out[0].value, worker.out[0].value_length, head.form == FORM_ASTERISK)
        count += add_credentials(exchange, &worker.out[1])
    if service.target_source == TARGET_FROM_REQUEST:
        drop |= ORIGINATOR | PROXY_MARKS
        add_forwarded = add_x = service.anonymity == ANONYMITY_TRANSPARENT
        if elite:
            drop |= BIT(FIELD_VIA)
    else:
        add_forwarded = service.add_forwarded
        add_x = service.add_x_forwarded
        if not trusted:
            drop |= ORIGINATOR
        else:
            drop |= (BIT(FIELD_FORWARDED) if add_forwarded else 0) | (BIT(FIELD_X_FORWARDED_FOR) if add_x else 0)
    if service.tls is not None or service.add_certificate:
        # who ends TLS knows what was shown: nobody else may say so (RFC 9440, 4)
        drop |= BIT(FIELD_CLIENT_CERT)
    if head.method == METHOD_TRACE or head.method == METHOD_OPTIONS:
        drop |= BIT(FIELD_MAX_FORWARDS)
    if exchange.minor == 0 or exchange.continued or exchange.replaced:
        # nobody waits: the content is sent on as it comes
        drop |= BIT(FIELD_EXPECT)
    if exchange.marks and has_hidden(exchange):
        drop |= BIT(FIELD_COOKIE)
        if (edits is None or not edits.drops_name(b"cookie", 6)) and add_cookies(exchange, &count) < 0:
            return -1
    drop &= ~<uint64_t>1
    for i in range(head.count):
        field = &exchange.fields[i]
        if (drop >> field.id) & 1 or field.flags & FIELD_NAMED:
            continue
        if own_id and is_id_field(exchange, field, base):
            continue
        if edits is not None and edits.drops_name(base + field.name, field.name_length):
            continue
        value = base + field.value
        length = field.value_length
        if scrub is not None and not scrub_request(exchange, scrub, field, third, &value, &length):
            continue
        add(worker, &count, base + field.name, field.name_length, value, length)
    if scrub is not None and count + SCRUB_ADDS < OUT_FIELDS:
        count += add_scrubbed(scrub, &worker.out[count])
    if exchange.is_upgrade:
        field = find(exchange, FIELD_UPGRADE)
        if field != NULL:
            add(worker, &count, b"Upgrade", 7, base + field.value, field.value_length)
    if head.seen & BIT(FIELD_MAX_FORWARDS) and (head.method == METHOD_TRACE or head.method == METHOD_OPTIONS):
        add_max_forwards(exchange, &count)
    if add_forwarded or add_x:
        if add_originator(exchange, &count, add_forwarded, add_x, trusted) < 0:
            return -1
    if service.add_certificate and add_certificate(exchange, &count) < 0:
        return -1
    if not elite and len(service.via) and add_via(exchange, &count, exchange.minor) < 0:
        return -1
    if own_id:
        add(worker, &count, <const char*>service.id_field, <uint32_t>len(service.id_field), exchange.id,
            exchange.id_length)
    if edits is not None:
        add_sets(worker, &count, edits)
    if exchange.until and lay_deadline(exchange, &count) < 0:
        return -1
    out.fields = worker.out
    out.count = count
    out.framing = head.framing
    out.length = head.length
    out.head_only = False
    out.upgrade = exchange.is_upgrade
    out.te_trailers = (head.flags & HEAD_TE_TRAILERS) != 0
    out.close = False
    return 0 if count < OUT_FIELDS else -1


cdef int add_certificate(ExchangeState exchange, unsigned int* count) noexcept:
    """Client-Cert (RFC 9440), if the client has shown one."""
    cdef Session tls = (<Connection>exchange.client).tls
    cdef Facts facts
    cdef bytes told
    if tls is None:
        return 0
    facts = facts_of(tls)
    try:
        told = facts.field() if facts is not None else None
    except Exception:
        return -1
    if told is not None:
        # the session keeps it
        add(exchange.worker, count, b"Client-Cert", 11, <const char*>told, <uint32_t>len(told))
    return 0


cdef int add_via(ExchangeState exchange, unsigned int* count, int minor) noexcept:
    """One more entry at the end of the Via list (RFC 9110, 7.6.3), as a field line of its own."""
    cdef bytes via = exchange.service.via
    cdef uint32_t length = <uint32_t>len(via)
    cdef char* value = exchange.worker.value(length + 4)
    if value == NULL:
        return -1
    memcpy(value, b"1.1 ", 4)
    value[2] = <char>(48 + minor)
    memcpy(value + 4, <const char*>via, length)
    add(exchange.worker, count, b"Via", 3, value, length + 4)
    return 0


cdef void add_max_forwards(ExchangeState exchange, unsigned int* count) noexcept:
    cdef const Field* field = find(exchange, FIELD_MAX_FORWARDS)
    cdef uint64_t value = 0
    cdef uint32_t i
    cdef char* text
    if field == NULL:
        return
    for i in range(field.value_length):
        value = min(value * 10 + <unsigned char>exchange.base[field.value + i] - 48, <uint64_t>1000)
    text = exchange.worker.value(20)
    if text != NULL and value:
        add(exchange.worker, count, b"Max-Forwards", 12, text, decimal(text, value - 1))


cdef int join_field(ExchangeState exchange, int id, char* out, size_t room) noexcept:
    """The values of all fields with this id as one list with ", " after each; -1 if it has no room."""
    cdef size_t used = 0
    cdef unsigned int i
    cdef const Field* field
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id == id and field.value_length:
            if used + field.value_length + 2 > room:
                return -1
            memcpy(out + used, exchange.base + field.value, field.value_length)
            used += field.value_length
            out[used] = 44
            out[used + 1] = 32
            used += 2
    return <int>used


cdef int add_originator(
    ExchangeState exchange, unsigned int* count, bint add_forwarded, bint add_x, bint trusted
) noexcept:
    """Forwarded (RFC 7239) and X-Forwarded-*: who asked, for what host, by which scheme."""
    cdef Worker worker = exchange.worker
    cdef Service service = exchange.service
    cdef Head* head = &exchange.head
    cdef char ip[64]
    cdef int ip_length
    cdef const char* host
    cdef uint32_t host_length
    cdef bytes scheme = service.scheme if exchange.bridged is None else b"https"
    cdef uint32_t scheme_length = <uint32_t>len(scheme)
    cdef char* value
    cdef char* start
    cdef size_t room
    cdef int used
    if exchange.sender.family == 1:
        memcpy(ip, b"unknown", 7)
        ip_length = 7
    else:
        ip_length = format_ip(&exchange.sender, ip)
    if head.authority_length and not exchange.is_connect:
        host = exchange.base + head.authority
        host_length = head.authority_length
    else:
        host = exchange.base + head.host
        host_length = head.host_length
    room = <size_t>(ip_length + host_length + scheme_length + 64)
    if trusted:
        room += head.size
    if add_forwarded:
        start = value = worker.value(room)
        if value == NULL:
            return -1
        if trusted:
            used = join_field(exchange, FIELD_FORWARDED, value, head.size)
            if used < 0:
                return -1
            value += used
        memcpy(value, b"for=", 4)
        value += 4
        if exchange.sender.family == 6:
            memcpy(value, b'"[', 2)
            memcpy(value + 2, ip, <size_t>ip_length)
            memcpy(value + 2 + ip_length, b']"', 2)
            value += ip_length + 4
        else:
            memcpy(value, ip, <size_t>ip_length)
            value += ip_length
        if host_length:
            # quoted: a port's colon is no token character
            memcpy(value, b';host="', 7)
            memcpy(value + 7, host, host_length)
            value[7 + host_length] = 34
            value += 8 + host_length
        memcpy(value, b";proto=", 7)
        memcpy(value + 7, <const char*>scheme, scheme_length)
        value += 7 + scheme_length
        add(worker, count, b"Forwarded", 9, start, <uint32_t>(value - start))
    if add_x:
        start = value = worker.value(room)
        if value == NULL:
            return -1
        if trusted:
            used = join_field(exchange, FIELD_X_FORWARDED_FOR, value, head.size)
            if used < 0:
                return -1
            value += used
        memcpy(value, ip, <size_t>ip_length)
        value += ip_length
        add(worker, count, b"X-Forwarded-For", 15, start, <uint32_t>(value - start))
        # a trusted proxy has said these already, and knows better
        if not (trusted and head.seen & BIT(FIELD_X_FORWARDED_PROTO)):
            add(worker, count, b"X-Forwarded-Proto", 17, <const char*>scheme, scheme_length)
        if host_length and not (trusted and head.seen & BIT(FIELD_X_FORWARDED_HOST)):
            add(worker, count, b"X-Forwarded-Host", 16, host, host_length)
        if not (trusted and head.seen & BIT(FIELD_X_FORWARDED_PORT)):
            add(worker, count, b"X-Forwarded-Port", 16, <const char*>service.port, <uint32_t>len(service.port))
    return 0


cdef int lay_response(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept:
    cdef Worker worker = exchange.worker
    cdef Service service = exchange.service
    cdef OutHead* out = &worker.out_head
    cdef Edits edits = exchange.action.response if head.status >= 200 else None
    cdef Scrub scrub = exchange.action.scrub
    cdef bint third = scrub is not None and scrub.asks_third and is_third_party(exchange)
    cdef const Field* field
    cdef unsigned int count = 0
    cdef unsigned int i
    cdef uint64_t drop = HOP
    cdef bint proxy = service.target_source == TARGET_FROM_REQUEST
    # how busy an endpoint is, is told to us alone
    cdef bint reports = exchange.upstream is not None and exchange.upstream.report is not None
    cdef int masked
    worker.values_used = 0
    if not proxy or service.anonymity == ANONYMITY_ELITE:
        # challenges and status of proxies concern the hop behind us, not the client of a gateway
        drop |= BIT(FIELD_PROXY_AUTHENTICATE) | BIT(FIELD_PROXY_AUTHENTICATION_INFO)
    out.head_only = exchange.head.method == METHOD_HEAD or head.status == 304
    if out.head_only:
        # Content-Length tells what a GET would get; no content follows
        drop &= ~BIT(FIELD_CONTENT_LENGTH)
    drop &= ~<uint64_t>1
    for i in range(head.count):
        field = &fields[i]
        if (drop >> field.id) & 1 or field.flags & FIELD_NAMED:
            continue
        if edits is not None and edits.drops_name(base + field.name, field.name_length):
            continue
        if reports and is_report(exchange, field, base):
            continue
        if scrub is not None and is_scrubbed(exchange, scrub, field, base, third):
            continue
        if exchange.action.mask is not None and (field.id == FIELD_LOCATION or field.id == FIELD_SET_COOKIE):
            masked = add_masked(exchange, &count, field, base)
            if masked < 0:
                return -1
            if masked:
                continue
        add(worker, &count, base + field.name, field.name_length, base + field.value, field.value_length)
    if head.status >= 200:
        if not head.seen & BIT(FIELD_DATE):
            add(worker, &count, b"Date", 4, worker.http_date(), 29)
        if (
            proxy and service.anonymity != ANONYMITY_ELITE and len(service.via)
            and add_via(exchange, &count, head.minor) < 0
        ):
            return -1
        if exchange.limit_told:
            add_limit_fields(exchange, &count, False)
        if edits is not None:
            add_sets(worker, &count, edits)
        if (exchange.marks or exchange.split is not None) and add_set_cookies(exchange, &count) < 0:
            return -1
    elif head.status == 101:
        if (exchange.marks or exchange.split is not None) and add_set_cookies(exchange, &count) < 0:
            return -1
        for i in range(head.count):
            if fields[i].id == FIELD_UPGRADE:
                add(worker, &count, b"Upgrade", 7, base + fields[i].value, fields[i].value_length)
    if exchange.told_back is not None and (head.status == 101 or head.status >= 200):
        add_told_back(exchange, &count, head.status)
    out.status = head.status
    out.reason.data = base + head.reason
    out.reason.length = head.reason_length
    out.fields = worker.out
    out.count = count
    out.framing = head.framing
    out.length = head.length
    out.upgrade = head.status == 101
    out.te_trailers = False
    out.close = False
    return 0 if count < OUT_FIELDS else -1
