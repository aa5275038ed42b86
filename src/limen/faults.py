"""The single table of faults: from the engine's numbers to everything that is said and done about them.

Status of the answer, access log, metric label, Proxy-Status field, retry rule and docs/faults.md come
from here. The numbers are those of `enum Fault` in engine/types.pxd; a test compares them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from limen.terms import Phase, Retry, Side


class FaultNumber(enum.IntEnum):
    """The engine's numbers, without its prefix FAULT_."""

    NONE = 0
    START_LINE = 1
    TARGET = 2
    VERSION = 3
    FIELD_NAME = 4
    FIELD_VALUE = 5
    LINE_ENDING = 6
    OBS_FOLD = 7
    HOST = 8
    LENGTH = 9
    CODING = 10
    LENGTH_AND_CODING = 11
    CHUNK = 12
    TRAILER = 13
    UNDERSCORE = 14
    URI_TOO_LONG = 15
    FIELDS_TOO_LARGE = 16
    BODY_TOO_LARGE = 17
    EXPECTATION = 18
    UPGRADE = 19
    HEAD_TIMEOUT = 20
    BODY_TIMEOUT = 21
    CLIENT_IDLE = 22
    CLIENT_CLOSED = 23
    SLOW_READER = 24
    PROXY_PREFACE = 25
    CONNECTIONS = 26
    CLIENT_CONNECTIONS = 27
    METHOD = 28
    MISDIRECTED = 29
    NO_ROUTE = 30
    DENIED = 31
    TARGET_ADDRESS = 32
    LOOP = 33
    IDENTITY = 34
    SCHEME = 35
    TLS_PLAIN = 36
    TLS_HANDSHAKE = 37
    TLS_TIMEOUT = 38
    TLS_SHED = 39
    DNS = 40
    DNS_TIMEOUT = 41
    DIAL_REFUSED = 42
    DIAL_TIMEOUT = 43
    DIAL_UNREACHABLE = 44
    ORIGIN_CLOSED = 45
    RESPONSE_TIMEOUT = 46
    ORIGIN_STALL = 47
    TRUNCATED = 48
    DEADLINE = 49
    NO_ENDPOINT = 50
    SHED = 51
    TLS_ORIGIN = 52
    TLS_CERTIFICATE = 53
    TLS_ORIGIN_TIMEOUT = 54
    TLS_REFUSED = 55
    FRONTING = 56
    CLIENT_CERTIFICATE = 57
    IDENTITY_SLOWED = 58
    IDENTITY_SHED = 59
    HOOK = 60
    HOOK_TIMEOUT = 61
    INTERNAL = 62
    MEMORY = 63
    DESCRIPTORS = 64
    TUNNEL_IDLE = 65
    DRAIN = 66
    ICAP = 68
    IDENTITY_PROVIDER = 67
    LIMIT_RATE = 70
    LIMIT_CONCURRENT = 71
    CLIENT_DENIED = 72
    LISTENER_CONNECTIONS = 73
    MAINTENANCE = 74
    QUOTA = 75
    REVOKED = 76
    KILLED = 77
    IDENTITY_REVOKED = 78
    SOCKS = 90
    SOCKS_METHOD = 91
    SOCKS_COMMAND = 92
    SOCKS_ADDRESS = 93
    DATAGRAM = 94
    DATAGRAM_TARGETS = 95
    ORIGINAL = 96
    EGRESS = 80
    PARENT = 81
    PARENT_IDENTITY = 82
    PARENT_REFUSED = 83
    PARENT_TIMEOUT = 84
    RESPONSE = 100  # an offset: + START_LINE to UPGRADE is the same, said by an origin
    COUNT = 128  # a bound


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail."""

    number: int
    label: str  # in metrics and logs
    side: Side
    phase: Phase  # where it happens first
    status: int  # of the answer, if none has begun; 0: the connection ends without one
    retry: Retry
    token: str  # RFC 9209, section 2.3: `error` of Proxy-Status; empty where nothing is answered
    sentence: str  # for the answer's body and the documentation


#: What each kind of message violation means; side, status and token depend on who sent it.
_MESSAGE: dict[FaultNumber, tuple[int, str, str]] = {
    # number: (status as a request, RFC 9209 token as a response, sentence with {message})
    FaultNumber.START_LINE: (400, "http_protocol_error", "The first line of the {message} is malformed."),
    FaultNumber.TARGET: (400, "", "The target of the {message} is malformed."),
    FaultNumber.VERSION: (505, "http_protocol_error", "The HTTP version of the {message} is not supported."),
    FaultNumber.FIELD_NAME: (400, "http_protocol_error", "A field name of the {message} is malformed."),
    FaultNumber.FIELD_VALUE: (400, "http_protocol_error", "A field value of the {message} holds a forbidden byte."),
    FaultNumber.LINE_ENDING: (400, "http_protocol_error", "A line of the {message} does not end with CR LF."),
    FaultNumber.OBS_FOLD: (400, "http_protocol_error", "A field of the {message} is folded over several lines."),
    FaultNumber.HOST: (400, "", "The Host field of the {message} is missing, repeated, malformed or contradictory."),
    FaultNumber.LENGTH: (400, "http_protocol_error", "Content-Length of the {message} is malformed or ambiguous."),
    FaultNumber.CODING: (
        400,
        "http_response_transfer_coding",
        "Transfer-Encoding of the {message} is not chunked alone.",
    ),
    FaultNumber.LENGTH_AND_CODING: (
        400,
        "http_protocol_error",
        "The {message} has both Content-Length and Transfer-Encoding.",
    ),
    FaultNumber.CHUNK: (400, "http_protocol_error", "The chunked content of the {message} is malformed."),
    FaultNumber.TRAILER: (400, "http_protocol_error", "The trailers of the {message} are malformed or too many."),
    FaultNumber.UNDERSCORE: (400, "http_protocol_error", "A field name of the {message} holds an underscore."),
    FaultNumber.URI_TOO_LONG: (414, "http_protocol_error", "The first line of the {message} is too long."),
    FaultNumber.FIELDS_TOO_LARGE: (
        431,
        "http_response_header_section_size",
        "The {message} has too many or too large fields.",
    ),
    FaultNumber.BODY_TOO_LARGE: (413, "http_response_body_size", "The content of the {message} is too large."),
    FaultNumber.EXPECTATION: (417, "", "The {message} expects something other than 100-continue."),
    FaultNumber.UPGRADE: (400, "http_upgrade_failed", "The {message} switches protocols in a way nobody asked for."),
}

_ABSENT = ""


def _row(  # noqa: PLR0917 the rows of a table
    number: FaultNumber, side: Side, phase: Phase, status: int, retry: Retry, token: str, sentence: str
) -> Fault:
    return Fault(int(number), number.name.lower(), side, phase, status, retry, token, sentence)


def _requests() -> list[Fault]:
    body = {FaultNumber.CHUNK, FaultNumber.TRAILER, FaultNumber.BODY_TOO_LARGE}
    return [
        _row(
            number,
            Side.CLIENT,
            Phase.FORWARD if number in body else Phase.REQUEST,
            status,
            Retry.NEVER,
            "http_request_error",
            sentence.format(message="request"),
        )
        for number, (status, _, sentence) in _MESSAGE.items()
    ]


def _responses() -> list[Fault]:
    # A response has no target, host or expectation, hence no token for them.
    return [
        Fault(
            FaultNumber.RESPONSE + number,
            f"response_{number.name.lower()}",
            Side.ORIGIN,
            Phase.RESPONSE,
            502,
            Retry.NEVER,
            token,
            sentence.format(message="origin's response"),
        )
        for number, (_, token, sentence) in _MESSAGE.items()
        if token
    ]


_N = FaultNumber
_OTHERS = [
    # The client's time, manners and number.
    _row(_N.HEAD_TIMEOUT, Side.CLIENT, Phase.REQUEST, 408, Retry.NEVER, "http_request_error",
         "The request did not arrive in time."),
    _row(_N.BODY_TIMEOUT, Side.CLIENT, Phase.FORWARD, 408, Retry.NEVER, "http_request_error",
         "The content of the request came too slowly."),
    _row(_N.CLIENT_IDLE, Side.CLIENT, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The client's connection was idle for too long."),
    _row(_N.CLIENT_CLOSED, Side.CLIENT, Phase.REPLY, 0, Retry.NEVER, _ABSENT,
         "The client closed its connection before the end of the exchange (logged as status 499)."),
    _row(_N.SLOW_READER, Side.CLIENT, Phase.REPLY, 0, Retry.NEVER, _ABSENT,
         "The client took too little of its response."),
    _row(_N.PROXY_PREFACE, Side.CLIENT, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The PROXY protocol header is malformed, missing or not allowed from there."),
    _row(_N.CONNECTIONS, Side.INTERNAL, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The worker has as many connections as it may have."),
    _row(_N.CLIENT_CONNECTIONS, Side.CLIENT, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The client's address has as many connections as it may have."),
    _row(_N.METHOD, Side.CLIENT, Phase.REQUEST, 405, Retry.NEVER, "http_request_error",
         "The method is not allowed here."),
    _row(_N.MISDIRECTED, Side.CLIENT, Phase.REQUEST, 421, Retry.NEVER, "http_request_error",
         "The host is not one that this connection's certificate stands for."),
    # Policy.
    _row(_N.NO_ROUTE, Side.CLIENT, Phase.ROUTE, 404, Retry.NEVER, "destination_not_found",
         "Nothing is configured for this address."),
    _row(_N.DENIED, Side.CLIENT, Phase.ACCESS, 403, Retry.NEVER, "http_request_denied",
         "The access rules do not allow this request."),
    _row(_N.TARGET_ADDRESS, Side.CLIENT, Phase.ACCESS, 403, Retry.NEVER, "destination_ip_prohibited",
         "The target has a private or special address."),
    _row(_N.LOOP, Side.CLIENT, Phase.ACCESS, 508, Retry.NEVER, "proxy_loop_detected",
         "The request would come back to this proxy."),
    _row(_N.IDENTITY, Side.CLIENT, Phase.REQUEST, 407, Retry.NEVER, "http_request_denied",
         "It is not known who asks: credentials are missing or wrong (401 from a gateway)."),
    _row(_N.IDENTITY_SLOWED, Side.CLIENT, Phase.REQUEST, 429, Retry.NEVER, "http_request_denied",
         "There were too many wrong credentials: try again later."),
    _row(_N.IDENTITY_SHED, Side.INTERNAL, Phase.REQUEST, 503, Retry.NEVER, "http_request_denied",
         "There are too many credentials to verify at a time."),
    _row(_N.IDENTITY_PROVIDER, Side.INTERNAL, Phase.REQUEST, 503, Retry.NEVER, "http_request_denied",
         "Who verifies credentials does not answer."),
    _row(_N.SCHEME, Side.CLIENT, Phase.REQUEST, 501, Retry.NEVER, "http_request_error",
         "The scheme of the target is not supported here."),
    # TLS with the client.
    _row(_N.CLIENT_CERTIFICATE, Side.CLIENT, Phase.ROUTE, 403, Retry.NEVER, "http_request_denied",
         "This needs a client certificate, or another one than was shown."),
    _row(_N.TLS_PLAIN, Side.CLIENT, Phase.ACCEPT, 400, Retry.NEVER, "http_request_error",
         "This port speaks TLS: use https:// instead of http://."),
    _row(_N.TLS_HANDSHAKE, Side.CLIENT, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The TLS handshake with the client failed."),
    _row(_N.TLS_TIMEOUT, Side.CLIENT, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The client did not finish its TLS handshake in time."),
    _row(_N.TLS_SHED, Side.INTERNAL, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The worker has as many TLS handshakes under way as it may have."),
    # The way to the origin, and the origin.
    _row(_N.DNS, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "dns_error",
         "The name of the origin cannot be resolved."),
    _row(_N.DNS_TIMEOUT, Side.ORIGIN, Phase.EGRESS, 504, Retry.ALWAYS, "dns_timeout",
         "The name of the origin was not resolved in time."),
    _row(_N.DIAL_REFUSED, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "connection_refused",
         "The origin refused the connection."),
    _row(_N.DIAL_TIMEOUT, Side.ORIGIN, Phase.EGRESS, 504, Retry.ALWAYS, "connection_timeout",
         "The origin did not accept the connection in time."),
    _row(_N.DIAL_UNREACHABLE, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "destination_ip_unroutable",
         "The origin cannot be reached."),
    _row(_N.ORIGIN_CLOSED, Side.ORIGIN, Phase.RESPONSE, 502, Retry.IDEMPOTENT, "connection_terminated",
         "The origin closed the connection before its response."),
    _row(_N.RESPONSE_TIMEOUT, Side.ORIGIN, Phase.RESPONSE, 504, Retry.NEVER, "http_response_timeout",
         "The origin did not respond in time."),
    _row(_N.ORIGIN_STALL, Side.ORIGIN, Phase.REPLY, 504, Retry.NEVER, "connection_read_timeout",
         "The origin fell silent in the middle of its response."),
    _row(_N.TRUNCATED, Side.ORIGIN, Phase.REPLY, 502, Retry.NEVER, "http_response_incomplete",
         "The origin closed the connection in the middle of its response."),
    _row(_N.DEADLINE, Side.ORIGIN, Phase.EGRESS, 504, Retry.NEVER, "http_response_timeout",
         "The exchange took longer than it may."),
    _row(_N.NO_ENDPOINT, Side.ORIGIN, Phase.EGRESS, 503, Retry.NEVER, "destination_unavailable",
         "No endpoint is available."),
    _row(_N.SHED, Side.INTERNAL, Phase.EGRESS, 503, Retry.NEVER, "connection_limit_reached",
         "All endpoints have as much to do as they take."),
    _row(_N.TLS_ORIGIN, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "tls_protocol_error",
         "The TLS handshake with the origin failed."),
    _row(_N.TLS_CERTIFICATE, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "tls_certificate_error",
         "The origin's certificate is not to be believed."),
    _row(_N.TLS_ORIGIN_TIMEOUT, Side.ORIGIN, Phase.EGRESS, 504, Retry.ALWAYS, "connection_timeout",
         "The origin did not finish the TLS handshake in time."),
    _row(_N.TLS_REFUSED, Side.CLIENT, Phase.ACCESS, 403, Retry.NEVER, "http_request_denied",
         "The rules let this TLS connection neither pass nor be bridged."),
    _row(_N.FRONTING, Side.CLIENT, Phase.ACCESS, 421, Retry.NEVER, "http_request_denied",
         "CONNECT, the TLS handshake and Host do not name the same host."),
    # Ours.
    _row(_N.HOOK, Side.INTERNAL, Phase.ERROR, 500, Retry.NEVER, "proxy_internal_error",
         "A hook failed."),
    _row(_N.HOOK_TIMEOUT, Side.INTERNAL, Phase.ERROR, 504, Retry.NEVER, "proxy_internal_error",
         "A hook did not finish in time."),
    _row(_N.ICAP, Side.INTERNAL, Phase.ERROR, 503, Retry.NEVER, "proxy_internal_error",
         "The service that examines content did not say what becomes of this."),
    _row(_N.INTERNAL, Side.INTERNAL, Phase.ERROR, 500, Retry.NEVER, "proxy_internal_error",
         "The proxy failed."),
    _row(_N.MEMORY, Side.INTERNAL, Phase.ERROR, 503, Retry.NEVER, "proxy_internal_error",
         "The proxy is out of memory."),
    _row(_N.DESCRIPTORS, Side.INTERNAL, Phase.EGRESS, 503, Retry.NEVER, "proxy_internal_error",
         "The proxy is out of file descriptors."),
    _row(_N.TUNNEL_IDLE, Side.INTERNAL, Phase.TUNNEL, 0, Retry.NEVER, _ABSENT,
         "A tunnel was closed for its silence or age."),
    _row(_N.DRAIN, Side.INTERNAL, Phase.ERROR, 0, Retry.NEVER, _ABSENT,
         "The time for finishing exchanges before a stop was over."),
    # Shielding.
    _row(_N.LIMIT_RATE, Side.CLIENT, Phase.ACCESS, 429, Retry.NEVER, "http_request_denied",
         "There are too many requests: a rate limit was reached."),
    _row(_N.LIMIT_CONCURRENT, Side.CLIENT, Phase.ACCESS, 429, Retry.NEVER, "http_request_denied",
         "There are too many requests at a time: a limit was reached."),
    _row(_N.CLIENT_DENIED, Side.CLIENT, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The client's address may not connect here."),
    _row(_N.LISTENER_CONNECTIONS, Side.CLIENT, Phase.ACCEPT, 0, Retry.NEVER, _ABSENT,
         "The listener has as many connections as it may have."),
    _row(_N.MAINTENANCE, Side.INTERNAL, Phase.ACCESS, 503, Retry.NEVER, "http_request_denied",
         "The service is closed for maintenance."),
    # Bounds of what has begun.
    _row(_N.QUOTA, Side.CLIENT, Phase.ACCESS, 429, Retry.NEVER, "http_request_denied",
         "The quota of this hour, day or month is used up; what runs over it is cut."),
    _row(_N.REVOKED, Side.CLIENT, Phase.TUNNEL, 403, Retry.NEVER, "http_request_denied",
         "Judged again, the exchange or tunnel may not go on by the rules that are in force now."),
    _row(_N.KILLED, Side.INTERNAL, Phase.TUNNEL, 0, Retry.NEVER, _ABSENT,
         "An operator ended the exchange or tunnel."),
    _row(_N.IDENTITY_REVOKED, Side.CLIENT, Phase.TUNNEL, 403, Retry.NEVER, "http_request_denied",
         "Asked again, the credentials that the exchange or tunnel was let in by no longer hold."),
    # Ways in beside HTTP.
    _row(_N.SOCKS, Side.CLIENT, Phase.ACCEPT, 400, Retry.NEVER, "http_request_error",
         "This is not SOCKS, not of a version that is spoken here, or malformed."),
    _row(_N.SOCKS_METHOD, Side.CLIENT, Phase.ACCEPT, 407, Retry.NEVER, "http_request_denied",
         "The SOCKS client offers no way of saying who it is that is taken here."),
    _row(_N.SOCKS_COMMAND, Side.CLIENT, Phase.REQUEST, 501, Retry.NEVER, "http_request_error",
         "The SOCKS command is not turned on here."),
    _row(_N.SOCKS_ADDRESS, Side.CLIENT, Phase.REQUEST, 400, Retry.NEVER, "http_request_error",
         "The SOCKS request has a kind of address that there is not."),
    _row(_N.DATAGRAM, Side.CLIENT, Phase.TUNNEL, 0, Retry.NEVER, _ABSENT,
         "A datagram was dropped: malformed, a fragment, too large, or not asked for."),
    _row(_N.DATAGRAM_TARGETS, Side.CLIENT, Phase.TUNNEL, 0, Retry.NEVER, _ABSENT,
         "A datagram was dropped: its association has as many targets as it may have."),
    _row(_N.ORIGINAL, Side.CLIENT, Phase.ACCEPT, 400, Retry.NEVER, "http_request_error",
         "The connection was not redirected here: a transparent listener has no other clients."),
    # Ways out.
    _row(_N.EGRESS, Side.ORIGIN, Phase.EGRESS, 503, Retry.ALWAYS, "destination_unavailable",
         "No way out can be used."),
    _row(_N.PARENT, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "http_protocol_error",
         "The next proxy did not answer as it should."),
    _row(_N.PARENT_IDENTITY, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "proxy_configuration_error",
         "The next proxy does not take the credentials it was given, or wants some."),
    _row(_N.PARENT_REFUSED, Side.ORIGIN, Phase.EGRESS, 502, Retry.ALWAYS, "connection_refused",
         "The next proxy could not, or would not, reach the target."),
    _row(_N.PARENT_TIMEOUT, Side.ORIGIN, Phase.EGRESS, 504, Retry.ALWAYS, "connection_timeout",
         "The next proxy did not open a tunnel in time."),
]  # fmt: skip

#: All faults, by number.
FAULTS: dict[int, Fault] = {fault.number: fault for fault in (*_requests(), *_OTHERS, *_responses())}


def labels() -> list[str]:
    """Label by number, COUNT long; empty where a number is not used. What the journal and metrics need."""
    return [FAULTS[number].label if number in FAULTS else "" for number in range(FaultNumber.COUNT)]
