"""What a client speaks before its first exchange: SOCKS, or what a transparent listener gets."""

class Way:
    """How a client came in that did not begin with HTTP."""
