# What is known of a client's TLS connection, read from libssl once and only if something asks.

from limen.engine.certificates cimport CertificateView
from limen.engine.tls.session cimport Session


cdef class Facts:
    cdef readonly bytes version       # TLSv1.3
    cdef readonly bytes cipher
    cdef readonly bytes server_name   # empty: none was asked for
    cdef readonly bytes protocol      # empty: none was agreed on
    cdef readonly bint resumed
    cdef readonly bint presented      # a certificate, which holds; what follows is empty without one
    cdef readonly bytes subject
    cdef readonly bytes issuer
    cdef readonly bytes serial        # hexadecimal
    cdef readonly bytes fingerprint
    cdef readonly bytes names         # each with a line feed behind it
    cdef readonly bytes certificate   # DER
    cdef bytes told           # Client-Cert, once somebody asked
    cdef CertificateView view

    # None for a client without a certificate: a NULL view.
    cdef const CertificateView* shown(self) noexcept
    # The value of Client-Cert (RFC 9440), or None.
    cdef bytes field(self)

# The connection's facts, kept with it. None without memory.
cdef Facts facts_of(Session session)

# Of a client that is only imagined: what it would show, empty for nothing. Raises ValueError if that is none.
cdef Facts facts_of_certificate(bytes der)
