# Constructor only; limen.runtime.masks builds it.


cdef class Mask:
    """Of one route: `hosts` are names of its origins besides those of endpoints of `upstreams`, `strip` and `add` what
    its rewriting does to paths.
    """

    def __init__(
        self, *, list hosts not None, str strip="", str add="", bint location=True, bint cookies=True, str domain="",
        list upstreams=None,
    ):
        self.hosts = [host.lower().encode("latin-1") for host in hosts]
        self.strip = strip.rstrip("/").encode("latin-1")
        self.add = add.rstrip("/").encode("latin-1")
        self.upstreams = upstreams or []
        self.location = location
        self.cookies = cookies
        self.domain = domain.encode("latin-1")
