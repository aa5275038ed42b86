import pytest
from aiohttp import web  # the mapping that the server really gives
from multidict import CIMultiDict, CIMultiDictProxy

from limen.control.admin.guard import Request, refusal

assert web


def ask(method="GET", client="127.0.0.1", **fields):
    given = {"Host": "127.0.0.1:9901", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return refusal(Request(method, CIMultiDictProxy(CIMultiDict(given)), client))


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


def test_web_pages_are_refused():
    assert ask(origin="http://127.0.0.1:9901")
    assert ask(sec_fetch_site="cross-site")
    assert ask(sec_fetch_site="none") is None


def test_changes_need_the_field():
    assert "X-Limen-Control" in ask("POST")
    assert ask("POST", x_limen_control="1") is None


def test_a_unix_door_has_no_hosts():
    assert ask(client=None, Host="anything") is None
    assert ask("POST", client=None, Host="anything")
