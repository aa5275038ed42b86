"""More handshakes under way than a worker takes: what comes then is closed, what was there goes on."""

import resource
import socket

from tests.integration.tls.conftest import faults
from tests.support import Reply, wait_until

MOST = 1024


def test_more_handshakes_than_are_taken(start_tls, start_origin, authority):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    waiting = []
    try:
        pair = authority.issue("a.example")
        proxy = start_tls(
            start_origin(Reply(content=b"ok")),
            tls={"certificates": [{"chain": str(pair.chain), "key": str(pair.key)}]},
            listener={"per_client": 4096, "timeouts": {"handshake": "60s"}},
        )
        with proxy.connect().secure(authority.trusting(), "a.example") as client:
            waiting.extend(socket.create_connection(("127.0.0.1", proxy.port())) for _ in range(MOST + 10))
            wait_until(lambda: faults(proxy).get("tls_shed", 0) >= 10, what="what is too much is closed")
            assert client.request("GET", "/", host="a.example").status == 200
    finally:
        for connection in waiting:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
