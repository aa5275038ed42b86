# What is taken off the fields that tell one client from another, compiled once.

cimport cython


@cython.final
cdef class Scrub:
    """Of one listener. `user_agent` and `language` stand in the place of the client's, empty: none at all.

    `referer` and `cookies` are scrub.ScrubOf: 0 as they are, 1 none to third parties, 2 (Referer) cut to the origin,
    3 none.
    """

    def __init__(
        self, *, str user_agent=None, str language=None, int referer=0, int cookies=0, bint validators=False,
        bint hints=False, bint signal=False,
    ):
        self.user_agent = user_agent.encode("latin-1") if user_agent is not None else None
        self.language = language.encode("latin-1") if language is not None else None
        self.referer = referer
        self.cookies = cookies
        self.asks_third = referer == SCRUB_THIRD or cookies == SCRUB_THIRD
        self.validators = validators
        self.hints = hints
        self.signal = signal
