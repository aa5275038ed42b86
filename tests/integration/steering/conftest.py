"""What steering is tested with: origins that say their name, clients with addresses of their choice."""

import pytest

from tests.support import RawClient, Reply


@pytest.fixture
def named_origins(start_origin):
    """Origins that answer with their name: `named_origins("a", "b")` gives values for the configuration."""

    def start(*names):
        return {name.upper(): start_origin(Reply(content=name.encode())) for name in names}

    return start


@pytest.fixture
def ask():
    """One request by its own connection, from any address (the listener takes the PROXY protocol)."""

    def ask(site, *, client="192.0.2.1", target="/", fields=(), name=None):
        with RawClient(("127.0.0.1", site.port(name or "PORT"))) as connection:
            kind = "TCP6" if ":" in client else "TCP4"
            own = "::1" if ":" in client else "127.0.0.1"
            connection.send(f"PROXY {kind} {client} {own} 4000 80\r\n")
            return connection.request("GET", target, fields=list(fields))

    return ask
