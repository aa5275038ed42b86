# Constructor only; limen.runtime.effects builds these from a checked configuration.

from libc.string cimport memset

from limen.engine.addresses cimport TargetHost, parse_authority
from limen.engine.capture cimport Capture
from limen.engine.guard cimport Guard


cdef class RuleEffect:
    """What follows from the verdict of the rule `name`.

    `location`: the template of a redirect (302) instead of 403; `host`: dialled instead of the target, at the target's
    port; `guard`: limits of what is allowed; `capture`: records it. ValueError if `host` is no host.
    """

    def __init__(
        self, str name, *, unsigned int slot=0xffffffff, str location=None, str host="", Guard guard=None,
        Capture capture=None,
    ):
        cdef bytes text = host.encode()
        self.name = name
        self.label = name.encode()
        self.slot = slot
        self.location = location.encode() if location is not None else None
        self.guard = guard
        self.capture = capture
        memset(&self.host, 0, sizeof(TargetHost))
        if host and (parse_authority(text, <size_t>len(text), 0, &self.host) != 0 or self.host.has_port):
            raise ValueError(f"not a host: {host!r}")

    def __repr__(self) -> str:
        return f"<RuleEffect {self.name}>"
