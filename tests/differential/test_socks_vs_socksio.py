"""Our SOCKS codec against socksio, a client's: what it writes we read, what we write it reads."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine import _socks_probe as probe

socks4 = pytest.importorskip("socksio.socks4")
socks5 = pytest.importorskip("socksio.socks5")

PORT = st.integers(1, 65535)
NAME = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,10}){1,3}", fullmatch=True)


@given(st.one_of(st.ip_addresses().map(str), NAME), PORT)
def test_version_5(host, port):
    connection = socks5.SOCKS5Connection()
    connection.send(socks5.SOCKS5AuthMethodsRequest([socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED]))
    assert probe.greeting(connection.data_to_send())[1] == {0}
    assert connection.receive_data(b"\x05\x00").method == socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED
    connection.send(socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, (host, port)))
    data = connection.data_to_send()
    taken, seen = probe.request(data)
    assert (taken, seen["command"], seen["port"]) == (len(data), 1, port)
    if ":" not in host:
        assert seen["target"] == f"{host}:{port}".encode()
    reply = connection.receive_data(probe.reply(5, 0, "192.0.2.7", 4711))
    assert reply.reply_code == socks5.SOCKS5ReplyCode.SUCCEEDED
    assert (reply.addr, reply.port) == ("192.0.2.7", 4711)


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_user_and_password(user, password):
    connection = socks5.SOCKS5Connection()
    connection.send(socks5.SOCKS5AuthMethodsRequest([socks5.SOCKS5AuthMethod.USERNAME_PASSWORD]))
    assert probe.greeting(connection.data_to_send())[1] == {2}
    connection.receive_data(b"\x05\x02")
    connection.send(socks5.SOCKS5UsernamePasswordRequest(user.encode(), password.encode()))
    data = connection.data_to_send()
    assert probe.pair(data) == (len(data), user.encode(), password.encode())
    assert connection.receive_data(b"\x01\x01").success is False


@pytest.mark.parametrize("code", range(9))
def test_codes(code):
    connection = socks5.SOCKS5Connection()
    connection.send(socks5.SOCKS5AuthMethodsRequest([socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED]))
    connection.receive_data(b"\x05\x00")
    connection.send(socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, ("a.example", 1)))
    assert connection.receive_data(probe.reply(5, code)).reply_code.value == bytes([code])


@given(st.ip_addresses(v=4).filter(lambda ip: int(ip) > 255), NAME, PORT, st.from_regex(r"[a-z]{0,9}", fullmatch=True))
def test_version_4(address, name, port, user):
    four = socks4.SOCKS4Request.from_address(socks4.SOCKS4Command.CONNECT, (str(address), port), user.encode() or b"me")
    taken, seen = probe.request(four.dumps(b"me"))
    assert seen["target"] == f"{ipaddress.ip_address(address)}:{port}".encode()
    named = socks4.SOCKS4ARequest.from_address(socks4.SOCKS4Command.CONNECT, (name, port), user.encode() or b"me")
    data = named.dumps(b"me")
    taken, seen = probe.request(data)
    assert (taken, seen["target"]) == (len(data), f"{name}:{port}".encode())
    assert socks4.SOCKS4Reply.loads(probe.reply(4, 90, "192.0.2.1", 80)).port == 80
