"""Every number of the engine's faults is provoked by a test: here by the bytes that cause it, or where ELSEWHERE says.

What is asserted is the label in the metrics, that is, the number that the engine counted.
"""

import contextlib
import resource
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from limen.faults import FAULTS
from tests.support import Close, Delay, Raw, Reply, blackhole, free_port, run_limen, wait_until

TESTS = Path(__file__).resolve().parents[2]
ENGINE = TESTS.parent / "src/limen/engine"

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REQUESTS = {
    "start_line": b"GET /\r\n\r\n",
    "target": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "field_name": HEAD + b"X : a\r\n\r\n",
    "field_value": HEAD + b"X: a\x00\r\n\r\n",
    "line_ending": b"GET / HTTP/1.1\nHost: a\n\n",
    "obs_fold": HEAD + b"X: a\r\n b\r\n\r\n",
    "host": b"GET / HTTP/1.1\r\n\r\n",
    "length": POST + b"Content-Length: -1\r\n\r\n",
    "coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "length_and_coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk": CHUNKED + b"zz\r\n",
    "trailer": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    "underscore": HEAD + b"X_Y: a\r\n\r\n",
    "uri_too_long": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "fields_too_large": HEAD + b"X: " + b"a" * 40000 + b"\r\n\r\n",
    "body_too_large": POST + b"Content-Length: 99999999\r\n\r\n",
    "expectation": POST + b"Expect: magic\r\nContent-Length: 1\r\n\r\na",
    "method": b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
    "no_route": b"GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n",
    "internal": b"GET /invalid HTTP/1.1\r\nHost: a\r\n\r\n",
}
OK = b"HTTP/1.1 200 OK\r\n"
RESPONSES = {
    "response_start_line": b"garbage\r\n\r\n",
    "response_version": b"HTTP/2.0 200 OK\r\n\r\n",
    "response_field_name": OK + b"X : a\r\n\r\n",
    "response_field_value": OK + b"X: a\x00\r\n\r\n",
    "response_line_ending": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "response_obs_fold": OK + b"X: a\r\n b\r\n\r\n",
    "response_length": OK + b"Content-Length: x\r\n\r\n",
    "response_coding": OK + b"Transfer-Encoding: gzip\r\n\r\n",
    "response_length_and_coding": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "response_chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "response_trailer": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
    "response_uri_too_long": b"HTTP/1.1 200 " + b"a" * 300000 + b"\r\n\r\n",
    "response_fields_too_large": OK + b"X: a\r\n" * 300 + b"\r\n",
    "response_upgrade": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "origin_closed": b"",
    "truncated": OK + b"Content-Length: 10\r\n\r\nabc",
}


# -- one function per fault, named after it ------------------------------------------------------------------------------


def head_timeout(start) -> object:
    gateway = start(listener={"timeouts": {"head": "200ms"}})
    gateway.connect().send(HEAD)
    return gateway


def body_timeout(start) -> object:
    gateway = start(listener={"timeouts": {"body": "200ms"}})
    gateway.connect().send(POST + b"Content-Length: 5\r\n\r\nab")
    return gateway


def client_idle(start) -> object:
    gateway = start(listener={"timeouts": {"idle": "1s"}})
    gateway.connect().send(HEAD + b"\r\n")
    return gateway


def client_closed(start) -> object:
    gateway = start(script=lambda _, connection: connection.read_to_end() and None)
    client = gateway.connect().send(HEAD + b"\r\n")
    wait_until(lambda: gateway.total("limen_endpoint_active") == 1, what="the request at its origin")
    client.reset()
    return gateway


def slow_reader(start) -> object:
    gateway = start(script=Reply(content=b"x" * (32 << 20)), listener={"timeouts": {"body": "300ms"}})
    gateway.connect().send(HEAD + b"\r\n")
    return gateway


def proxy_preface(start) -> object:
    gateway = start(listener={"proxy_protocol": {"from": ["127.0.0.0/8"]}})
    gateway.connect().send(HEAD + b"\r\n")
    return gateway


def connections(start) -> object:
    gateway = start(root={"limits": {"connections": 2}})
    held = [gateway.connect() for _ in range(3)]
    wait_until(lambda: "connections" in gateway.faults(), what="a connection too many")
    for client in held:
        client.close()
    return gateway


def client_connections(start) -> object:
    gateway = start(listener={"per_client": 1})
    held = [gateway.connect() for _ in range(2)]
    held[-1].read_to_end()
    return gateway


def descriptors(start) -> object:
    gateway = start()
    (worker,) = gateway.worker_pids()
    gateway.catch_up()  # what it imports to answer needs descriptors, too
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, before[1]))
    client = gateway.connect().send(HEAD + b"\r\n")
    wait_until(lambda: "descriptors" in gateway.faults(), what="no descriptor")
    resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
    # and it goes on as soon as there are some
    assert client.read_response().status == 200
    return gateway


def memory(start) -> object:
    """No room for the spool file: the same as no memory."""
    with blackhole() as silent:
        gateway = start(origin=f"127.0.0.1:{silent}", upstream={"timeouts": {"dial": "15s"}})
        (worker,) = gateway.worker_pids()
        gateway.catch_up()  # what it imports to answer may be compiled, and written down
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
        # Head and content together: no reading ends where memory does, so that the last one goes beyond it.
        with contextlib.suppress(OSError):
            gateway.connect().send(POST + b"Content-Length: 120000\r\n\r\n" + b"x" * 120000)
        wait_until(lambda: "memory" in gateway.faults(), what="no room")
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return gateway


def dial_refused(start) -> object:
    gateway = start(origin=f"127.0.0.1:{free_port()}")
    assert gateway.get().status == 502
    return gateway


def dial_timeout(start) -> object:
    with blackhole() as silent:
        gateway = start(origin=f"127.0.0.1:{silent}", upstream={"timeouts": {"dial": "200ms"}})
        assert gateway.get().status == 504
    return gateway


def dial_unreachable(start) -> object:
    gateway = start(origin="255.255.255.255:9")
    assert gateway.get().status == 502
    return gateway


def response_timeout(start) -> object:
    gateway = start(script=[Delay(1)], route={"timeouts": {"response": "100ms"}})
    assert gateway.get().status == 504
    return gateway


def origin_stall(start) -> object:
    gateway = start(script=[Raw(RESPONSES["truncated"]), Delay(1)], route={"timeouts": {"stall": "100ms"}})
    gateway.connect().send(HEAD + b"\r\n").read_to_end()
    return gateway


def tunnel_idle(start) -> object:
    switched = Raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    gateway = start(script=[switched, Delay(2)], listener={"timeouts": {"tunnel_idle": "1s"}})
    gateway.connect().send(HEAD + b"Connection: upgrade\r\nUpgrade: x\r\n\r\n").read_to_end()
    return gateway


def _proxy(start, target: str, status: int, **forward) -> object:
    listener = {"bind": "127.0.0.1:@PORT@", "name": "front", "forward": forward}
    gateway = start(root={"listeners": [listener]})
    with gateway.connect() as client:
        port = gateway.port()
        client.send(f"GET {target.replace('PORT', str(port))} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert client.read_response().status == status
    return gateway


def denied(start) -> object:
    return _proxy(start, "http://192.0.2.1/", 403, access=[{"deny": {}}])


def target_address(start) -> object:
    return _proxy(start, "http://127.0.0.1/", 403)


def loop(start) -> object:
    return _proxy(start, "http://127.0.0.1:PORT/", 508, targets={"private": "allow"}, access=[{"allow": {}}])


def scheme(start) -> object:
    return _proxy(start, "ftp://192.0.2.1/", 501)


SCENARIOS: dict[str, Callable[..., object]] = {
    function.__name__: function
    for function in (
        head_timeout, body_timeout, client_idle, client_closed, slow_reader, proxy_preface, connections,
        client_connections, descriptors, memory, dial_refused, dial_timeout, dial_unreachable, response_timeout,
        origin_stall, tunnel_idle, denied, target_address, loop, scheme,
    )
}  # fmt: skip
#: Provoked where what it needs is set up: file, test, and what that asserts.
ELSEWHERE = {
    "misdirected": ("integration/tls/test_terminate.py", "test_a_host_of_another_certificate_is_misdirected", "421"),
    "tls_plain": ("integration/tls/test_bad_input.py", "", "tls_plain"),
    "tls_handshake": ("integration/tls/test_bad_input.py", "", "tls_handshake"),
    "tls_timeout": ("integration/tls/test_bad_input.py", "test_slow_handshakes_end", "tls_timeout"),
    "tls_certificate": ("integration/tls/test_origins.py", "", "tls_certificate"),
    "tls_shed": ("integration/tls/test_shed.py", "test_more_handshakes_than_are_taken", "tls_shed"),
    "client_certificate": ("integration/tls/test_client_facts.py", "test_a_route_that_demands_a_certificate", "403"),
    "tls_refused": ("integration/bridge/test_decisions.py", "", 'faults(proxy).get("tls_refused")'),
    "fronting": ("integration/bridge/test_decisions.py", "test_fronting_is_refused_and_logged", "fronting"),
    "tls_origin": ("integration/tls/test_origins.py", "test_origins_that_speak_no_tls", "tls_protocol_error"),
    "tls_origin_timeout": ("integration/tls/test_origins.py", "test_a_handshake_that_takes_too_long", "504"),
    "dns": ("integration/proxy/test_names.py", "test_names_that_cannot_be_resolved", "dns_error"),
    "dns_timeout": ("integration/proxy/test_names.py", "test_names_that_cannot_be_resolved", "dns_timeout"),
    "hook": ("integration/hooks/test_request.py", "test_failures", "500"),
    "hook_timeout": ("integration/hooks/test_request.py", "test_failures", "504"),
    "response_body_too_large": ("integration/hooks/test_content.py", "test_response_content", "502"),
    "shed": (
        "integration/gateway/test_balancing.py",
        "test_who_waits_too_long_is_shed_and_who_leaves_is_forgotten",
        "shed",
    ),
    "limit_rate": ("integration/shield/test_limits.py", "test_what_a_refusal_says", "429"),
    "limit_concurrent": (
        "integration/shield/test_limits.py",
        "test_concurrency_is_bounded_over_two_workers_and_comes_back",
        "limit_concurrent",
    ),
    "client_denied": (
        "integration/shield/test_lists.py",
        "test_a_listener_closes_before_a_byte_is_read",
        "client_denied",
    ),
    "listener_connections": (
        "integration/shield/test_limits.py",
        "test_connections_of_a_listener_over_two_workers",
        "listener_connections",
    ),
    "maintenance": ("integration/shield/test_masks.py", "test_a_route_is_closed_for_all_but_some", "503"),
    "deadline": ("integration/gateway/test_resilience.py", "", 'details="deadline"'),
    "identity": ("integration/ways/test_one_pipeline.py", "test_user_and_password", "wrong"),
    "socks": ("integration/ways/test_socks.py", "", '"socks")'),
    "socks_method": ("integration/ways/test_socks.py", "", '"socks_method")'),
    "socks_command": ("integration/ways/test_socks.py", "", '"socks_command")'),
    "socks_address": ("integration/ways/test_socks.py", "", '"socks_address")'),
    "datagram": ("integration/ways/test_socks_udp.py", "test_what_is_dropped_is_counted", '"datagram"'),
    "datagram_targets": (
        "integration/ways/test_socks_udp.py",
        "test_targets_of_one_association_are_bounded",
        "datagram_targets",
    ),
    "identity_slowed": ("integration/identity/test_proxy.py", "test_guessers_are_slowed_down_and_told_of", "429"),
    "identity_shed": ("integration/identity/test_proxy.py", "test_more_questions_than_are_asked_at_once", "503"),
    "identity_provider": ("integration/identity/test_gateway.py", "test_a_service_and_hooks", "503"),
    "icap": ("integration/icap/test_services.py", "test_content_that_is_larger_and_services_that_fail", "503"),
    "egress": ("integration/egress/test_parents.py", "test_all_down_is_503_and_nothing_goes_directly", "503"),
    "parent": ("integration/egress/test_parents.py", "", "did not answer as it should"),
    "parent_identity": ("integration/egress/test_parents.py", "test_a_parents_challenge_is_not_the_clients", "502"),
    "parent_refused": ("integration/egress/test_parents.py", "test_socks_refusals", "502"),
    "parent_timeout": ("integration/egress/test_parents.py", "test_a_silent_parent_has_the_time_of_a_dial", "504"),
    "quota": (
        "integration/bounds/test_quota.py",
        "test_tunnels_are_cut_and_it_outlives_every_process",
        'fault="quota"',
    ),
    "revoked": (
        "integration/bounds/test_census.py",
        "test_a_reload_closes_exactly_what_is_no_longer_allowed",
        'fault="revoked"',
    ),
    "identity_revoked": (
        "integration/identity/test_recheck.py",
        "test_tunnels_end_with_the_line_that_let_them_in",
        "identity_revoked",
    ),
    "killed": ("integration/bounds/test_census.py", "test_listing_and_killing", 'fault="killed"'),
    "original": ("integration/ways/test_transparent.py", "test_clients_that_nobody_has_redirected", "not redirected"),
    "drain": ("integration/runtime/test_drain.py", "test_what_does_not_end_is_cut_at_the_deadline", "drain"),
}
#: Numbers that are reserved: nothing in the engine says them yet. Whoever does brings a test.
UNSAID = {"upgrade": "FAULT_UPGRADE"}
#: Numbers that no configuration leads to: an upstream without endpoints is refused, and origins may use names with `_`.
UNREACHED = {"no_endpoint", "response_underscore"}


@pytest.fixture
def start(start_gateway, start_origin):
    """`start(script=..., origin=..., ...)`: a gateway whose clients end with the test."""
    with ExitStack() as clients:

        def made(*, script=None, origin=None, root=None, **options):
            where = () if root and "listeners" in root else (origin or start_origin(script),)
            gateway = start_gateway(*where, root=root, **options)
            connect = gateway.connect
            gateway.connect = lambda *arguments: clients.enter_context(connect(*arguments))
            return gateway

        yield made


def test_malformed_requests_are_counted_by_what_is_wrong(start) -> None:
    gateway = start(
        routes=[
            {
                "match": {"host": "a", "path": "/invalid"},
                "upstream": "web",
                "rewrite": {"replace": {"pattern": "invalid", "with": "?"}},
            },
            {"match": {"host": "a"}, "upstream": "web"},
        ]
    )
    for label, data in REQUESTS.items():
        with gateway.connect() as client:
            assert client.send(data).read_response().status == _fault(label).status, label
            wait_until(lambda wanted=label: wanted in gateway.faults(), what=label)


def test_malformed_responses_are_counted_by_what_is_wrong(start) -> None:
    gateway = start(
        script=lambda request, _: [Raw(RESPONSES[request.get("x-label")]), Close()], route={"retry": {"attempts": 0}}
    )
    for label in RESPONSES:
        with gateway.connect() as client:
            client.send(HEAD + f"X-Label: {label}\r\n\r\n".encode()).read_head()
            wait_until(lambda wanted=label: wanted in gateway.faults(), what=label)


@pytest.mark.parametrize("label", SCENARIOS)
def test_provoked(start, label: str) -> None:
    gateway = SCENARIOS[label](start)
    wait_until(lambda: label in gateway.faults(), what=f"the fault {label}")


def test_every_fault_has_its_test() -> None:
    here = {*REQUESTS, *RESPONSES, *SCENARIOS}
    labels = {fault.label for fault in FAULTS.values()}
    elsewhere = {*ELSEWHERE, *UNSAID, *UNREACHED}
    assert here | elsewhere == labels
    assert not here & elsewhere
    for file, test, sign in ELSEWHERE.values():
        text = (TESTS / file).read_text(encoding="utf-8")
        assert f"def {test}(" in text or not test, (file, test)
        assert sign in text.partition(f"def {test}(")[2] or (not test and sign in text), (file, test, sign)


def test_what_is_unreached_is_so(start, tmp_path) -> None:
    gateway = start(script=Reply(fields=[("X_Y", "a")]))
    assert gateway.get().get("x_y") == "a"
    file = tmp_path / "limen.yaml"
    file.write_text(gateway.text.replace(gateway.text[gateway.text.index('"endpoints"') :], '"endpoints": []}}}'))
    checked = run_limen("check", str(file))
    assert checked.returncode == 2
    assert "endpoints" in checked.stdout + checked.stderr


def test_what_is_reserved_is_not_said() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in ENGINE.rglob("*.pyx"))
    for name in UNSAID.values():
        uses = [
            line
            for line in source.splitlines()
            if name in line.replace(f"FAULT_RESPONSE + {name}", "") and line.strip() != f"{name},"
        ]
        assert not uses, uses


def _fault(label: str):
    return next(fault for fault in FAULTS.values() if fault.label == label)
