import socket

import pytest

from limen.config import loads
from limen.runtime.estate import Inheritance, abandon, establish, retire
from limen.runtime.revision import decode, encode
from limen.runtime.sockets import BindError

TEXT = """
admin: {bind: "127.0.0.1:0"}
listeners:
  - {bind: "127.0.0.1:0", name: front, routes: [{name: all, upstream: web}]}
  - {bind: "127.0.0.1:0", forward: {}}
upstreams:
  web: {endpoints: ["127.0.0.1:9001", "127.0.0.1:9002"]}
"""


@pytest.fixture
def config():
    return loads(TEXT)


def make(config, **options):
    return establish(config, **{"number": 1, "workers": 2, "base": "/", **options})


def test_an_estate_has_everything_a_worker_needs(config):
    estate = make(config)
    try:
        revision = estate.revision
        assert [place.key for place in revision.listeners] == ["127.0.0.1:0", "127.0.0.1:0#2"]
        assert revision.slots == {
            "listener": {"front": 0, "127.0.0.1:0": 1},
            "route": {
                "front": 0,
                "all": 1,
                "127.0.0.1:0": 2,
                "127.0.0.1:0\ndefault-tunnel": 3,
                "127.0.0.1:0\ndefault-tunnel-ports": 4,
                "127.0.0.1:0\ndefault-plain": 5,
            },
            "endpoint": {"web/127.0.0.1:9001": 0, "web/127.0.0.1:9002": 1, "web/*retries": 2},
        }
        assert revision.own_addresses == (*(place.address for place in revision.listeners), estate.admin.address)
        keys, descriptors = estate.descriptors_for(1, estate.listeners)
        assert keys == ["127.0.0.1:0", "127.0.0.1:0#2"]
        assert descriptors == [estate.listeners[key].sockets[1].fileno() for key in keys]
        again = decode(encode(revision))
        assert again == revision
        assert again.config == config
    finally:
        estate.close(unlink=True)


def test_a_successor_shares_what_is_unchanged(config, tmp_path):
    previous = make(config)
    text = TEXT.replace('  - {bind: "127.0.0.1:0", forward: {}}', f"  - {{bind: 'unix:{tmp_path}/s', forward: {{}}}}")
    successor = make(loads(text), number=2, previous=previous)
    try:
        assert successor.listeners["127.0.0.1:0"] is previous.listeners["127.0.0.1:0"]
        assert successor.admin is previous.admin
        retire(previous, successor=successor)
        assert previous.listeners["127.0.0.1:0#2"].sockets[0].fileno() == -1
        assert successor.listeners["127.0.0.1:0"].sockets[0].fileno() != -1
        assert (tmp_path / "s").exists()
    finally:
        successor.close(unlink=True)


def test_an_abandoned_successor_leaves_the_previous_alone(config, tmp_path):
    previous = make(config)
    try:
        text = TEXT.replace('"127.0.0.1:0", forward', f"'unix:{tmp_path}/s', forward")
        successor = make(loads(text), number=2, previous=previous)
        abandon(successor, previous=previous)
        assert not (tmp_path / "s").exists()
        assert all(sock.fileno() != -1 for listener in previous.listeners.values() for sock in listener.sockets)
        assert previous.admin.socket.fileno() != -1
    finally:
        previous.close(unlink=True)


def test_a_bind_that_fails_undoes_those_before(config, tmp_path):
    previous = make(config)
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            text = TEXT + "  unused: {endpoints: ['127.0.0.1:1']}\n"
            text = text.replace('"127.0.0.1:0", name', f"'unix:{tmp_path}/s', name")
            text = text.replace('"127.0.0.1:0", forward', f'"127.0.0.1:{taken.getsockname()[1]}", forward')
            with pytest.raises(BindError):
                make(loads(text), number=2, previous=previous)
        assert not (tmp_path / "s").exists()
    finally:
        previous.close(unlink=True)


def test_an_inheritance_is_taken_as_far_as_it_is_wanted(config):
    previous = make(config)
    inheritance = Inheritance(
        {key: [sock.dup() for sock in listener.sockets] for key, listener in previous.listeners.items()},
        {previous.admin.key: previous.admin.socket.dup()},
    )
    inheritance.listeners["127.0.0.1:1"] = [socket.socket()]
    estate = make(config, workers=3, inheritance=inheritance)
    try:
        assert list(inheritance.listeners) == ["127.0.0.1:1"]
        inheritance.close_rest()
        assert [place.address for place in estate.revision.listeners] == [
            place.address for place in previous.revision.listeners
        ]
        assert len(estate.listeners["127.0.0.1:0"].sockets) == 3
        assert estate.admin.address == previous.admin.address
    finally:
        estate.close(unlink=True)
        previous.close(unlink=True)
