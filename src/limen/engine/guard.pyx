# Constructors only; limen.runtime.guards builds these from a checked configuration.

from libc.stdint cimport int64_t, uint64_t

from limen.engine.addresses cimport AddressSet
from limen.engine.cells cimport LIMITS_MOST


cdef enum:
    GRANT_MOST = 262144       # bytes: a flow that has much to carry leaves turns to others


cdef class Limit:
    """One limit of a route. `interval` and `burst` in nanoseconds make it a rate, `speed` and `burst` in bytes (per
    second) a bandwidth, `quota` one of a `period` (hour, day, month), `life` (ns) one of how long tunnels last,
    and `most` one of how many are in flight.

    `identity` (64 bits) is what its cells are known by; `shown` the name that RateLimit fields give it.
    """

    def __init__(
        self, str name, *, uint64_t identity, unsigned int slot=0xffffffff, int by=0, str key_name="", int prefix=64,
        int64_t interval=0, int64_t burst=0, int64_t most=0, bint dry_run=False, bint tells=False, str shown="default",
        int64_t speed=0, int64_t quota=0, bint of_requests=False, int period=0, tuple warns=(), uint64_t life=0,
    ):
        if interval < 0 or burst < interval or most < 0 or not 0 <= prefix <= 128:
            raise ValueError("a limit out of bounds")
        if sum(bound > 0 for bound in (interval, most, speed, quota, life)) != 1:
            raise ValueError("a limit is one bound")
        if speed < 0 or (speed and burst < 4) or quota < 0 or not 0 <= period <= 2 or len(warns) > 4:
            raise ValueError("a limit out of bounds")
        self.name = name
        self.label = name.encode()
        self.identity = identity
        self.slot = slot
        self.by = by
        self.key_name = key_name.encode()
        self.prefix = prefix
        self.interval = interval
        self.burst = burst
        self.most = most
        self.speed = speed
        # four to a burst: what a timer comes late is not lost
        self.grant = min(burst // 4, GRANT_MOST) if speed else 0
        self.quota = quota
        self.of_requests = of_requests
        self.period = period
        for number, threshold in enumerate(sorted(warns)):
            self.warns[<int>number] = threshold
        self.life = life
        self.dry_run = dry_run
        self.tells = tells and interval > 0
        self.shown = shown.encode()
        self.policy = b""
        if interval:
            # the quota, and the seconds in which it comes back
            self.policy = b'"%b";q=%d;w=%d' % (self.shown, burst // interval, max(1, -(-burst // 1000000000)))

    def __repr__(self) -> str:
        return f"<Limit {self.name} interval={self.interval} burst={self.burst} most={self.most}>"


cdef class Guard:
    """What stands before a route. ValueError over 8 limits."""

    def __init__(
        self, *, AddressSet allow=None, AddressSet deny=None, bint closed=False, AddressSet spared=None,
        int retry_after=0, list limits=None,
    ):
        self.allow = allow
        self.deny = deny
        self.closed = closed
        self.spared = spared
        self.retry_after = str(retry_after).encode() if retry_after else b""
        self.limits = [<Limit?>limit for limit in limits or ()]
        if len(self.limits) > LIMITS_MOST:
            raise ValueError(f"over {LIMITS_MOST} limits of one route")
        self.limit_count = len(self.limits)
        self.metered = any((<Limit>limit).speed or (<Limit>limit).quota for limit in self.limits)
        lives = [(<Limit>limit).life for limit in self.limits if (<Limit>limit).life]
        self.life = min(lives, default=0)
        self.asks_identity = any((<Limit>limit).by == LIMIT_BY_IDENTITY for limit in self.limits)
        self.tells = any((<Limit>limit).tells for limit in self.limits)
        self.policy = b", ".join([(<Limit>limit).policy for limit in self.limits if (<Limit>limit).tells])

    def __repr__(self) -> str:
        return f"<Guard closed={self.closed} limits={self.limits!r}>"
