"""Compiled TLS: libssl between the sockets and the connections."""
