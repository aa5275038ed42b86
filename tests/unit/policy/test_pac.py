"""PAC files in a real JavaScript engine, and the shell variables."""

import ipaddress
import shutil
import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from limen.config.addresses import parse_address
from limen.config.models import Config, Pac
from limen.policy.pac import pac_file, proxies_of, variables

quickjs = pytest.importorskip("quickjs")

PAC = Pac(
    direct=("intranet.example", ".lan.example", "cdn*.glob.example", "a.**.deep.example", "192.0.2.7", "[2001:db8::7]"),
    networks=("10.0.0.0/8", "198.51.100.128/25", "2001:db8:1::/48"),
    plain_names=True,
)
PROXY = "PROXY 127.0.0.1:3128"


def evaluated(text):
    context = quickjs.Context()
    # no function of a browser is called: none is there
    context.eval(text)
    find = context.get("FindProxyForURL")
    return lambda host, scheme="http": find(f"{scheme}://{host}/path", host)


FIND = evaluated(pac_file(PAC, ["http://127.0.0.1:3128"]))


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.255.0.9", "::1", "[::1]", "0:0:0:0:0:0:0:1",
        "intranet.example", "Intranet.Example.", "lan.example", "www.lan.example", "a.b.lan.example", "printer",
        "cdn.glob.example", "cdn7.glob.example", "a.b.c.deep.example", "192.0.2.7", "[2001:db8::7]", "2001:db8::7",
        "10.0.0.0", "10.255.255.255", "198.51.100.128", "198.51.100.255", "2001:db8:1::", "[2001:db8:1:ffff::1]",
    ],
)  # fmt: skip
def test_direct(host):
    assert FIND(host) == "DIRECT"


@pytest.mark.parametrize(
    "host",
    [
        "www.example.com", "xintranet.example", "intranet.examplex", "a.b.deepxexample", "a.intranet.example", "xlan.example",
        "lan.example.com", "cdn.a.glob.example", "localhost.example", "11.0.0.0", "9.255.255.255", "198.51.100.127", "::2",
        "2001:db8:2::", "[2001:db8::8]", "128.0.0.1", "126.255.255.255", "127.0.0.1.example.com", "10.example.com",
    ],
)  # fmt: skip
def test_by_proxy(host):
    assert FIND(host) == PROXY
    assert FIND(host, "https") == PROXY


@given(st.ip_addresses())
def test_every_address_against_the_standard_library(address):
    networks = [
        ipaddress.ip_network(text) for text in (*PAC.networks, "127.0.0.0/8", "::1/128", "192.0.2.7", "2001:db8::7")
    ]
    near = any(address in network for network in networks if network.version == address.version)
    for text in {str(address), address.exploded, f"[{address}]" if address.version == 6 else str(address)}:
        if text == address.exploded and ipaddress.ip_address("2001:db8::7") == address:
            continue
        assert FIND(text) == ("DIRECT" if near else PROXY), text


@given(st.text(max_size=30))
def test_no_host_breaks_it(host):
    assert FIND(host) in ("DIRECT", PROXY)


def test_lines_and_fallbacks():
    proxies = [
        "https://proxy.example:443",
        "http://proxy.example:3128",
        "socks5://[2001:db8::1]:1080",
        "socks4://10.0.0.1:1080",
    ]
    find = evaluated(pac_file(Pac(fallback="direct"), proxies))
    assert find("www.example.com") == (
        "HTTPS proxy.example:443; PROXY proxy.example:3128; SOCKS5 [2001:db8::1]:1080; SOCKS 10.0.0.1:1080; DIRECT"
    )
    assert find("printer") != "DIRECT"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_in_another_engine():
    hosts = [
        "localhost",
        "www.lan.example",
        "www.example.com",
        "[2001:db8:1::1]",
        "2001:db8:2::1",
        "10.1.2.3",
        "11.1.2.3",
    ]
    source = pac_file(PAC, ["http://127.0.0.1:3128"]) + "".join(
        f"\nconsole.log(FindProxyForURL('http://{host}/', '{host}'));" for host in hosts
    )
    done = subprocess.run(["node", "-"], input=source, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.splitlines() == ["DIRECT", "DIRECT", PROXY, "DIRECT", PROXY, "DIRECT", PROXY]


def listener(text):
    return Config.model_validate({"listeners": [yaml.safe_load(text)]}).listeners[0]


@pytest.mark.parametrize(
    ("text", "proxies", "names"),
    [
        ("{bind: '127.0.0.1:1', forward: {}}", "http://127.0.0.1:1", ("http://127.0.0.1:1", "http://127.0.0.1:1")),
        (
            "{bind: '127.0.0.1:1', forward: {socks: true}}",
            "http://127.0.0.1:1 socks5://127.0.0.1:1",
            ("http://127.0.0.1:1", "socks5h://127.0.0.1:1"),
        ),
        ("{bind: '[::1]:1', socks: {versions: 4}}", "socks4://[::1]:1", ("socks4a://[::1]:1", "socks4a://[::1]:1")),
        (
            "{bind: '127.0.0.1:1', tls: {self_signed: true}, forward: {socks: true}}",
            "https://127.0.0.1:1",
            ("https://127.0.0.1:1", "https://127.0.0.1:1"),
        ),
        ("{bind: '0.0.0.0:1', forward: {}}", "http://0.0.0.0:1", ("http://127.0.0.1:1", "http://127.0.0.1:1")),
        (
            "{bind: '0.0.0.0:1', forward: {pac: {proxies: ['socks5://a.example:2', 'http://b.example:3']}}}",
            "socks5://a.example:2 http://b.example:3",
            ("http://b.example:3", "socks5h://a.example:2"),
        ),
    ],
)
def test_what_clients_are_told(text, proxies, names):
    made = listener(text)
    assert " ".join(proxies_of(made, parse_address(str(made.bind)))) == proxies
    found = variables(made)
    assert (found["http_proxy"], found["https_proxy"], found["all_proxy"]) == (names[0], names[0], names[1])


def test_variables_without_a_proxy_and_what_is_spared():
    assert variables(listener("{bind: '127.0.0.1:1', routes: [{respond: {status: 200}}]}")) == {}
    assert variables(listener("{bind: '127.0.0.1:1', forward: {transparent: redirect}}")) == {}
    made = listener(
        "{bind: '127.0.0.1:1', forward: {pac: {direct: [.a.example, 'b*.example', c.example], networks: 10.0.0.0/8}}}"
    )
    assert variables(made)["no_proxy"] == "localhost,127.0.0.1,::1,a.example,c.example,10.0.0.0/8"
