"""A real browser: a bridged page with a WebSocket in it, and the way from HTTP to HTTPS for good."""

import json

from tests.integration.browser.conftest import PageOrigin
from tests.integration.tls.test_terminate import certificates
from tests.support import LimenProcess, wait_until
from tests.support.certificates import Authority

SEE = "<script>const see = what => fetch('/saw/' + encodeURIComponent(what));"
BRIDGED = (
    "<!doctype html><title>bridged</title>"
    + SEE
    + """
see('page ' + location.protocol);
const socket = new WebSocket('wss://' + location.host + '/echo');
const text = 'x'.repeat(2000);
socket.onopen = () => socket.send(text);
socket.onmessage = event => see(event.data === text ? 'echo' : 'another message');
socket.onerror = () => see('no socket');
fetch('/posted', {method: 'POST', body: 'y'.repeat(300000)}).then(answer => see('posted ' + answer.status));
</script>"""
)
HOME = (
    "<!doctype html><title>home</title>"
    + SEE
    + """
fetch('/')
  .then(answer => see('hsts ' + answer.headers.get('strict-transport-security')))
  .then(() => see('home ' + location.protocol))
  .then(() => { location = 'http://' + location.host + '/again'; });
</script>"""
)
AGAIN = "<!doctype html><title>again</title>" + SEE + "see('again ' + location.protocol);</script>"


def test_a_bridged_page(start_bridge, organisation, internet, open_browser):
    pair = internet.issue("a.example")
    with PageOrigin({"/": BRIDGED}, tls=internet.serving(pair)) as origin:
        proxy = start_bridge({})
        browser = open_browser(
            f"https://a.example:{origin.port}/", organisation, f"--proxy-server=http://127.0.0.1:{proxy.port()}"
        )
        for seen in ("page https:", "echo", "posted 200"):
            origin.wait_for(seen, browser)
        browser.close()
        assert origin.hosts == {f"a.example:{origin.port}"}


def test_a_page_that_is_not_bridged_is_not_believed_under_that_authority(
    start_bridge, organisation, internet, open_browser
):
    """The browser believes the organisation alone: what reached it above was under a leaf."""
    with PageOrigin({"/": BRIDGED}, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({"hosts": ["other.example"]})
        browser = open_browser(
            f"https://a.example:{origin.port}/", organisation, f"--proxy-server=http://127.0.0.1:{proxy.port()}"
        )
        wait_until(
            lambda: "net_error -202" in browser.log.read_text(errors="replace"), 60, what="ERR_CERT_AUTHORITY_INVALID"
        )
        browser.close()
        assert not origin.hosts


def test_from_http_to_https_for_good(open_browser, tmp_path):
    authority = Authority(tmp_path)
    tls = {**certificates(authority.issue("a.example")), "hsts": {"max_age": "1h"}}
    with PageOrigin({"/": HOME, "/again": AGAIN}) as origin:
        config = {
            "workers": 1,
            "listeners": [
                {"bind": "127.0.0.1:@PLAIN@", "https": {"redirect": "@PORT@"}},
                {"bind": "127.0.0.1:@PORT@", "tls": tls, "routes": [{"upstream": "web"}]},
            ],
            "upstreams": {"web": {"endpoints": [origin.address]}},
        }
        with LimenProcess(json.dumps(config).replace('"@PORT@"', "@PORT@")) as proxy:
            browser = open_browser(
                f"http://a.example:{proxy.port('PLAIN')}/", authority, "--host-resolver-rules=MAP a.example 127.0.0.1"
            )
            # to port @PORT@ by plain HTTP there is only a 400: the browser itself goes by HTTPS
            for seen in ("home https:", "hsts max-age=3600", "again https:"):
                origin.wait_for(seen, browser)
            browser.close()
