# Connections refused at their beginning and datagrams that no rule lets pass have no record of an exchange.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from limen.engine.account cimport lay_decision
from limen.engine.journal cimport LogRecord, lay_text
from limen.engine.service cimport TARGET_FROM_REQUEST
from limen.engine.sys cimport realtime


cdef enum:
    SECOND = 1000000000


cdef bint may_audit(Worker worker, int fault) noexcept:
    if worker.audit is None or not worker.audit.wanted[fault & 255]:
        return False
    if worker.now - worker.audited_since >= <uint64_t>SECOND:
        worker.audited_since = worker.now
        worker.audited = 0
    worker.audited += 1
    return worker.audited <= AUDITED_PER_SECOND


cdef void begin(LogRecord* record, Service service, const Address* client, int fault) noexcept:
    memset(record, 0, sizeof(LogRecord))
    record.started = <int64_t>realtime()
    record.client = client[0]
    record.fault = <uint8_t>fault
    # (nothing has asked which route it would be)
    lay_text(&record.route, service.label)
    lay_text(&record.direction, b"forward" if service.target_source == TARGET_FROM_REQUEST else b"reverse")


cdef void audit_connection(Worker worker, Service service, const Address* sender, int fault) noexcept:
    cdef LogRecord record
    if may_audit(worker, fault):
        begin(&record, service, sender, fault)
        worker.audit.record(&record)


cdef void audit_datagram(ExchangeState exchange, int fault, uint64_t* next) noexcept:
    cdef Worker worker = exchange.worker
    cdef LogRecord record
    if worker.now < next[0] or not may_audit(worker, fault):
        return
    next[0] = worker.now + <uint64_t>SECOND
    begin(&record, exchange.service, &exchange.peer, fault)
    lay_text(&record.protocol, b"socks5")
    lay_text(&record.method, b"UDP")
    record.host.text = exchange.host.name
    record.host.length = <uint32_t>exchange.host.name_length
    lay_decision(exchange, &record)
    worker.audit.record(&record)
