# What remains of an exchange when it is over: counts on the board, a record in the access log.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from limen.engine.connection cimport Connection
from limen.engine.effects cimport RuleEffect
from limen.engine.journal cimport LogRecord, lay_text
from limen.engine.places cimport Place, put_continent, put_country, region_name
from limen.engine.service cimport TARGET_FROM_REQUEST
from limen.engine.state cimport PHASE_TUNNEL, ExchangeState
from limen.engine.steering cimport place_of
from limen.engine.sys cimport monotonic, realtime
from limen.engine.talkers cimport Talkers
from limen.engine.tls.facts cimport Facts, facts_of
from limen.engine.tls.session cimport Session
from limen.engine.ways cimport WAY_ORIGINAL, WAY_SOCKS4, WAY_SOCKS5
from limen.engine.types cimport FIELD_REFERER, FIELD_USER_AGENT, SEEN, Field


cdef enum:
    RULE_CELL = 0             # of the cells of a route: that of a rule counts here, see limen.observe.board


cdef void lay_tls(ExchangeState exchange, LogRecord* record) noexcept:
    """What is known of the client's TLS, as far as the log asks for it."""
    cdef Session tls = (<Connection>exchange.client).tls
    cdef bytes ja4
    cdef Facts facts
    if tls is not None and tls.lower is not None and exchange.bridged is None:
        # CONNECT, that ends as what is inside begins: it came by the TLS with us
        tls = tls.lower
    ja4 = tls.ja4 if tls is not None else exchange.ja4
    if ja4 is not None and exchange.worker.journal.ja4:
        lay_text(&record.ja4, ja4)
    if not exchange.worker.journal.tls:
        return
    if tls is None:
        # passed on: the name is all that was seen
        if exchange.is_opaque:
            record.sni = record.host
        return
    facts = facts_of(tls)
    if facts is None:
        return
    lay_text(&record.tls_version, facts.version)
    lay_text(&record.tls_cipher, facts.cipher)
    lay_text(&record.sni, facts.server_name)
    lay_text(&record.certificate_subject, facts.subject)
    lay_text(&record.certificate_fingerprint, facts.fingerprint)
    record.resumed = facts.resumed


cdef inline void count_rule(ExchangeState exchange, int rule) noexcept:
    if rule >= 0:
        exchange.worker.board.route_add((<RuleEffect>exchange.service.access.effects[rule]).slot, RULE_CELL, 1)


cdef void lay_place(ExchangeState exchange, LogRecord* record, char* letters) noexcept:
    """Where the client is, as far as it is known; four of `letters` are used."""
    cdef const Place* place = place_of(exchange)
    if place == NULL:
        return
    record.country.text = letters
    record.country.length = <uint32_t>put_country(letters, place)
    record.continent.text = letters + 2
    record.continent.length = <uint32_t>put_continent(letters + 2, place)
    record.asn = place.asn
    lay_text(&record.region, region_name(place.region))


cdef void lay_decision(ExchangeState exchange, LogRecord* record) noexcept:
    if exchange.refusing is not None:
        lay_text(&record.limit, exchange.refusing.label)
    if exchange.rule >= 0 and exchange.service.access.effects is not None:
        lay_text(&record.rule, (<RuleEffect>exchange.service.access.effects[exchange.rule]).label)
    if exchange.identity is not None:
        lay_text(&record.user, exchange.identity.label)
    record.request_id.text = exchange.id
    record.request_id.length = exchange.id_length


cdef void log_exchange(ExchangeState exchange) noexcept:
    """Count and write the exchange: always, once."""
    cdef LogRecord record
    cdef uint64_t total = monotonic() - exchange.started
    cdef const Field* field
    cdef char letters[4]
    cdef int i
    cdef bint audited, logged
    cdef unsigned int slot = exchange.action.slot if exchange.action is not None else exchange.service.unrouted
    exchange.worker.board.count_exchange(slot, exchange.status, exchange.received, exchange.sent, total)
    if exchange.service.access is not None and exchange.service.access.effects is not None:
        count_rule(exchange, exchange.rule)
        count_rule(exchange, exchange.dry_rule)
    if exchange.worker.talkers is not None and exchange.service.logged:
        (<Talkers>exchange.worker.talkers).count(exchange, exchange.received + exchange.sent, True)
    audited = exchange.worker.audit is not None and exchange.worker.audit.wanted[exchange.fault & 255]
    logged = exchange.worker.journal is not None and exchange.service.logged
    if not logged and not audited:
        return
    memset(&record, 0, sizeof(record))
    record.started = <int64_t>(realtime() - total)
    record.total = total
    record.dial = exchange.dial_time
    record.response_head = exchange.response_time
    record.received = exchange.received
    record.sent = exchange.sent
    record.client = exchange.peer
    record.direction.text = b"reverse"
    if exchange.service.target_source == TARGET_FROM_REQUEST:
        record.direction.text = b"forward"
    record.direction.length = 7
    if exchange.way_in == WAY_SOCKS5:
        lay_text(&record.protocol, b"socks5")
    elif exchange.way_in == WAY_SOCKS4:
        lay_text(&record.protocol, b"socks4")
    elif exchange.way_in == WAY_ORIGINAL:
        lay_text(&record.protocol, b"tls")
    if exchange.base != NULL:
        record.method.text = exchange.base
        record.method.length = exchange.head.method_length
        record.target.text = exchange.base + exchange.head.target
        record.target.length = exchange.head.target_length
        record.host.text = exchange.host.name
        record.host.length = exchange.host.name_length
        if exchange.head.seen & (SEEN(FIELD_USER_AGENT) | SEEN(FIELD_REFERER)):
            for i in range(exchange.head.count):
                field = &exchange.fields[i]
                if field.id == FIELD_USER_AGENT:
                    record.user_agent.text = exchange.base + field.value
                    record.user_agent.length = field.value_length
                elif field.id == FIELD_REFERER:
                    record.referer.text = exchange.base + field.value
                    record.referer.length = field.value_length
    elif exchange.is_opaque:
        # whom TLS named
        record.host.text = exchange.host.name
        record.host.length = exchange.host.name_length
    if exchange.worker.journal is not None and (exchange.worker.journal.tls or exchange.worker.journal.ja4):
        lay_tls(exchange, &record)
    if exchange.worker.journal is not None and exchange.worker.journal.place:
        lay_place(exchange, &record, letters)
    if exchange.action is not None:
        record.route.text = <const char*>exchange.action.label
        record.route.length = <uint32_t>len(exchange.action.label)
    if exchange.dry_rule >= 0 and exchange.service.access.effects is not None:
        lay_text(&record.dry_rule, (<RuleEffect>exchange.service.access.effects[exchange.dry_rule]).label)
    if exchange.upstream is not None:
        record.upstream.text = <const char*>exchange.upstream.name
        record.upstream.length = <uint32_t>len(exchange.upstream.name)
    if exchange.endpoint is not None:
        record.endpoint.text = <const char*>exchange.endpoint.label
        record.endpoint.length = <uint32_t>len(exchange.endpoint.label)
    lay_decision(exchange, &record)
    record.status = exchange.status
    record.attempts = <uint16_t>exchange.attempts
    record.fault = <uint8_t>exchange.fault
    record.retry_blocked = exchange.retry_blocked
    record.minor = <uint8_t>exchange.minor
    record.tunnel = exchange.phase == PHASE_TUNNEL
    if logged:
        exchange.worker.journal.record(&record)
    if audited:
        exchange.worker.audit.record(&record)
