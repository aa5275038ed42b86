"""What clients are told of the proxy: PAC and WPAD files on its own port, and `limen env`."""

import subprocess

import pytest

from tests.support import run_limen

TEXT = """
workers: 1
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      socks: true
      access: []
      pac: {direct: [.lan.example], fallback: direct}
  - bind: 127.0.0.1:@SILENT@
    forward: {}
"""


@pytest.fixture
def proxy(start_limen):
    return start_limen(TEXT)


def test_the_file_is_served(proxy):
    quickjs = pytest.importorskip("quickjs")
    with proxy.connect() as client:
        for path in ("/proxy.pac", "/wpad.dat", "/proxy.pac?from=dhcp"):
            response = client.request("GET", path, host="wpad")
            assert (response.status, response.get("content-type")) == (200, "application/x-ns-proxy-autoconfig")
            context = quickjs.Context()
            context.eval(response.text)
            find = context.get("FindProxyForURL")
            assert find("http://a.lan.example/", "a.lan.example") == "DIRECT"
            assert find("http://a.example/", "a.example") == (
                f"PROXY 127.0.0.1:{proxy.port()}; SOCKS5 127.0.0.1:{proxy.port()}; DIRECT"
            )
        assert client.request("HEAD", "/wpad.dat").get("content-length") == str(len(response.content))
        # nothing else is served here
        for method, path in (("GET", "/"), ("GET", "/proxy.pac/"), ("POST", "/proxy.pac"), ("GET", "/proxy%2Epac")):
            assert client.request(method, path).status == 400
            client.close()
            client = proxy.connect()  # noqa: PLW2901 a refused target ends the connection
        client.close()
        client = proxy.connect()  # noqa: PLW2901
        # as a target it is one like others
        assert client.request("GET", "http://127.0.0.1/proxy.pac", host="127.0.0.1").status == 403
        client.close()
    with proxy.connect("SILENT") as client:
        assert client.request("GET", "/proxy.pac").status == 400


def test_the_variables_do_their_work(proxy):
    """Evaluated by a shell, read by a program."""
    url = f"http://127.0.0.1:{proxy.port()}"
    done = run_limen("env", str(proxy.path))
    assert done.returncode == 0
    script = f"{done.stdout}\nprintf '%s ' $http_proxy $HTTPS_PROXY $all_proxy $no_proxy"
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120, check=True).stdout.split()
    assert said == [url, url, f"socks5h://127.0.0.1:{proxy.port()}", "localhost,127.0.0.1,::1,lan.example"]
    unset = run_limen("env", "--unset", str(proxy.path)).stdout
    said = subprocess.run(
        ["sh", "-c", f"{done.stdout}\n{unset}\nenv"], capture_output=True, text=True, timeout=120, check=True
    )
    assert url not in said.stdout
    fish = run_limen(
        "env", "--shell", "fish", "--listener", f"127.0.0.1:{proxy.port('SILENT')}", str(proxy.path)
    ).stdout
    assert f"set -gx https_proxy http://127.0.0.1:{proxy.port('SILENT')}" in fish
    assert f"$Env:http_proxy = '{url}'" in run_limen("env", "--shell", "powershell", str(proxy.path)).stdout
    wrong = run_limen("env", "--listener", "nobody", str(proxy.path))
    assert (wrong.returncode, "nobody is no proxy" in wrong.stderr) == (2, True)


def test_refused_configurations(tmp_path):
    """`limen check` names the place in the words of the file."""
    for text, message in (
        ("{bind: '0.0.0.0:3128', socks: {access: [{allow: {}}]}}", "listeners[0].socks.access[0]: an open proxy"),
        ("{bind: '0.0.0.0:3128', forward: {pac: true}}", "which address of 0.0.0.0:3128 clients reach is not known"),
        ("{bind: '127.0.0.1:1', socks: {pac: true}}", "speaks SOCKS only"),
        ("{bind: '127.0.0.1:1', socks: {socks: true}}", "`socks` inside of `socks`"),
        ("{bind: '127.0.0.1:1', socks: {udp: true, hooks: ['a:b']}}", "do not see datagrams"),
        ("{bind: '127.0.0.1:1', forward: {socks: {udp: true}, hooks: ['a:b']}}", "do not see datagrams"),
        ("{bind: '127.0.0.1:1', forward: {transparent: redirect, socks: true}}", "on a transparent listener"),
        ("{bind: '127.0.0.1:1', forward: {transparent: redirect, fronting: refuse}}", "`fronting` on a transparent"),
        ("{bind: '127.0.0.1:1', tls: {self_signed: true}, forward: {transparent: redirect}}", "`tls` on a transparent"),
        ("{bind: '127.0.0.1:1', socks: {}, forward: {}}", "needs exactly one of"),
        ("{bind: '127.0.0.1:1', forward: {pac: {proxies: 'ftp://a.example:1'}}}", "is no proxy"),
    ):
        file = tmp_path / "limen.yaml"
        file.write_text(f"listeners:\n  - {text}\n")
        done = run_limen("check", str(file))
        said = done.stdout + done.stderr
        assert (done.returncode, message in said) == (2, True), said
