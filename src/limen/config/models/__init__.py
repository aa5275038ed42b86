"""The models: one file per section, the same words as in the file that users write.

Nouns: *section* (a mapping of the file), *shorthand* (a section written as one value). All are frozen and complete:
what was left out has its default. Made by `limen.config.load`, read by policy, egress, listeners, runtime.
"""

from limen.config.addresses import Address, Ports
from limen.config.models.access import Condition, Rule, Times
from limen.config.models.admin import Admin, Control
from limen.config.models.balance import Balance, HashKey, Queue
from limen.config.models.bridge import Bridge, BridgeAuthority, BridgeTls, Learn, Leaves, Pinned
from limen.config.models.bridge_rules import (
    CertificateCondition,
    CertificateRule,
    ConnectCondition,
    ConnectRule,
    HelloCondition,
    HelloRule,
)
from limen.config.models.capture import Capture
from limen.config.models.certificates import CertificateMatch
from limen.config.models.discover import DnsSource, EndpointDefaults, FileSource, HttpSource, SrvSource
from limen.config.models.drain import Drain
from limen.config.models.edits import FieldEdits
from limen.config.models.forward import Forward, ForwardBody, ForwardTimeouts, Socks, Targets
from limen.config.models.health import Ejection, ErrorRate, Outlier, Probe, ProbeBody, Slow
from limen.config.models.hello import HelloMatch, OpaqueRoute
from limen.config.models.icap import Icap, IcapService
from limen.config.models.identities import (
    Bearer,
    CertificateName,
    Check,
    Demand,
    Ldap,
    LdapGroups,
    PasswordFile,
    Provider,
)
from limen.config.models.limit import Limit, LimitKey
from limen.config.models.limits import Limits
from limen.config.models.listeners import (
    ForwardedFields,
    Head,
    Listener,
    ListenerTimeouts,
    MinRate,
    ProxyProtocolIn,
    RequestId,
)
from limen.config.models.lists import SharedList
from limen.config.models.log import AccessLog, Log
from limen.config.models.masks import ErrorPage, Mask
from limen.config.models.pac import Pac
from limen.config.models.resilience import Backoff, Budget, Deadline, Hedge, Mirror, Retry, RouteTimeouts
from limen.config.models.resolver import Resolver
from limen.config.models.root import Config
from limen.config.models.routes import (
    Body,
    Match,
    PathMatch,
    Redirect,
    Replace,
    Respond,
    Rewrite,
    Route,
)
from limen.config.models.section import Section
from limen.config.models.shield import Addresses, Maintenance
from limen.config.models.socks import SocksBind, SocksUdp, SocksWays
from limen.config.models.stream import Stream, StreamTimeouts
from limen.config.models.tls import (
    CertificateFiles,
    ClientCertificates,
    HttpsRedirect,
    ListenerTls,
    StrictTransport,
    Tickets,
    UpstreamTls,
)
from limen.config.models.upstreams import Discover, Endpoint, Pool, Upstream, UpstreamTimeouts

__all__ = [
    "AccessLog",
    "Address",
    "Addresses",
    "Admin",
    "Backoff",
    "Balance",
    "Bearer",
    "Body",
    "Bridge",
    "BridgeAuthority",
    "BridgeTls",
    "Budget",
    "Capture",
    "CertificateCondition",
    "CertificateFiles",
    "CertificateMatch",
    "CertificateName",
    "CertificateRule",
    "Check",
    "ClientCertificates",
    "Condition",
    "Config",
    "ConnectCondition",
    "ConnectRule",
    "Control",
    "Deadline",
    "Demand",
    "Discover",
    "DnsSource",
    "Drain",
    "Ejection",
    "Endpoint",
    "EndpointDefaults",
    "ErrorPage",
    "ErrorRate",
    "FieldEdits",
    "FileSource",
    "Forward",
    "ForwardBody",
    "ForwardTimeouts",
    "ForwardedFields",
    "HashKey",
    "Head",
    "Hedge",
    "HelloCondition",
    "HelloMatch",
    "HelloRule",
    "HttpSource",
    "HttpsRedirect",
    "Icap",
    "IcapService",
    "Ldap",
    "LdapGroups",
    "Learn",
    "Leaves",
    "Limit",
    "LimitKey",
    "Limits",
    "Listener",
    "ListenerTimeouts",
    "ListenerTls",
    "Log",
    "Maintenance",
    "Mask",
    "Match",
    "MinRate",
    "Mirror",
    "OpaqueRoute",
    "Outlier",
    "Pac",
    "PasswordFile",
    "PathMatch",
    "Pinned",
    "Pool",
    "Ports",
    "Probe",
    "ProbeBody",
    "Provider",
    "ProxyProtocolIn",
    "Queue",
    "Redirect",
    "Replace",
    "RequestId",
    "Resolver",
    "Respond",
    "Retry",
    "Rewrite",
    "Route",
    "RouteTimeouts",
    "Rule",
    "Section",
    "SharedList",
    "Slow",
    "Socks",
    "SocksBind",
    "SocksUdp",
    "SocksWays",
    "SrvSource",
    "Stream",
    "StreamTimeouts",
    "StrictTransport",
    "Targets",
    "Tickets",
    "Times",
    "Upstream",
    "UpstreamTimeouts",
    "UpstreamTls",
]
