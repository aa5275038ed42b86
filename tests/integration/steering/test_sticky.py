"""The cookie that keeps clients at their endpoint: two workers, reloads, lost endpoints, other machines, forgeries."""

import json
import re
import signal
import ssl
import threading
from collections import Counter

import pytest

from tests.support import Reply, run_limen, wait_until

KEY = "0123456789abcdef0123"
OWN = f"{{name: own, key: {KEY}}}"
SITE = """
workers: 2
listeners:
  - bind: 127.0.0.1:@PORT@
    routes: [{upstream: web}]
upstreams:
  web:
    endpoints: [@ENDPOINTS@]
    sticky: {cookie: @COOKIE@}
"""


def site_of(origins, cookie=f"{{key: {KEY}}}", only=None):
    endpoints = ", ".join(f'"{origin.address}"' for name, origin in origins.items() if only is None or name in only)
    return SITE.replace("@ENDPOINTS@", endpoints).replace("@COOKIE@", cookie)


def taken(response):
    """Name and value of the cookie that a response sets, and its attributes."""
    values = response.get_all("Set-Cookie")
    assert len(values) == 1
    pair, *attributes = values[0].split("; ")
    name, _, value = pair.partition("=")
    return name, value, attributes


def test_a_client_keeps_its_endpoint_in_all_workers(start_limen, named_origins):
    origins = named_origins("a", "b", "c")
    site = start_limen(site_of(origins))
    homes = {}
    for _ in range(6):
        first = site.get()
        name, value, attributes = taken(first)
        assert re.fullmatch(r"limen_[0-9a-f]{8}", name)
        assert re.fullmatch(r"[\w-]{22}", value)
        assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax"]
        assert homes.setdefault(value, first.text) == first.text
        for cookies in (f"{name}={value}", f"x=y; {name}={value}; z=1"):
            for _ in range(6):
                again = site.get(fields=[("Cookie", cookies)])
                assert again.text == first.text
                assert again.get_all("Set-Cookie") == []
    assert set(homes.values()) == {"a", "b", "c"}


def test_origins_do_not_see_it(start_limen, start_origin):
    origin = start_origin()
    site = start_limen(site_of({"A": origin}, OWN))
    for cookies, seen in [
        (["a=1; own=x; b=2"], ["a=1; b=2"]),
        (["own=x"], []),
        (["own=x", "c=3;own=y"], ["c=3"]),
        (["owner=x; disown=y"], ["owner=x; disown=y"]),
        (["a=1"], ["a=1"]),
    ]:
        assert site.get(fields=[("Cookie", one) for one in cookies]).status == 200
        assert origin.requests[-1].get_all("Cookie") == seen
    site.reload(site_of({"A": origin}, f"{{name: own, hide: false, key: {KEY}}}"))
    site.get(fields=[("Cookie", "a=1; own=x")])
    assert origin.requests[-1].get_all("Cookie") == ["a=1; own=x"]


def test_what_was_not_signed_here_is_like_no_cookie(start_limen, named_origins):
    origins = named_origins("a", "b")
    site = start_limen(site_of(origins, OWN))
    _, value, _ = taken(site.get())
    for forged in (
        "",
        "x" * 22,
        value[:-1],
        value + "A",
        value.swapcase(),
        "%00" * 22,
        origins["A"].address,
        "x" * 4000,
    ):
        answers = Counter()
        for _ in range(4):
            response = site.get(fields=[("Cookie", f"own={forged}")])
            assert taken(response)[1] != forged
            answers[response.text] += 1
        assert response.status == 200


def test_it_outlives_reloads_and_handovers_and_lost_endpoints_get_a_new_one(start_limen, named_origins):
    origins = named_origins("a", "b", "c")
    # no key: one is made, told of, and kept
    site = start_limen(site_of(origins, "own"))
    homes = {}
    while len(homes) < 3:
        response = site.get()
        homes[response.text] = taken(response)[1]

    def home(name):
        return site.get(fields=[("Cookie", f"own={homes[name]}")])

    site.reload(site_of(origins, "own", only="AC"))
    assert [home("a").text, home("c").text] == ["a", "c"]
    moved = home("b")
    assert moved.text in "ac"
    assert taken(moved)[1] == homes[moved.text]
    site.reload(site_of(origins, "own"))
    assert [home(name).text for name in "abc"] == ["a", "b", "c"]
    site.signal(signal.SIGUSR2)
    site.wait_for_log("has taken over", timeout=90)
    # or the end of the test would come upon its end
    assert site.wait_for_exit() == 0
    assert [home(name).text for name in "abc"] == ["a", "b", "c"]
    assert all(home(name).get_all("Set-Cookie") == [] for name in "abc")


def test_an_endpoint_that_cannot_be_dialled_loses_its_clients(start_limen, named_origins):
    origins = named_origins("a", "b")
    site = start_limen(site_of(origins, OWN))
    response = site.get()
    while response.text != "a":
        response = site.get()
    value = taken(response)[1]
    origins["A"].refuse()
    origins["A"].stop()
    moved = site.get(fields=[("Cookie", f"own={value}")])
    assert (moved.status, moved.text) == (200, "b")
    assert taken(moved)[1] != value


def test_a_full_endpoint_keeps_its_clients(start_limen, start_origin):

    opened = threading.Event()
    origins = {name: start_origin(Gate(opened, name.encode())) for name in "AB"}
    bounded = [f'{{address: "{origin.address}", max_requests: 1}}' for origin in origins.values()]
    text = site_of({}, OWN).replace(
        "endpoints: []",
        f"endpoints: [{', '.join(bounded)}]",
    )
    site = start_limen(text)
    first = site.get()
    value = taken(first)[1]
    try:
        with site.connect() as held:
            held.send_request("GET", "/slow", fields=[("Cookie", f"own={value}")])
            wait_until(lambda: any(r.target == "/slow" for r in origins[first.text].requests), what="the request")
            other = site.get(fields=[("Cookie", f"own={value}")])
            assert {first.text, other.text} == {"A", "B"}
            assert other.get_all("Set-Cookie") == []
            opened.set()
            assert held.read_response().status == 200
    finally:
        opened.set()
    assert site.get(fields=[("Cookie", f"own={value}")]).text == first.text


def test_who_keeps_an_endpoint_counts_at_the_upstream(start_limen, start_origin):
    """With `max_requests` of the upstream, clients with a cookie take places like others, and give them back."""
    opened = threading.Event()
    origins = {name: start_origin(Gate(opened, name.encode())) for name in "AB"}
    site = start_limen(site_of(origins, OWN) + "    max_requests: 2\n")
    value = taken(site.get())[1]
    own = [("Cookie", f"own={value}")]
    for _ in range(5):
        assert site.get(fields=own).status == 200
    held = []
    try:
        for number in range(2):
            held.append(site.connect().send_request("GET", "/slow", fields=own))
            wait_until(
                lambda number=number: sum(r.target == "/slow" for o in origins.values() for r in o.requests) > number,
                what="the request",
            )
        for _ in range(4):
            assert site.get(fields=own).status == 503
            assert site.get().status == 503
        opened.set()
        assert [client.read_response().status for client in held] == [200, 200]
    finally:
        opened.set()
        for client in held:
            client.close()
    assert site.get(fields=own).status == 200


class Gate:
    def __init__(self, opened, name):
        self.opened = opened
        self.name = name

    def __call__(self, request, _):
        if request.target == "/slow":
            self.opened.wait(60)
        return Reply(content=self.name)


def test_two_machines_with_one_key_and_a_key_that_is_changed(start_limen, named_origins):
    origins = named_origins("a", "b")
    new = "fedcba9876543210fedc"
    one = start_limen(site_of(origins, OWN))
    other = start_limen(site_of(origins, f"{{name: own, key: [{new}, {KEY}]}}"))
    stranger = start_limen(site_of(origins, f"{{name: own, key: {new}}}"))
    response = one.get()
    value = taken(response)[1]
    # believed, and given the one by the new key
    again = other.get(fields=[("Cookie", f"own={value}")])
    assert again.text == response.text
    renewed = taken(again)[1]
    assert renewed != value
    assert stranger.get(fields=[("Cookie", f"own={renewed}")]).text == response.text
    assert taken(stranger.get(fields=[("Cookie", f"own={value}")]))[1] != value


def test_attributes(start_limen, named_origins):
    origins = named_origins("a")
    cookie = OWN.replace("}", ", path: /shop, domain: example.com, max_age: 1h, secure: true, same_site: strict}")
    site = start_limen(site_of(origins, cookie))
    assert taken(site.get())[2] == [
        "Path=/shop", "Domain=example.com", "Max-Age=3600", "HttpOnly", "Secure", "SameSite=Strict"
    ]  # fmt: skip


def test_by_tls_it_is_secure(start_limen, named_origins):
    origins = named_origins("a")
    text = site_of(origins, "own").replace("    routes:", "    tls: {self_signed: true}\n    routes:")
    site = start_limen(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with site.connect() as client:
        client.secure(context, "localhost")
        assert taken(client.request(host="localhost"))[2] == ["Path=/", "HttpOnly", "Secure", "SameSite=Lax"]


@pytest.mark.parametrize("sticky", ["{field: X-Session}", "client"])
def test_what_hash_does_is_said_to_be_there(sticky, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(
        SITE.replace("@ENDPOINTS@", "127.0.0.1:1").replace("{cookie: @COOKIE@}", sticky).replace("@PORT@", "1")
    )
    done = run_limen("check", str(file))
    assert done.returncode == 2
    assert "policy hash" in done.stdout + done.stderr


def test_discovered_endpoints_keep_their_clients(start_limen, named_origins, tmp_path):
    origins = named_origins("a", "b", "c")
    file = tmp_path / "endpoints.yaml"

    def write(names):
        fresh = tmp_path / "fresh"
        fresh.write_text(json.dumps([origins[name].address for name in names]))
        fresh.replace(file)

    write("AC")
    text = site_of(origins, OWN)
    start = text.index("    endpoints:")
    text = f"{text[:start]}    discover: {{file: {file}}}\n{text[text.index('    sticky') :]}"
    site = start_limen(text)
    homes = {}
    while len(homes) < 2:
        response = site.get()
        homes[response.text] = taken(response)[1]
    write("BCA")
    wait_until(lambda: any(site.get().text == "b" for _ in range(3)), what="the new endpoint")
    for name, value in homes.items():
        for _ in range(6):
            response = site.get(fields=[("Cookie", f"own={value}")])
            assert (response.text, response.get("Set-Cookie")) == (name, None)
    write("BC")
    asked = [("Cookie", f"own={homes['a']}")]
    wait_until(lambda: site.get(fields=asked).text != "a", what="the endpoint to be gone")
    assert site.get(fields=[("Cookie", f"own={homes['c']}")]).text == "c"
