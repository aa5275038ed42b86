# What is chosen among, and what a way is made of. exits.pyx has what an exchange does with it.

from libc.stdint cimport uint64_t

from limen.engine.addresses cimport parse_ip
from limen.engine.source cimport Source
from limen.engine.tls.contexts cimport ClientContext
from limen.engine.upstream cimport Endpoint, Upstream

import base64


cdef class Hop:
    """One parent: `kind` is `http` or `socks5`. ValueError for credentials that its protocol cannot carry."""

    def __init__(
        self, str kind, str host, int port, *, ClientContext tls=None, str user="", str password="",
    ):
        self.kind = {"http": HOP_HTTP, "socks5": HOP_SOCKS5}[kind]
        self.host = host.encode("ascii")
        self.port = port
        self.tls = tls
        self.user = user.encode()
        self.password = password.encode()
        self.authorization = b""
        if parse_ip(self.host, len(self.host), &self.literal) == 0:
            self.literal.port = port
        else:
            self.literal.family = 0
        if not user:
            return
        if self.kind == HOP_HTTP:
            self.authorization = b"Basic " + base64.b64encode(b"%b:%b" % (self.user, self.password))
        elif len(self.user) > 255 or len(self.password) > 255:
            raise ValueError("SOCKS5 has user names and passwords of at most 255 bytes")

    def __repr__(self) -> str:
        return f"<Hop {self.host.decode()}:{self.port}>"


cdef class Way:
    """A chain of parents, or without them a source of our own; `endpoint` stands for it where it is chosen."""

    def __init__(self, Endpoint endpoint not None, list hops, *, Source source=None, str key):
        self.endpoint = endpoint
        self.hops = hops
        self.source = source
        self.prefix = key.encode()
        self.takes_absolute = len(hops) == 1 and (<Hop?>hops[0]).kind == HOP_HTTP

    def __repr__(self) -> str:
        return f"<Way {self.endpoint!r} hops={self.hops!r}>"


cdef class Egress:
    """A choice among ways. `sticky`: 0 none, 1 by client or session, 2 by connection; `sticky_for` in seconds.

    `narrow(wishes, session)` gives one of fewer ways, for a client who says which; None if none fits.
    """

    def __init__(
        self, str name, Upstream upstream not None, list ways, *, bint fallback=False, bint resolve_here=False,
        int sticky=0, double sticky_for=0.0, object narrow=None,
    ):
        self.narrow = narrow
        self.fits = {}
        self.name = name.encode()
        self.upstream = upstream
        self.ways = {(<Way?>way).endpoint: way for way in ways}
        self.fallback = fallback
        self.resolve_here = resolve_here
        self.sticky = sticky
        self.sticky_for = <uint64_t>(sticky_for * 1e9)

    def __repr__(self) -> str:
        return f"<Egress {self.name.decode()} {self.upstream!r}>"

    cdef Egress narrowed(self, tuple choice):
        cdef object found = self.fits.get(choice, self)
        if found is not self:
            return found
        found = self.narrow(*choice) if self.narrow is not None else None
        if len(self.fits) >= FITS_MOST:
            # clients say what they like; what is in use is kept by its exchanges
            self.fits.clear()
        self.fits[choice] = found
        return found

    cdef bint is_out(self, uint64_t now) noexcept:
        cdef Endpoint endpoint
        cdef int i
        self.upstream.balancer.survey(now)
        if self.upstream.balancer.live == 0:
            return True
        for i in range(self.upstream.count):
            endpoint = <Endpoint>self.upstream.members[i]
            if endpoint.load.out_until <= now:
                return False
        return True
