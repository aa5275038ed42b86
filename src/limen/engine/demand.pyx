# Constructor only; limen.runtime.identity.demands builds these from a checked configuration.

from limen.engine.types cimport FIELD_AUTHORIZATION, FIELD_PROXY_AUTHORIZATION

import itertools


_numbers = itertools.count(1)


cdef class Demand:
    """What a route or listener demands. `proxy`: by Proxy-Authorization and 407, else by Authorization and 401.

    `challenges` are values of Proxy-Authenticate or WWW-Authenticate in their order, `refusals` the same for a
    token that was refused; `binders` those of the chain who vouch for a whole connection. ValueError over 8.
    """

    def __init__(
        self, chain not None, *, bint proxy, list challenges, list refusals=None, bint required=True,
        bint certificate=False, bint field=True, binders=(),
    ):
        if len(challenges) > 8:
            raise ValueError("over 8 challenges")
        self.chain = chain
        self.required = required
        self.binders = tuple(binders) or None
        self.wants_certificate = certificate
        self.wants_field = field
        self.field_id = FIELD_PROXY_AUTHORIZATION if proxy else FIELD_AUTHORIZATION
        self.status = 407 if proxy else 401
        self.name = b"Proxy-Authenticate" if proxy else b"WWW-Authenticate"
        self.challenges = [text.encode("latin-1") for text in challenges]
        self.refusals = [text.encode("latin-1") for text in refusals or challenges]
        self.number = next(_numbers)

    def __repr__(self) -> str:
        return f"<Demand {self.number} required={self.required} challenges={self.challenges!r}>"
