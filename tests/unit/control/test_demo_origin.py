import http.client
import json
import threading

import pytest

from limen.control.demo import _origin


@pytest.fixture(scope="module")
def port():
    with _origin("origin-1", 0) as port:
        yield port


@pytest.fixture
def connection(port):
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    yield made
    made.close()


def get(connection, target, **options):
    connection.request(options.pop("method", "GET"), target, **options)
    response = connection.getresponse()
    return response.status, response.read()


def test_everything_over_one_connection(connection):
    assert get(connection, "/")[1].startswith(b"This is origin-1.")
    status, content = get(connection, "/echo?a=b", method="POST", body=b"hello", headers={"X-One": "1"})
    echoed = json.loads(content)
    assert (status, echoed["method"], echoed["target"], echoed["content"]) == (200, "POST", "/echo?a=b", "hello")
    assert ["X-One", "1"] in echoed["fields"]
    status, content = get(connection, "/echo", method="PUT", body=iter([b"chunked ", b"content"]), encode_chunked=True)
    assert json.loads(content)["content"] == "chunked content"
    assert get(connection, "/slow?seconds=0.01")[1].count(b"\n") == 10
    assert len(get(connection, "/large?bytes=1000000")[1]) == 1_000_000
    assert get(connection, "/large?bytes=nonsense", method="HEAD") == (200, b"")
    assert get(connection, "/absent")[0] == 404


def test_several_at_once(port):
    answers = []

    def ask():
        made = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        answers.append(get(made, "/slow?seconds=0.2")[0])
        made.close()

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 5
