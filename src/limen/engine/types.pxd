# C types shared by the whole engine: enums and plain structs, nothing else.
# Every other .pxd may cimport this one; it cimports none of Limen.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, int64_t


cdef enum:
    # Sizes that tables, codecs and connections agree on.
    MAX_FIELDS = 256          # upper bound of `fields.count`; the default is 100
    MAX_HEAD = 65535          # upper bound of a head in bytes; offsets fit in uint32


cdef enum Fault:
    # Numbered failures. limen/faults.py gives each its status, side, retry rule
    # and RFC 9209 token; tests hold the two lists together.
    FAULT_NONE = 0
    # What a peer sent is not HTTP as we accept it. As a request: client's fault,
    # 400 unless noted. The same number + FAULT_RESPONSE: said by an origin, 502.
    FAULT_START_LINE = 1
    FAULT_TARGET = 2
    FAULT_VERSION = 3             # 505
    FAULT_FIELD_NAME = 4
    FAULT_FIELD_VALUE = 5
    FAULT_LINE_ENDING = 6         # bare CR or LF
    FAULT_OBS_FOLD = 7
    FAULT_HOST = 8
    FAULT_LENGTH = 9              # Content-Length malformed or differing
    FAULT_CODING = 10             # Transfer-Encoding other than `chunked` alone
    FAULT_LENGTH_AND_CODING = 11
    FAULT_CHUNK = 12
    FAULT_TRAILER = 13
    FAULT_UNDERSCORE = 14         # field name with `_`
    FAULT_URI_TOO_LONG = 15       # 414
    FAULT_FIELDS_TOO_LARGE = 16   # 431
    FAULT_BODY_TOO_LARGE = 17     # 413
    FAULT_EXPECTATION = 18        # 417
    FAULT_UPGRADE = 19            # Upgrade/101 that nobody asked for or with a body
    # The client's time, manners and number.
    FAULT_HEAD_TIMEOUT = 20       # 408
    FAULT_BODY_TIMEOUT = 21       # 408: no data, or under the minimal rate
    FAULT_CLIENT_IDLE = 22        # kept-alive connection closed, nothing answered
    FAULT_CLIENT_CLOSED = 23      # gone before the end of its exchange; logged as 499
    FAULT_SLOW_READER = 24        # does not take its response
    FAULT_PROXY_PREFACE = 25      # PROXY protocol header malformed or not allowed
    FAULT_CONNECTIONS = 26        # over the worker's number of connections
    FAULT_CLIENT_CONNECTIONS = 27 # over the number for one client address
    FAULT_METHOD = 28             # 405
    FAULT_MISDIRECTED = 29        # 421: a host that this connection's certificate does not stand for
    # Policy.
    FAULT_NO_ROUTE = 30           # 404
    FAULT_DENIED = 31             # 403: an access rule, or no rule that allows
    FAULT_TARGET_ADDRESS = 32     # 403: target resolves to a special address
    FAULT_LOOP = 33               # 508: target is an own listener
    FAULT_IDENTITY = 34           # 407, of a gateway 401
    FAULT_SCHEME = 35             # 501: absolute-form that is not http
    FAULT_CLIENT_CERTIFICATE = 57 # 403: the route wants a client certificate, or another one
    FAULT_IDENTITY_SLOWED = 58    # 429: too many failed attempts to say who one is
    FAULT_IDENTITY_SHED = 59      # 503: too many credentials to verify at a time
    FAULT_TLS_PLAIN = 36          # 400: no TLS on a TLS port
    FAULT_TLS_HANDSHAKE = 37      # the client's handshake failed
    FAULT_TLS_TIMEOUT = 38        # or took too long
    FAULT_TLS_SHED = 39           # more handshakes under way than are taken
    # The way to the origin, and the origin.
    FAULT_DNS = 40                # 502
    FAULT_DNS_TIMEOUT = 41        # 504
    FAULT_DIAL_REFUSED = 42       # 502
    FAULT_DIAL_TIMEOUT = 43       # 504
    FAULT_DIAL_UNREACHABLE = 44   # 502
    FAULT_ORIGIN_CLOSED = 45      # 502: closed or reset before a whole response head
    FAULT_RESPONSE_TIMEOUT = 46   # 504: no response head in time
    FAULT_ORIGIN_STALL = 47       # 504: silent in the middle of a response
    FAULT_TRUNCATED = 48          # 502: closed in the middle of a response
    FAULT_DEADLINE = 49           # 504: the whole exchange took longer than it may
    FAULT_NO_ENDPOINT = 50        # 503
    FAULT_SHED = 51               # 503
    FAULT_TLS_ORIGIN = 52         # 502: the origin's handshake failed
    FAULT_TLS_CERTIFICATE = 53    # 502: its certificate is not believed
    FAULT_TLS_ORIGIN_TIMEOUT = 54 # 504
    # Bridging.
    FAULT_TLS_REFUSED = 55        # 403: the rules let this TLS connection neither pass nor be bridged
    FAULT_FRONTING = 56           # 421: CONNECT, hello and Host name different hosts
    # Ours.
    FAULT_HOOK = 60               # 500
    FAULT_HOOK_TIMEOUT = 61       # 504
    FAULT_INTERNAL = 62           # 500
    FAULT_MEMORY = 63             # 503
    FAULT_DESCRIPTORS = 64        # 503
    FAULT_TUNNEL_IDLE = 65        # tunnel closed for silence or age; no status
    FAULT_DRAIN = 66              # closed by the end of a drain
    FAULT_ICAP = 68               # 503: a service that examines content failed
    FAULT_IDENTITY_PROVIDER = 67  # 503: who verifies credentials does not answer
    # Shielding.
    FAULT_LIMIT_RATE = 70         # 429: over a rate limit
    FAULT_LIMIT_CONCURRENT = 71   # 429: over a concurrency limit
    FAULT_CLIENT_DENIED = 72      # closed at accept: its address is denied, or not allowed
    FAULT_LISTENER_CONNECTIONS = 73 # over the listener's number of connections
    FAULT_MAINTENANCE = 74        # 503: closed for maintenance
    # Bounds of what has begun.
    FAULT_QUOTA = 75              # 429: the quota of its period is used up
    FAULT_REVOKED = 76            # judged again, it may not go on
    FAULT_KILLED = 77             # ended by an operator
    FAULT_IDENTITY_REVOKED = 78   # asked again, who it is for is no longer somebody who is known
    # Ways in beside HTTP.
    FAULT_SOCKS = 90              # 400: a SOCKS message malformed, or of another version
    FAULT_SOCKS_METHOD = 91       # 407: no way of saying who one is that both sides know
    FAULT_SOCKS_COMMAND = 92      # 501: neither CONNECT nor what the listener has turned on
    FAULT_SOCKS_ADDRESS = 93      # 400: a kind of address that RFC 1928 does not have
    FAULT_DATAGRAM = 94           # dropped: malformed, a fragment, too large, or from somebody else
    FAULT_DATAGRAM_TARGETS = 95   # dropped: over an association's number of targets
    FAULT_ORIGINAL = 96           # 400: nobody has redirected this connection here
    # Ways out.
    FAULT_EGRESS = 80             # 503: none of them can be used
    FAULT_PARENT = 81             # 502: the next proxy does not answer as it should
    FAULT_PARENT_IDENTITY = 82    # 502: it does not take our credentials, or wants some
    FAULT_PARENT_REFUSED = 83     # 502: it could not, or would not, reach the target
    FAULT_PARENT_TIMEOUT = 84     # 504
    FAULT_RESPONSE = 100          # + 1..19: the same said by an origin
    FAULT_COUNT = 128


cdef enum Method:
    METHOD_OTHER = 0
    METHOD_GET = 1
    METHOD_HEAD = 2
    METHOD_POST = 3
    METHOD_PUT = 4
    METHOD_DELETE = 5
    METHOD_CONNECT = 6
    METHOD_OPTIONS = 7
    METHOD_TRACE = 8
    METHOD_PATCH = 9


cdef enum FieldId:
    # Names the engine must recognise. 0 is every other name. Under 64, so that
    # a set of them is one uint64 (`Head.seen`).
    FIELD_OTHER = 0
    FIELD_HOST = 1
    FIELD_CONTENT_LENGTH = 2
    FIELD_TRANSFER_ENCODING = 3
    FIELD_CONNECTION = 4
    FIELD_KEEP_ALIVE = 5
    FIELD_PROXY_CONNECTION = 6
    FIELD_PROXY_AUTHORIZATION = 7
    FIELD_PROXY_AUTHENTICATE = 8
    FIELD_PROXY_AUTHENTICATION_INFO = 9
    FIELD_TE = 10
    FIELD_TRAILER = 11
    FIELD_UPGRADE = 12
    FIELD_EXPECT = 13
    FIELD_MAX_FORWARDS = 14
    FIELD_VIA = 15
    FIELD_FORWARDED = 16
    FIELD_X_FORWARDED_FOR = 17
    FIELD_X_FORWARDED_HOST = 18
    FIELD_X_FORWARDED_PROTO = 19
    FIELD_X_FORWARDED_PORT = 20
    FIELD_X_FORWARDED_OTHER = 21    # any other X-Forwarded-* (Server, Prefix, ...)
    FIELD_X_REAL_IP = 22
    FIELD_CLIENT_IP = 23            # Client-IP, X-Client-IP, True-Client-IP, X-Cluster-Client-IP and what else CDNs and
                                    # proxies call it (http1/names.pxd)
    FIELD_X_REQUEST_ID = 24
    FIELD_DATE = 25
    FIELD_SERVER = 26
    FIELD_USER_AGENT = 27
    FIELD_REFERER = 28
    FIELD_AUTHORIZATION = 29
    FIELD_COOKIE = 30
    FIELD_HTTP2_SETTINGS = 31
    FIELD_PROXY_STATUS = 32
    FIELD_PROXY_OTHER = 33          # any other Proxy-*, X-BlueCoat-Via
    FIELD_CONTENT_TYPE = 34
    FIELD_CONTENT_ENCODING = 35
    FIELD_LOCATION = 36
    FIELD_SET_COOKIE = 37
    FIELD_RETRY_AFTER = 38
    FIELD_X_ORIGINAL_URL = 39       # X-Original-URL, X-Rewrite-URL: some frameworks route by them
    FIELD_CLIENT_CERT = 40          # Client-Cert, Client-Cert-Chain (RFC 9440)


cdef enum TargetForm:
    FORM_ORIGIN = 0       # /path?query
    FORM_ABSOLUTE = 1     # http://authority/path?query
    FORM_AUTHORITY = 2    # host:port, CONNECT only
    FORM_ASTERISK = 3     # *, OPTIONS only


cdef enum Scheme:
    SCHEME_NONE = 0
    SCHEME_HTTP = 1
    SCHEME_HTTPS = 2
    SCHEME_OTHER = 3


cdef enum Framing:
    FRAMING_NONE = 0      # no content
    FRAMING_LENGTH = 1    # Head.length bytes
    FRAMING_CHUNKED = 2
    FRAMING_CLOSE = 3     # response only: until the connection closes


cdef enum HeadFlag:
    HEAD_KEEP_ALIVE = 1       # persistence by version and Connection (RFC 9112, 9.3)
    HEAD_EXPECT_CONTINUE = 2
    HEAD_UPGRADE = 4          # Upgrade present and named by Connection
    HEAD_CONNECTION_NAMES = 8 # Connection names fields other than close, keep-alive, upgrade, te
    HEAD_TE_TRAILERS = 16     # TE: trailers, named by Connection


cdef enum FieldFlag:
    FIELD_CANONICAL = 1       # the line lies in the head as exactly "name: value\r\n"
    FIELD_NAMED = 2           # named by Connection, so hop-by-hop


cdef struct Field:
    # One field line; offsets count from the first byte of its head (or trailer section).
    uint32_t name
    uint32_t value
    uint16_t name_length
    uint16_t value_length     # without optional white space
    uint8_t id                # FieldId
    uint8_t flags             # FieldFlag


cdef struct Head:
    # A parsed head. Offsets count from its first byte; the bytes belong to the caller.
    uint32_t size             # bytes of the whole head with its empty line
    uint32_t method_length    # request; the method lies at offset 0
    uint32_t target           # request-target as received
    uint32_t target_length
    uint32_t authority        # of absolute and authority form: host[:port]
    uint32_t authority_length
    uint32_t path             # origin and absolute form; length 0 in absolute form means "/"
    uint32_t path_length      # without the query
    uint32_t query            # after the "?"
    uint32_t query_length
    uint32_t host             # value of the Host field as received (validated)
    uint32_t host_length
    uint32_t reason           # response
    uint32_t reason_length
    uint64_t length           # content length when framing is FRAMING_LENGTH
    uint64_t seen             # bit (1 << FieldId) of each recognised name present
    uint16_t status           # response
    uint16_t count            # fields
    uint8_t method            # Method
    uint8_t form              # TargetForm
    uint8_t scheme            # Scheme
    uint8_t minor             # HTTP/1.minor as received: 0, or 1 (also for a higher minor)
    uint8_t framing           # Framing
    uint8_t flags             # HeadFlag
    uint8_t has_query         # a "?" was there, perhaps with nothing after it


cdef inline uint64_t SEEN(int field) noexcept nogil:
    # the bit of a FieldId in Head.seen
    return <uint64_t>1 << field


cdef struct HeadLimits:
    uint32_t line             # bytes of the request line (status line)
    uint32_t fields           # bytes of all field lines
    uint16_t count            # field lines, at most MAX_FIELDS
    uint16_t trailers         # field lines in a trailer section
    uint8_t allow_underscore


cdef struct Address:
    # An IP address and port. IPv4 is kept as ::ffff:a.b.c.d, so that one compare serves both.
    uint8_t ip[16]
    uint16_t port             # host order
    uint8_t family            # 4, 6, or 1 for a unix socket or unknown
