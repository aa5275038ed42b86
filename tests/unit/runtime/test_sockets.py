import os
import socket

import pytest

from limen.config.addresses import parse_address
from limen.runtime.sockets import BindError, listen_all, listen_one, listen_unix

ANY = parse_address("127.0.0.1:0", any_port=True)


@pytest.fixture
def closing():
    made = []
    yield made.append
    for listener in made:
        listener.close()


def test_one_port_for_all_workers(closing):
    listener = listen_all("key", ANY, workers=3)
    closing(listener)
    assert len(listener.sockets) == 3
    assert {sock.getsockname()[1] for sock in listener.sockets} == {listener.address.port}
    assert not any(os.get_inheritable(sock.fileno()) for sock in listener.sockets)


def test_surplus_sockets_go_to_the_workers_there_are(closing):
    listener = listen_all("key", ANY, workers=5)
    closing(listener)
    shares = [listener.for_worker(number, workers=2) for number in range(2)]
    assert [len(share) for share in shares] == [3, 2]
    assert {sock for share in shares for sock in share} == set(listener.sockets)


def test_bound_is_not_yet_open(closing):
    listener = listen_all("key", ANY, workers=2)
    closing(listener)
    where = ("127.0.0.1", listener.address.port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, timeout=10)
    listener.open(listener.sockets[:1])
    listener.open(listener.sockets)
    socket.create_connection(where, timeout=10).close()


def test_inherited_sockets_are_kept_and_missing_ones_added(closing):
    first = listen_all("key", ANY, workers=2)
    second = listen_all("key", ANY, workers=4, inherited=first.sockets)
    closing(second)
    assert second.sockets[:2] == first.sockets
    assert second.address == first.address
    assert len(second.sockets) == 4


def test_a_shared_port_of_somebody_else_is_noticed(closing):
    other = listen_all("key", ANY, workers=1)
    closing(other)
    other.open(other.sockets)
    with pytest.raises(BindError, match="address already in use"):
        listen_all("key", other.address, workers=2)
    # Ours may be added to.
    closing(listen_all("key", other.address, workers=1, own_ports={other.address.port}))


def test_an_address_of_another_machine():
    with pytest.raises(BindError, match="no such address"):
        listen_one(parse_address("192.0.2.1:8080"))


def test_ipv6_is_only_ipv6(closing):
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        listener = listen_all("key", parse_address("[::1]:0", any_port=True), workers=1)
    except BindError:
        pytest.skip("no IPv6 loopback")
    closing(listener)
    assert listener.sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    assert str(listener.address) == f"[::1]:{listener.address.port}"


def test_a_unix_socket_is_shared_and_removed(tmp_path):
    address = parse_address(f"unix:{tmp_path}/s")
    listener = listen_all("key", address, workers=3)
    assert listener.for_worker(0, workers=3) == listener.for_worker(2, workers=3) == [listener.sockets[0]]
    with pytest.raises(BindError, match="another process listens there"):
        listen_all("other", address, workers=1)
    listener.close(unlink=False)
    assert (tmp_path / "s").exists()
    listener = listen_all("key", address, workers=3)
    listener.close()
    assert not (tmp_path / "s").exists()


def test_a_file_is_not_removed(tmp_path):
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(BindError, match="not a socket"):
        listen_unix(str(path))
    assert path.read_text() == "precious"


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(BindError, match="No such file"):
        listen_unix(str(tmp_path / "absent" / "s"))
