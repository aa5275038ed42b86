"""Questions are decided by the engine's own functions, and change nothing."""

import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine import _engine_probe as probe
from limen.engine.access import AccessTable
from limen.engine.addresses import AddressSet
from limen.engine.balance import Balancer
from limen.engine.certificates import CertificateMatch
from limen.engine.engine import Engine
from limen.engine.explain import Question, opaque_action, standing
from limen.engine.service import Action, Service
from limen.engine.tables import RouteTable
from limen.engine.tls.certificate import Certificate
from limen.engine.tls.contexts import ServerContext
from limen.engine.upstream import Endpoint, Upstream
from limen.faults import FaultNumber
from limen.policy.specs import AccessSpec, CertificateSpec, PathKind, RouteSpec
from tests.support.certificates import Authority

FROM_ROUTE, FROM_REQUEST, OPAQUE = 0, 1, 2
POLICIES = range(7)


@pytest.fixture(scope="module")
def engine():
    return Engine()


def upstream_of(engine, count, **options):
    members = [Endpoint(engine, key=str(i), host="127.0.0.1", port=8000 + i) for i in range(count)]
    return Upstream("web", members, balancer=Balancer([one.label for one in members], **options))


def gateway(*specs, **options):
    return Service("front", target_source=FROM_ROUTE, routes=RouteTable(specs), **options)


def head(target="/", host="a.example", method="GET", *fields):
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


def test_a_route_is_found_as_for_a_request(engine):
    web = upstream_of(engine, 1)
    service = gateway(
        RouteSpec(Action("api", upstream=web), hosts=("api.example",)),
        RouteSpec(Action("v1", upstream=web), path_kind=PathKind.PREFIX, path="/v1/"),
    )
    question = Question(engine, service, head("/x/../v1/y?z", "A.example:80"), "192.0.2.1")
    assert (question.refusal, question.number) == (FaultNumber.NONE, 1)
    assert (question.target_name, question.normal_path, question.client_address) == ("a.example", "/v1/y", "192.0.2.1")
    assert question.chosen is web
    question = Question(engine, service, head("/v2", "other.example"), "unix")
    assert (question.refusal, question.number, question.chosen) == (FaultNumber.NO_ROUTE, -1, None)


def test_conditions_alone_and_then_everything_as_before(engine):
    service = gateway(RouteSpec(Action("a"), methods=("POST",)), RouteSpec(Action("b")))
    question = Question(engine, service, head(), "192.0.2.1")
    assert not question.meets(RouteTable([RouteSpec(Action(""), methods=("POST",))]))
    assert question.meets(RouteTable([RouteSpec(Action(""), hosts=("a.example",))]))
    assert (question.number, question.refusal) == (1, 0)
    with pytest.raises(TypeError):
        question.meets(RouteTable([RouteSpec(None)]))


def test_a_trusted_proxy_is_believed(engine):
    service = gateway(RouteSpec(Action("a")), trusted=AddressSet(["10.0.0.0/8"]))
    fields = "X-Forwarded-For: 192.0.2.9, 10.0.0.2"
    assert Question(engine, service, head("/", "a", "GET", fields), "10.0.0.1").client_address == "192.0.2.9"
    assert Question(engine, service, head("/", "a", "GET", fields), "192.0.2.1").client_address == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", FaultNumber.HOST),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", FaultNumber.START_LINE),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", FaultNumber.START_LINE),
        (b"", FaultNumber.START_LINE),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", FaultNumber.METHOD),
    ],
)
def test_a_malformed_request_is_refused_as_such(engine, text, fault):
    question = Question(engine, gateway(RouteSpec(Action("a"))), text, "192.0.2.1")
    assert question.refusal == fault
    assert question.number == -1
    assert question.normal_path is not None


def test_what_is_no_question(engine):
    with pytest.raises(ValueError, match="IP address"):
        Question(engine, gateway(), head(), "localhost")
    with pytest.raises(ValueError, match="opaque"):
        Question(engine, Service("s", target_source=OPAQUE), head(), "unix")
    assert opaque_action(Service("s", target_source=OPAQUE), "a.example") == -1


def proxy(*rules, **options):
    return Service("p", target_source=FROM_REQUEST, action=Action("p"), access=AccessTable(rules), **options)


def test_rules_and_addresses(engine):
    service = proxy(
        AccessSpec(False, "ads", hosts=(".ads.example",)),
        AccessSpec(False, "inner", addresses=("192.0.2.0/24",)),
        AccessSpec(True, "all"),
    )
    asked = Question(engine, service, head("http://x.ads.example/", "x.ads.example"), "127.0.0.1")
    assert (asked.refusal, asked.access_rule) == (FaultNumber.DENIED, 0)
    asked = Question(engine, service, head("http://b.example/", "b.example"), "127.0.0.1")
    assert (asked.refusal, asked.waits_for_address) == (FaultNumber.NONE, True)
    assert asked.judge("192.0.2.5") == FaultNumber.DENIED
    assert asked.access_rule == 1
    assert asked.judge("8.8.8.8") == FaultNumber.NONE
    assert asked.judge("127.0.0.1") == FaultNumber.TARGET_ADDRESS
    assert asked.admits(AccessTable([AccessSpec(True, addresses=("8.0.0.0/8",))]), "8.8.8.8")
    assert not asked.admits(AccessTable([AccessSpec(True, addresses=("8.0.0.0/8",))]))
    assert not asked.admits(AccessTable([AccessSpec(True, methods=("CONNECT",))]))
    with pytest.raises(ValueError, match="IP address"):
        asked.judge("b.example")


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(list(POLICIES)),
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, 2), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40
    ),
    st.lists(st.integers(0, 39), max_size=4),
)
def test_asking_takes_nobodys_turn(policy, endpoints, failed):
    """Of two equal upstreams one is asked about between choices: both choose the same."""
    deterministic = policy not in (2, 3) and not (policy in (1, 4) and len(endpoints) > 32)
    weights, priorities, backups, most = (list(column) for column in zip(*endpoints, strict=True))
    options = {"weights": weights, "policy": policy, "backups": backups, "most": most}
    if policy in (0, 1, 4, 6):
        options["priorities"] = [0] * len(priorities)
        options["backups"] = None
    engine = Engine()
    asked, left = (upstream_of(engine, len(endpoints), **options) for _ in range(2))
    # an hour from now, as it were: none of them is in again before the other upstream was asked, too
    later = time.monotonic_ns() + 3600 * 10**9
    for upstream in (asked, left):
        for index in failed:
            if index < upstream.count:
                probe.dial_failed(upstream.members[index], later)
    for _ in range(5):
        rows, order = standing(asked)
        assert len(rows) == asked.count
        assert len(set(order)) == len(order) <= 16
        chosen = [str(probe.choose(one, time.monotonic_ns(), None)) for one in (asked, left)]
        if deterministic and not any(backups):
            assert chosen[0] == chosen[1]


def test_the_first_of_the_order_is_the_next_choice(engine):
    for policy in (0, 1, 6):
        upstream = upstream_of(engine, 5, policy=policy, weights=[1, 5, 1, 2, 1])
        for _ in range(20):
            _, order = standing(upstream)
            assert probe.choose(upstream, time.monotonic_ns(), None) is upstream.members[order[0]]


def test_nothing_stands_in_an_empty_upstream(engine):
    assert standing(Upstream("none", [])) == ([], [])


def test_full_and_out(engine):
    upstream = upstream_of(engine, 3, most=[1, 0, 0])
    rows, order = standing(upstream)
    assert sorted(order) == [0, 1, 2]
    assert rows[0]["most"] == 1 and rows[1]["most"] == 0
    assert all(row["live"] and row["in_flight"] == 0 for row in rows)
    assert sum(row["share"] for row in rows) == pytest.approx(1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def sealed(authority):
    """Two names with a certificate each; routes by what clients show."""
    pairs = [authority.issue(name) for name in ("a.example", "b.example")]
    certificates = [Certificate(pair.chain.read_bytes(), pair.key.read_bytes()) for pair in pairs]
    context = ServerContext(certificates=certificates, names={"a.example": [0], "b.example": [1]}, default=[0])
    return gateway(
        RouteSpec(Action("staff"), certificate=CertificateSpec(names=("*.staff.example",))),
        RouteSpec(Action("old"), ja4=("t10*",)),
        RouteSpec(
            Action("bob", certificate=CertificateMatch(subjects=["CN=bob"])), path_kind=PathKind.EXACT, path="/bob"
        ),
        RouteSpec(Action("rest")),
        tls=context,
    )


def test_what_a_client_shows_of_its_tls(engine, authority, sealed):
    alice = authority.issue("alice", "desk.staff.example", client=True).certificate.public_bytes(Encoding.DER)
    bob = authority.issue("bob", client=True).certificate.public_bytes(Encoding.DER)
    for path, options, fault, number, told in (
        ("/", {}, FaultNumber.NONE, 3, None),
        ("/", {"certificate": alice}, FaultNumber.NONE, 0, "CN=alice"),
        ("/", {"certificate": bob}, FaultNumber.NONE, 3, "CN=bob"),
        ("/", {"ja4": "t10d1516h2_8daaf6152771_02713d6af862"}, FaultNumber.NONE, 1, None),
        ("/bob", {"certificate": bob, "ja4": "t13"}, FaultNumber.NONE, 2, "CN=bob"),
        ("/bob", {"certificate": alice}, FaultNumber.NONE, 0, "CN=alice"),
        ("/bob", {}, FaultNumber.CLIENT_CERTIFICATE, 2, None),
    ):
        question = Question(engine, sealed, head(path), "192.0.2.1", sni="a.example", **options)
        assert (question.refusal, question.number, question.certificate) == (fault, number, told), (path, options)
    for wrong in (alice[:-1], alice + b"\0", b"\x30", b"CN=alice"):
        with pytest.raises(ValueError, match="not a certificate"):
            Question(engine, sealed, head(), "192.0.2.1", sni="a.example", certificate=wrong)


@pytest.mark.parametrize(
    ("sni", "host", "fault"),
    [
        ("a.example", "a.example", FaultNumber.NONE),
        ("A.Example", "a.example", FaultNumber.NONE),
        ("a.example", "b.example", FaultNumber.MISDIRECTED),
        ("b.example", "a.example", FaultNumber.MISDIRECTED),
        ("", "a.example", FaultNumber.NONE),
        ("", "b.example", FaultNumber.MISDIRECTED),
        ("x" * 300, "a.example", FaultNumber.NONE),
        (None, "b.example", FaultNumber.NONE),
    ],
)
def test_hosts_that_a_connection_stands_for(engine, sealed, sni, host, fault):
    assert Question(engine, sealed, head(host=host), "192.0.2.1", sni=sni).refusal == fault


def test_a_listener_without_tls_sees_none(engine):
    question = Question(
        engine, gateway(RouteSpec(Action("a"))), head(), "192.0.2.1", certificate=b"no", sni="a.example"
    )
    assert (question.refusal, question.certificate) == (FaultNumber.NONE, None)
