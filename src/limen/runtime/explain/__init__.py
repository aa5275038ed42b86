"""Explaining what becomes of a request: which listener, route, verdict and endpoint, and why.

Nouns: what is *asked* (a URL, a client, a method, fields), and the *explanation*, a JSON-able mapping. The engine's own
tables and balancers decide; what is here finds words for it. Only `asked` may be imported by the supervisor.
"""
