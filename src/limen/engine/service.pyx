# Constructors of the compiled configuration. They check nothing but what memory safety needs:
# the configuration was checked before (limen.config), and limen.runtime.assemble builds these.

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from limen.engine.access cimport AccessTable
from limen.engine.addresses cimport AddressSet
from limen.engine.bridged cimport Bridge
from limen.engine.capture cimport Capture
from limen.engine.certificates cimport CertificateMatch
from limen.engine.demand cimport Demand
from limen.engine.resilience cimport Resilience
from limen.engine.split cimport Split
from limen.engine.guard cimport Guard
from limen.engine.maglev cimport mixed
from limen.engine.mask cimport Mask
from limen.engine.scrub cimport Scrub
from limen.engine.pac cimport Pac
from limen.engine.pages cimport Pages
from limen.engine.stream cimport OutField
from limen.engine.tables cimport RouteTable
from limen.engine.tls.contexts cimport ServerContext
from limen.engine.tls.passes cimport PassTable
from limen.engine.types cimport MAX_FIELDS
from limen.engine.upstream cimport Upstream
from limen.engine.ways_out cimport Egress


cdef inline uint64_t ns(double seconds) noexcept:
    return <uint64_t>(seconds * 1e9)


# Of routes that say nothing else, and of tunnels.
cdef Resilience PLAIN = Resilience()


cdef class Edits:
    """Compiled `request:` / `response:` edits; `set` and `remove` hold latin-1 names and values."""

    def __init__(self, dict set, list remove):
        cdef bytes name
        cdef bytes value
        self.kept = []
        self.sets = <OutField*>calloc(len(set) + 1, sizeof(OutField))
        self.drops = <OutField*>calloc(len(set) + len(remove) + 1, sizeof(OutField))
        if self.sets == NULL or self.drops == NULL:
            raise MemoryError
        if len(set) > 32:
            raise ValueError("at most 32 fields can be set in one direction")
        for key, text in set.items():
            name = key.encode("latin-1")
            value = text.encode("latin-1")
            self.kept += [name, value]
            self.sets[self.set_count].name = <const char*>name
            self.sets[self.set_count].name_length = len(name)
            self.sets[self.set_count].value = <const char*>value
            self.sets[self.set_count].value_length = len(value)
            self.set_count += 1
        for key in [*set, *remove]:
            name = key.lower().encode("latin-1")
            self.kept.append(name)
            self.drops[self.drop_count].name = <const char*>name
            self.drops[self.drop_count].name_length = len(name)
            self.drop_count += 1

    def __dealloc__(self):
        free(self.sets)
        free(self.drops)

    cdef bint drops_name(self, const char* name, size_t size) noexcept:
        """Whether a field of this name is to go; `name` in any case."""
        cdef int i
        cdef size_t j
        cdef unsigned char c
        for i in range(self.drop_count):
            if self.drops[i].name_length != size:
                continue
            for j in range(size):
                c = <unsigned char>name[j]
                if 65 <= c <= 90:
                    c += 32
                if c != <unsigned char>self.drops[i].name[j]:
                    break
            else:
                return True
        return False


cdef class Action:
    """What a route does with an exchange. All times in seconds, all sizes in bytes."""

    def __init__(
        self, str name, *, unsigned int slot=0xffffffff, Upstream upstream=None, int status=0, bytes body=b"",
        bytes location=None, Edits reply=None, str strip="", str add="", replace=None, Edits request=None,
        Edits response=None, uint64_t body_most=0, double response_timeout=60.0, double stall_timeout=60.0,
        int attempts=2, int retry_methods=0, uint64_t keep_memory=65536, uint64_t keep_most=1048576,
        int host_mode=0, str host="", list request_hooks=None, list response_hooks=None, double hook_timeout=5.0,
        bint upgrade=True, CertificateMatch certificate=None, Split split=None, Resilience resilience=None,
        Guard guard=None, Mask mask=None, Scrub scrub=None, Pages pages=None, Demand demand=None,
        Capture capture=None,
    ):
        self.name = name
        self.label = name.encode()
        self.slot = slot
        self.upstream = upstream
        self.status = status
        self.body = body
        self.location = location
        self.reply = reply
        self.strip = strip.encode()
        self.add = add.encode()
        self.replace = replace
        self.request = request
        self.response = response
        self.body_most = body_most
        self.response_timeout = ns(response_timeout)
        self.stall_timeout = ns(stall_timeout)
        self.attempts = max(attempts, 0)
        self.retry_methods = retry_methods
        self.keep_memory = keep_memory
        self.keep_most = max(keep_most, keep_memory)
        self.host_mode = host_mode
        self.host = host.encode()
        self.request_hooks = request_hooks or []
        self.response_hooks = response_hooks or []
        self.hook_timeout = hook_timeout
        self.upgrade = upgrade
        self.certificate = certificate
        self.demand = demand
        self.split = split
        self.resilience = resilience if resilience is not None else PLAIN
        self.guarded = self.resilience.guarded
        self.guard = guard
        self.mask = mask
        self.scrub = scrub
        self.pages = pages
        self.capture = capture

    def __repr__(self) -> str:
        return f"<Action {self.name} upstream={self.upstream!r} status={self.status}>"


cdef class Service:
    """Everything one listener needs. All times in seconds, all sizes in bytes."""

    def __init__(
        self, str name, *, int target_source, unsigned int slot=0xffffffff, unsigned int unrouted=0xffffffff,
        RouteTable routes=None, Action action=None, AccessTable access=None, AddressSet targets_allowed=None,
        bint private_allowed=False, int anonymity=1, AddressSet trusted=None, AddressSet preface_from=None,
        int line=8192, int fields=32768, int count=100, int trailers=16, bint underscores=False,
        double head_timeout=10.0, double idle_timeout=60.0, double body_timeout=30.0, double tunnel_idle=300.0,
        double tunnel_half=30.0, double tunnel_life=86400.0, double dial_timeout=5.0, uint64_t min_rate=500,
        double min_rate_after=10.0, unsigned int per_client=200, bint per_client_loopback=False, str via="limen",
        str id_field="X-Request-Id", bint id_trust=False, bint add_forwarded=True, bint add_x_forwarded=True,
        str scheme="http", int port=80,
        ServerContext tls=None, PassTable passes=None, int opened=0, bint asks_ja4=False, bint add_certificate=False,
        Bridge bridge=None, double handshake_timeout=10.0, AddressSet allow=None, AddressSet deny=None,
        int64_t connections_most=0, Pages pages=None, int ways=1, int transparent=0, bint logged=True,
        double bind_timeout=0.0, int relay_targets=0, size_t relay_size=65507, double relay_idle=60.0, Pac pac=None,
        Demand demand=None, Egress egress=None, list exits=None,
    ):
        if not 1 <= count <= MAX_FIELDS or not 0 <= trailers <= MAX_FIELDS:
            raise ValueError(f"at most {MAX_FIELDS} fields")
        if line < 64 or fields < 64 or line + fields > 65535 - 4:
            raise ValueError("a head has at least 64 bytes of line and of fields, and at most 65531 of both")
        self.name = name
        self.label = name.encode()
        self.slot = slot
        self.unrouted = unrouted
        self.target_source = target_source
        self.routes = routes
        self.action = action
        self.access = access
        self.demand = demand
        self.targets_allowed = targets_allowed
        self.private_allowed = private_allowed
        self.anonymity = anonymity
        self.logged = logged
        self.trusted = trusted
        self.preface_from = preface_from
        self.tls = tls
        self.passes = passes
        self.bridge = bridge
        self.opened = opened
        self.asks_ja4 = asks_ja4
        self.add_certificate = add_certificate
        self.handshake_timeout = ns(handshake_timeout)
        self.limits.line = line
        self.limits.fields = fields
        self.limits.count = count
        self.limits.trailers = trailers
        self.limits.allow_underscore = underscores
        self.head_timeout = ns(head_timeout)
        self.idle_timeout = ns(idle_timeout)
        self.body_timeout = ns(body_timeout)
        self.tunnel_idle = ns(tunnel_idle)
        self.tunnel_half = ns(tunnel_half)
        self.tunnel_life = ns(tunnel_life)
        self.dial_timeout = ns(dial_timeout)
        self.min_rate = min_rate
        self.min_rate_after = ns(min_rate_after)
        self.allow = allow
        self.deny = deny
        self.connections_most = connections_most
        self.pages = pages
        self.ways = ways
        self.transparent = transparent
        self.detects = ways != 1 or transparent != 0
        self.bind_timeout = ns(bind_timeout)
        self.relay_targets = relay_targets
        self.relay_size = relay_size
        self.relay_idle = ns(relay_idle)
        self.pac = pac
        self.connections_tag = mixed(self.label, <size_t>len(self.label), 0x636F6E6E65637473) | 1
        self.per_client = per_client
        self.per_client_loopback = per_client_loopback
        self.via = via.encode()
        self.id_field = id_field.encode()
        self.id_trust = id_trust
        self.egress = egress
        self.exits = exits
        self.goes_out = egress is not None or exits is not None
        self.add_forwarded = add_forwarded
        self.add_x_forwarded = add_x_forwarded
        self.scheme = scheme.encode()
        self.port = str(port).encode()

    def __repr__(self) -> str:
        return f"<Service {self.name} target_source={self.target_source}>"
