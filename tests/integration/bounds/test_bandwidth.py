"""Bandwidth limits: never more than burst and rate allow by the client's own clock, however loaded the machine is.

The time is taken from before the first byte was asked for until after the last one was read, so that the bound from
above is exact; how much less passes is the machine's business.
"""

import threading
import time

import pytest

RATE = 4 * 1024**2
BURST = 256 * 1024
LIMIT = {"limit": {"name": "line", "bandwidth": "4MiB/s", "burst": "256KiB", "by": "client"}}


def together(count, act):
    """Runs act() in so many threads; the sum of what they give, and the seconds from the first to the last."""
    found = []
    began = time.monotonic()
    threads = [threading.Thread(target=lambda: found.append(act())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == count
    return sum(found), time.monotonic() - began


def is_bounded(total, seconds):
    return total <= BURST + RATE * seconds


def drain(client, size):
    """Reads until there were `size` bytes; how many there were."""
    got = 0
    while got < size:
        found = client.socket.recv(min(65536, size - got))
        assert found
        got += len(found)
    return got


@pytest.mark.sanitize
def test_tunnels_of_two_workers_share_one_limit(start_proxy, origin):
    proxy, source = start_proxy(LIMIT), origin("flood")

    def pull():
        client, head = proxy.tunnel(source.port)
        assert head.status == 200
        got = drain(client, 2 * 1024**2)
        client.close()
        return got

    total, seconds = together(4, pull)
    assert total == 8 * 1024**2
    assert is_bounded(total, seconds)
    assert proxy.total("limen_limit_held_total", limit="line") > 0


def test_each_way_has_its_own(start_proxy, origin):
    proxy, sink = start_proxy(LIMIT), origin("swallow")

    def push():
        client, _ = proxy.tunnel(sink.port)
        client.send(bytes(3 * 1024**2))
        client.half_close()
        client.expect_end()
        client.close()
        return 3 * 1024**2

    total, seconds = together(2, push)
    assert sink.taken == total
    assert is_bounded(total, seconds)


@pytest.mark.sanitize
@pytest.mark.parametrize("target", ["/2097152", "/chunked/2097152", "/131072"])
def test_bodies_of_responses(start_proxy, origin, target):
    proxy, source = start_proxy(LIMIT), origin("http")
    size = int(target.rpartition("/")[2])
    rounds = 2 * 1024**2 // size

    def get():
        with proxy.connect() as client:
            got = 0
            for _ in range(rounds):
                response = client.request("GET", f"http://127.0.0.1:{source.port}{target}")
                assert response.status == 200
                got += len(response.content)
            return got

    total, seconds = together(3, get)
    assert total == 3 * rounds * size
    # small bodies may come with their heads before they can be held: at most one read of each connection
    assert total <= BURST + RATE * seconds + (3 * 131072 if rounds > 1 else 0)


def test_bodies_of_requests(start_proxy, origin):
    proxy, sink = start_proxy(LIMIT), origin("http")

    def post():
        with proxy.connect() as client:
            body = bytes(2 * 1024**2)
            target = f"http://127.0.0.1:{sink.port}/0"
            assert client.request("POST", target, content=body).status == 200
            return len(body)

    total, seconds = together(2, post)
    assert sink.taken == total
    # what came with the heads, in one read each
    assert total <= BURST + RATE * seconds + 2 * 131072


def test_dry_run_only_counts(start_proxy, origin):
    limit = {"limit": {"name": "line", "bandwidth": "1KiB/s", "burst": "4KiB", "dry_run": True}}
    proxy, source = start_proxy(limit), origin("flood")
    client, _ = proxy.tunnel(source.port)
    # it would take half an hour
    drain(client, 2 * 1024**2)
    client.close()
    assert proxy.total("limen_limit_held_total", limit="line") > 0
