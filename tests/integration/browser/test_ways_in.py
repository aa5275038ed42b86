"""A real browser by SOCKS 5, and by what a PAC file tells it."""

from tests.integration.browser.conftest import PageOrigin
from tests.integration.browser.test_chromium import SEE
from tests.support import LimenProcess, json_lines, wait_until

PAGE = "<!doctype html><title>page</title>" + SEE + "see('page ' + location.host);</script>"


def records(proxy: LimenProcess) -> list[dict]:
    return json_lines(proxy.directory / "access.jsonl")


def test_by_socks(start_bridge, internet, open_browser):
    """Names go to the proxy: the browser could not resolve them."""
    with PageOrigin({"/": PAGE}, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge(None, socks=True)
        browser = open_browser(
            f"https://a.example:{origin.port}/", internet, f"--proxy-server=socks5://127.0.0.1:{proxy.port()}"
        )
        origin.wait_for(f"page a.example:{origin.port}", browser)
        browser.close()

    def told():
        return {(one["protocol"], one["host"]) for one in records(proxy) if one["target"].startswith("a.example")}

    # (a tunnel is logged when it has ended)
    wait_until(told, what="the record")
    assert told() == {("socks5", "a.example")}


def test_by_what_the_pac_file_says(start_bridge, internet, open_browser):
    """The first proxy of the file does not answer, the second is SOCKS on the port that serves the file."""
    with PageOrigin({"/": PAGE}) as origin:
        proxy = start_bridge(
            None,
            socks=True,
            pac={"proxies": ["http://127.0.0.1:1", "socks5://127.0.0.1:@PORT@"], "direct": "b.example"},
        )
        browser = open_browser(
            f"http://a.example:{origin.port}/",
            internet,
            f"--proxy-pac-url=http://127.0.0.1:{proxy.port()}/proxy.pac",
            "--host-resolver-rules=MAP b.example 127.0.0.1",
        )
        origin.wait_for(f"page a.example:{origin.port}", browser)
        browser.close()
        # (the browser also asks for hosts of its maker)
        wait_until(
            lambda: "a.example" in {one["host"] for one in records(proxy) if one.get("protocol") == "socks5"},
            what="the record",
        )
        # and direct, where the file says so
        browser = open_browser(
            f"http://b.example:{origin.port}/",
            internet,
            f"--proxy-pac-url=http://127.0.0.1:{proxy.port()}/proxy.pac",
            "--host-resolver-rules=MAP b.example 127.0.0.1",
        )
        origin.wait_for(f"page b.example:{origin.port}", browser)
        browser.close()
        assert not [one for one in records(proxy) if one.get("host") == "b.example"]
