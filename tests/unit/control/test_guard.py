import pytest
from aiohttp import web  # the mapping that the server really gives
from multidict import CIMultiDict, CIMultiDictProxy

from limen.control.admin.guard import Request, refusal, refusal_to_change

assert web


def request(method="GET", client="127.0.0.1", path="/status", demands=False, **fields):
    given = {"Host": "127.0.0.1:9901", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return Request(method, CIMultiDictProxy(CIMultiDict(given)), client, path, demands)


def ask(*arguments, hosts=(), **options):
    return refusal(request(*arguments, **options), hosts)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9901", "127.0.0.1", "127.0.0.1:9901", "[::1]", "[::1]:9901", "127.1.2.3:1"]
)
def test_loopback_hosts_are_served(host):
    assert ask(Host=host) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9901", "10.0.0.1:9901", "::1:x", "1"]
)
def test_other_hosts_are_refused(host):
    assert "Host" in ask(Host=host)


@pytest.mark.parametrize("client", ["10.0.0.1", "192.0.2.7", "fe80::1%eth0", "", "::ffff:10.0.0.1"])
def test_clients_elsewhere_are_refused(client):
    assert "machine" in ask(client=client)


def test_what_was_forwarded_is_refused():
    assert ask(via="1.1 limen")
    assert ask(x_forwarded_for="10.0.0.1")
    assert ask(FORWARDED="for=10.0.0.1")


def test_other_web_pages_are_refused():
    for origin in (
        "http://evil.example",
        "http://127.0.0.1:9902",
        "http://localhost:9901",
        "null",
        "",
        "file://",
        "http://[",
        "ftp://127.0.0.1:9901",
    ):
        assert "web pages" in ask(origin=origin), origin
        assert "web pages" in ask("POST", origin=origin), origin
    for site in ("cross-site", "same-site", "anything"):
        assert "web pages" in ask(sec_fetch_site=site)


def test_our_own_page_is_served():
    assert ask(origin="http://127.0.0.1:9901", sec_fetch_site="same-origin") is None
    assert ask("POST", origin="http://127.0.0.1:9901", sec_fetch_site="same-origin") is None
    assert ask(sec_fetch_site="none") is None


def test_a_link_elsewhere_may_lead_to_the_page_alone():
    visit = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert ask(path="/", **visit) is None
    assert ask(path="/status", **visit)
    assert ask("POST", path="/", **visit)
    assert ask(path="/", **{**visit, "sec_fetch_dest": "iframe"})
    assert ask(path="/", **{**visit, "sec_fetch_mode": "no-cors"})
    assert ask(path="/", Host="evil.example", **visit)


def test_changes_need_the_field_or_the_token():
    assert refusal_to_change(request("GET"), bearer=False) is None
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert "X-Limen-Control" in refusal_to_change(request(method), bearer=False)
        assert refusal_to_change(request(method, x_limen_control="1"), bearer=False) is None
        assert refusal_to_change(request(method), bearer=True) is None


def test_a_unix_door_has_no_hosts():
    assert ask(client=None, Host="anything") is None


def test_with_credentials_clients_may_come_from_anywhere():
    assert ask(client="192.0.2.7", demands=True) is None
    assert ask(client="192.0.2.7", demands=True, Host="192.0.2.1:9901") is None
    assert ask(client="192.0.2.7", demands=True, Host="[2001:db8::1]:9901") is None
    assert ask(client="192.0.2.7", demands=True, via="1.1 proxy") is None


def test_no_made_up_name_leads_here_whoever_asks():
    for demands in (False, True):
        assert "Host" in ask(demands=demands, Host="rebound.example")
        assert "Host" in ask(demands=demands, Host="rebound.example", hosts=("limen.internal",))
        assert ask(demands=demands, Host="LIMEN.internal:9901", hosts=("limen.internal",)) is None
        assert "web pages" in ask(
            demands=demands, Host="limen.internal", hosts=("limen.internal",), origin="http://evil"
        )
