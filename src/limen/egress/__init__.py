"""The way out: how an exchange reaches its origin.

Nouns: the *resolver* (names to addresses, cached), a *lookup* (one question asked of DNS servers), the
*hosts* file and resolv.conf; a *sealed* server is asked over TLS or HTTPS only, on its *line* (a connection).
Called by the worker; what it finds goes to the engine as addresses.
"""
