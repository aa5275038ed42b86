"""Origins behind a wire that is cut or loses packets: real nginx in a network namespace of its own, under load.

Nothing says that it is gone: packets vanish, as with a machine that lost power or a switch that lost its mind.
"""

import contextlib
import shutil

import pytest

from tests.integration.ways.network import CLIENT, WAITING, Network
from tests.support import LimenProcess, wait_until
from tests.support.health import endpoints, wait_for_states
from tests.support.load import Load
from tests.support.programs import NginxOrigin, available

WHY_NOT = Network.why_not() or ("" if available("nginx") else "nginx is not installed")
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

SITE = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    routes:
      - upstream: web
        retry: {per_try: 2s, attempts: 4, budget: {share: 100%, least: 100}}
upstreams:
  web:
    endpoints: ["@HERE@", "@BESIDE@", "@THERE@"]
    timeouts: {dial: 1s}
    @MORE@
"""
PROBED = "probe: {path: /who, interval: 100ms, timeout: 1s, rise: 2, fall: 2}\n    slow_start: 10m"
WATCHED = "outlier: {consecutive: 0, slow: {times: 3, least: 100ms, requests: 5}, interval: 1s, ejection: {base: 1h, most: 1h}}"


@pytest.fixture
def network():
    with Network() as made:
        yield made


@pytest.fixture
def site(network):
    """`site(more)`: limen with two origins beside it and one at the other end of the wire."""
    with contextlib.ExitStack() as stack:

        def origin(name, namespace, address):
            made = NginxOrigin(extra=f'location = /who {{ return 200 "{name}"; }}')
            made.extra += f"\nlisten {address}:{made.port};" if address != "127.0.0.1" else ""
            with namespace:
                stack.enter_context(made)
            return f"{address}:{made.port}"

        def start(more):
            values = {
                "HERE": origin("here", network.router, "127.0.0.1"),
                "BESIDE": origin("beside", network.router, "127.0.0.1"),
                "THERE": origin("there", network.client, CLIENT),
                "MORE": more,
            }
            return stack.enter_context(LimenProcess(SITE, values=values, fresh=True))

        # whatever is started or asked, it is on the router; so are the threads of a load
        with network.router:
            yield start


def test_a_wire_is_cut_under_load(network, site):
    """No request fails; when the wire is mended, the endpoint is back after its probes, and comes in slowly."""
    limen = site(PROBED)
    wait_for_states(limen, "up", "up", "up")
    with Load(limen.port(), kept=8, fresh=4, target="/who") as load:
        load.wait(300)
        assert set(load.answers) == {"here", "beside", "there"}
        network.client.run("ip", "link", "set", "wire", "down")
        rows = wait_for_states(limen, "up", "up", "down")
        assert "no answer within 1 s" in rows[2]["reason"] or "unreachable" in rows[2]["reason"]
        load.wait(300)
        assert "there" not in load.answers[-200:]
        network.client.run("ip", "link", "set", "wire", "up")
        wait_for_states(limen, "up", "up", "warming")
        back = len(load.answers)
        load.wait(1000)
        share = load.answers[back:].count("there") / len(load.answers[back:])
        # a tenth of the weight of one of three is 4.8 % of the load
        assert 0 < share < 0.1
    assert load.failures == []
    assert not any(row["failures"] for row in endpoints(limen)[:2])


@pytest.mark.skipif(shutil.which("iptables") is None, reason="iptables is not installed")
def test_a_wire_that_loses_packets(network, site):
    """What is slowed by it is found slow beside the others, and left out; no request fails meanwhile."""
    limen = site(WATCHED)
    with Load(limen.port(), kept=8, fresh=4, target="/who") as load:
        load.wait(300)
        for chain in ("INPUT", "OUTPUT"):
            # of segments with data: whoever loses those that make connections is out by that already
            data = ("-A", chain, "-p", "tcp", "--tcp-flags", "PSH", "PSH")
            network.client.run(
                "iptables",
                WAITING,
                *data,
                *["-m", "statistic", "--mode", "random", "--probability", "0.3", "-j", "DROP"],
            )
        wait_until(lambda: endpoints(limen)[2]["state"] == "ejected", 60, what="an ejection")
        assert "ms to a response, the others" in endpoints(limen)[2]["reason"]
        wait_until(lambda: endpoints(limen)[2]["active"] == 0, what="the end of what it had")
        # (each client may have one of its answers that it has not noted yet)
        load.wait(100)
        begun = len(load.answers)
        load.wait(300)
        assert "there" not in load.answers[begun:]
    assert load.failures == []
