# Field names the engine must recognise: name to FieldId, by length and a few word compares.

from libc.stddef cimport size_t
from limen.engine.bytes cimport name_is
from limen.engine.types cimport *


cdef inline int field_id(const char* name, size_t length) noexcept nogil:
    """FieldId of a token `name` of at least one byte; case does not matter."""
    if length == 2:
        if name_is(name, b"te", 2): return FIELD_TE
    elif length == 3:
        if name_is(name, b"via", 3): return FIELD_VIA
    elif length == 4:
        if name_is(name, b"host", 4): return FIELD_HOST
        if name_is(name, b"date", 4): return FIELD_DATE
    elif length == 6:
        if name_is(name, b"cookie", 6): return FIELD_COOKIE
        if name_is(name, b"server", 6): return FIELD_SERVER
        if name_is(name, b"expect", 6): return FIELD_EXPECT
    elif length == 7:
        if name_is(name, b"referer", 7): return FIELD_REFERER
        if name_is(name, b"upgrade", 7): return FIELD_UPGRADE
        if name_is(name, b"trailer", 7): return FIELD_TRAILER
    elif length == 8:
        if name_is(name, b"location", 8): return FIELD_LOCATION
    elif length == 9:
        if name_is(name, b"forwarded", 9): return FIELD_FORWARDED
        if name_is(name, b"x-real-ip", 9): return FIELD_X_REAL_IP
        if name_is(name, b"client-ip", 9): return FIELD_CLIENT_IP
    elif length == 10:
        if name_is(name, b"user-agent", 10): return FIELD_USER_AGENT
        if name_is(name, b"connection", 10): return FIELD_CONNECTION
        if name_is(name, b"set-cookie", 10): return FIELD_SET_COOKIE
        if name_is(name, b"keep-alive", 10): return FIELD_KEEP_ALIVE
    elif length == 11:
        if name_is(name, b"retry-after", 11): return FIELD_RETRY_AFTER
        if name_is(name, b"x-client-ip", 11): return FIELD_CLIENT_IP
        if name_is(name, b"x-remote-ip", 11): return FIELD_CLIENT_IP
        if name_is(name, b"x-forwarded", 11): return FIELD_CLIENT_IP
        if name_is(name, b"client-cert", 11): return FIELD_CLIENT_CERT
    elif length == 12:
        if name_is(name, b"content-type", 12): return FIELD_CONTENT_TYPE
        if name_is(name, b"x-request-id", 12): return FIELD_X_REQUEST_ID
        if name_is(name, b"max-forwards", 12): return FIELD_MAX_FORWARDS
        if name_is(name, b"proxy-status", 12): return FIELD_PROXY_STATUS
        if name_is(name, b"cf-ipcountry", 12): return FIELD_CLIENT_IP
    elif length == 13:
        if name_is(name, b"authorization", 13): return FIELD_AUTHORIZATION
        if name_is(name, b"x-remote-addr", 13): return FIELD_CLIENT_IP
        if name_is(name, b"forwarded-for", 13): return FIELD_CLIENT_IP
        if name_is(name, b"x-rewrite-url", 13): return FIELD_X_ORIGINAL_URL
    elif length == 14:
        if name_is(name, b"content-length", 14): return FIELD_CONTENT_LENGTH
        if name_is(name, b"x-original-url", 14): return FIELD_X_ORIGINAL_URL
        if name_is(name, b"http2-settings", 14): return FIELD_HTTP2_SETTINGS
        if name_is(name, b"true-client-ip", 14): return FIELD_CLIENT_IP
        if name_is(name, b"x-proxyuser-ip", 14): return FIELD_CLIENT_IP
        if name_is(name, b"x-bluecoat-via", 14): return FIELD_PROXY_OTHER
    elif length == 15:
        if name_is(name, b"x-forwarded-for", 15): return FIELD_X_FORWARDED_FOR
    elif length == 16:
        if name_is(name, b"content-encoding", 16): return FIELD_CONTENT_ENCODING
        if name_is(name, b"proxy-connection", 16): return FIELD_PROXY_CONNECTION
        if name_is(name, b"x-forwarded-host", 16): return FIELD_X_FORWARDED_HOST
        if name_is(name, b"x-forwarded-port", 16): return FIELD_X_FORWARDED_PORT
        if name_is(name, b"cf-connecting-ip", 16): return FIELD_CLIENT_IP
        if name_is(name, b"fastly-client-ip", 16): return FIELD_CLIENT_IP
        if name_is(name, b"x-originating-ip", 16): return FIELD_CLIENT_IP
    elif length == 17:
        if name_is(name, b"transfer-encoding", 17): return FIELD_TRANSFER_ENCODING
        if name_is(name, b"x-forwarded-proto", 17): return FIELD_X_FORWARDED_PROTO
        if name_is(name, b"client-cert-chain", 17): return FIELD_CLIENT_CERT
    elif length == 18:
        if name_is(name, b"wl-proxy-client-ip", 18): return FIELD_CLIENT_IP
        if name_is(name, b"proxy-authenticate", 18): return FIELD_PROXY_AUTHENTICATE
    elif length == 19:
        if name_is(name, b"x-appengine-user-ip", 19): return FIELD_CLIENT_IP
        if name_is(name, b"proxy-authorization", 19): return FIELD_PROXY_AUTHORIZATION
        if name_is(name, b"x-cluster-client-ip", 19): return FIELD_CLIENT_IP
    elif length == 24:
        if name_is(name, b"x-envoy-external-address", 24): return FIELD_CLIENT_IP
        if name_is(name, b"x-original-forwarded-for", 24): return FIELD_CLIENT_IP
    elif length == 25:
        if name_is(name, b"proxy-authentication-info", 25): return FIELD_PROXY_AUTHENTICATION_INFO
    if length > 6 and name_is(name, b"proxy-", 6):
        return FIELD_PROXY_OTHER
    if length > 12 and name_is(name, b"x-forwarded-", 12):
        return FIELD_X_FORWARDED_OTHER
    return FIELD_OTHER


cdef inline bint is_trailer_refused(const char* name, size_t length, int id) noexcept nogil:
    """Whether a field may not come after the content (RFC 9110, 6.5.1): whoever merges trailers into the head
    must not be led by them in framing, routing, authentication, caching, conditions or reading the content.
    Of the recognised names only those that merely inform are let through; RFC 9209 foresees Proxy-Status here."""
    if id != FIELD_OTHER:
        return not (id == FIELD_PROXY_STATUS or id == FIELD_SERVER or id == FIELD_USER_AGENT
                    or id == FIELD_REFERER or id == FIELD_X_REQUEST_ID)
    if length == 3:
        return name_is(name, b"age", 3)
    elif length == 4:
        return name_is(name, b"vary", 4)
    elif length == 5:
        return name_is(name, b"range", 5)
    elif length == 6:
        return name_is(name, b"pragma", 6)
    elif length == 7:
        return name_is(name, b"expires", 7) or name_is(name, b"warning", 7)
    elif length == 8:
        return name_is(name, b"if-match", 8) or name_is(name, b"if-range", 8)
    elif length == 11:
        return name_is(name, b"set-cookie2", 11)
    elif length == 13:
        return (name_is(name, b"cache-control", 13) or name_is(name, b"content-range", 13)
                or name_is(name, b"if-none-match", 13))
    elif length == 16:
        return name_is(name, b"www-authenticate", 16)
    elif length == 17:
        return name_is(name, b"if-modified-since", 17)
    elif length == 19:
        return name_is(name, b"if-unmodified-since", 19)
    return False
