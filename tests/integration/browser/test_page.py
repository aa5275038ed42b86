"""The page of the admin address in a real browser: live, light and dark, on a phone, and safe with hostile names."""

import contextlib
import json
import os
import threading
from pathlib import Path

import pytest

from tests.integration.browser.devtools import DevTools
from tests.support import LimenProcess, ScriptedOrigin
from tests.support.certificates import Authority

# As configuration and clients may have them.
HOSTILE = "<img/src=/x/onerror=document.title=1>&lt;"
SITE = {
    "workers": 1,
    "admin": {"bind": "127.0.0.1:@ADMIN@"},
    "listeners": [
        {"name": "front", "bind": "127.0.0.1:@PORT@", "routes": [
            {"name": HOSTILE, "match": {"path": "/hostile"}, "respond": {"status": 200, "body": "x"}},
            {"name": "web", "upstream": "web"},
        ]},
    ],
    "upstreams": {
        "web": {"endpoints": ["127.0.0.1:@FIRST@", "127.0.0.1:@SECOND@"]},
        HOSTILE: {"endpoints": ["127.0.0.1:9"]},
    },
}  # fmt: skip
# What a picture is looked at for is kept where this names a folder.
PICTURES = os.environ.get("LIMEN_TEST_PICTURES")
ROW = "[...document.querySelectorAll('#upstreams tr')].find(row => row.cells[0].textContent.includes('{0}'))"


def state_of(address):
    return f"({ROW.format(address)} || {{cells: []}}).cells[1]?.textContent"


def tile(name):
    found = f"[...document.querySelectorAll('.tile')].find(one => one.textContent.includes('{name}'))"
    return f"({found} || {{children: []}}).children[1]?.textContent"


@pytest.fixture
def look(open_browser, tmp_path):
    """`look(url)` opens a page and gives its DevTools; at the end nothing may have complained."""
    opened = []

    def start(url, *flags):
        devtools = DevTools(open_browser(url, Authority(tmp_path), *flags)).__enter__()
        opened.append(devtools)
        return devtools

    yield start
    for devtools in opened:
        devtools.__exit__()
        assert devtools.complaints == []


def keep(devtools, name):
    if PICTURES:
        devtools.picture(Path(PICTURES) / f"{name}.png")


def luminance(colour):
    channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : colour.index(")")].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@contextlib.contextmanager
def asking(ask):
    """Requests go on meanwhile: each time an endpoint is found dead it is left out for longer."""
    ended = threading.Event()

    def go_on():
        while not ended.wait(0.1):
            ask(times=1)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_the_page_lives(look):
    with ScriptedOrigin() as first, ScriptedOrigin() as second:
        values = {"FIRST": first.port, "SECOND": second.port}
        with LimenProcess(json.dumps(SITE), values=values) as limen:
            page = look(f"http://127.0.0.1:{limen.port('ADMIN')}/")
            page.size(1280, 900)
            page.wait_for("document.getElementById('summary').textContent === 'All is well'")
            page.wait_for(f"{state_of(first.address)} === 'up'")
            assert "revision 1" in page.evaluate("document.getElementById('instance').textContent")

            def ask(target="/", times=3):
                for _ in range(times):
                    with limen.connect("PORT") as client:
                        client.request("GET", target)

            # numbers that change
            ask()
            page.wait_for(f"Number(({tile('Requests per second')}).replace(',', '')) > 0", "a rate")
            page.wait_for("document.querySelector('#routes').textContent.includes('web')")
            page.wait_for(f"/ms|s/.test({tile('Latency')})", "a latency")
            # of each endpoint, too: how long it takes at the mean
            page.wait_for(f"/ms|s/.test({ROW.format(first.address)}.cells[7].textContent)", "a mean")

            # a name that would be HTML is text
            ask("/hostile")
            page.wait_for(f"document.getElementById('routes').textContent.includes({json.dumps(HOSTILE)})")
            assert page.evaluate(f"document.getElementById('upstreams').textContent.includes({json.dumps(HOSTILE)})")
            assert page.evaluate("document.querySelectorAll('main img').length") == 0
            assert page.evaluate("document.title") != "1"
            keep(page, "well-light")

            # an endpoint that dies is shown, with the reason and since when
            second.stop()
            with asking(ask):
                # all at one time: now and then it is tried again, and no problem until that has failed
                page.wait_for(
                    f"({state_of(second.address)}) === 'out'"
                    " && document.getElementById('problems').textContent.includes('could not be dialled')"
                    f" && {ROW.format(second.address)}.cells[2].textContent.includes('since')"
                    " && document.getElementById('condition').className === 'condition warn'"
                    " && document.title.startsWith('(')",
                    "the dead endpoint",
                )
                keep(page, "dead-light")

            # and one that is asked about is explained
            page.evaluate(
                f"document.querySelector('input[name=url]').value = 'http://127.0.0.1:{limen.port()}/hostile';"
                "document.querySelector('#explain').requestSubmit()"
            )
            page.wait_for("document.getElementById('explained').textContent.includes('the route answers itself')")
            assert page.evaluate(f"document.getElementById('explained').textContent.includes({json.dumps(HOSTILE)})")
            assert page.evaluate("document.querySelectorAll('main img').length") == 0

            # paused, nothing changes
            page.evaluate("document.getElementById('pause').click()")
            assert page.evaluate("document.getElementById('pause').getAttribute('aria-pressed')") == "true"
            before = page.evaluate("samples.length")
            asked = page.evaluate(
                "performance.getEntriesByType('resource').filter(one => one.name.endsWith('/live')).length"
            )
            page.evaluate("new Promise(done => setTimeout(done, 2500))")
            assert page.evaluate("samples.length") == before
            entries = "performance.getEntriesByType('resource').filter(one => one.name.endsWith('/live')).length"
            assert page.evaluate(entries) <= asked + 1
            page.evaluate("document.getElementById('pause').click()")
            page.wait_for(f"samples.length > {before} || samples.at(-1).at > 0 && {entries} > {asked}", "going on")


def test_light_and_dark_are_readable_on_a_desk_and_a_phone(look):
    with ScriptedOrigin() as first, LimenProcess(json.dumps(SITE), values={"FIRST": first.port}) as limen:
        page = look(f"http://127.0.0.1:{limen.port('ADMIN')}/")
        page.wait_for(f"{state_of(first.address)} === 'up'")
        grounds = {}
        for scheme in ("light", "dark"):
            page.scheme(scheme)
            page.size(1280, 900)
            colours = (
                "(place => { const found = getComputedStyle(document.querySelector(place)); let up = document.querySelector(place);"
                "let ground = found.backgroundColor; while (/, 0\\)$/.test(ground)) { up = up.parentElement; ground = getComputedStyle(up).backgroundColor; }"
                "return [found.color, ground]; })"
            )
            grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
            for place in ("body", "#instance", "th", ".tile .more", ".tile .value", "footer a", "td.text"):
                assert contrast(*page.evaluate(f"{colours}('{place}')")) >= 4.5, (scheme, place)
            keep(page, f"desk-{scheme}")
            page.size(390, 844, mobile=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390, scheme
            keep(page, f"phone-{scheme}")
        assert luminance(grounds["light"]) > 0.8
        assert luminance(grounds["dark"]) < 0.1


def test_the_structure_is_there_for_those_who_do_not_see(look):
    with ScriptedOrigin() as first, LimenProcess(json.dumps(SITE), values={"FIRST": first.port}) as limen:
        page = look(f"http://127.0.0.1:{limen.port('ADMIN')}/")
        page.wait_for(f"{state_of(first.address)} === 'up'")
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.evaluate("[...document.querySelectorAll('table')].every(one => one.caption && one.tHead)")
        assert page.evaluate("[...document.querySelectorAll('th')].every(one => one.scope === 'col')")
        assert page.evaluate("document.querySelectorAll('h1').length") == 1
        assert page.evaluate("document.getElementById('summary').getAttribute('role')") == "status"
        assert page.evaluate("[...document.querySelectorAll('input, select')].every(one => one.labels.length === 1)")
        # everything that does something is reached by the keyboard, and scrolling tables, too
        assert page.evaluate(
            "[...document.querySelectorAll('button, input, select, a, .scroll')].every(one => one.tabIndex >= 0)"
        )


LOGIN = {**SITE, "admin": {"bind": "127.0.0.1:@ADMIN@", "users": {"ops": "correct horse"}}}


def test_a_login_of_the_browser_is_enough(look):
    with LimenProcess(json.dumps(LOGIN)) as limen:
        page = look(f"http://ops:correct%20horse@127.0.0.1:{limen.port('ADMIN')}/")
        page.wait_for("document.getElementById('summary').textContent === 'All is well'")


OTHER_PAGE = """<!doctype html><title>evil</title><body><script>
const ask = (path, options) => fetch('http://127.0.0.1:ADMIN' + path, options).then(a => a.type + a.status, e => 'failed');
window.done = Promise.all([
  ask('/status'), ask('/status', {mode: 'no-cors'}), ask('/drain', {method: 'POST', mode: 'no-cors'}),
  ask('/drain', {method: 'POST', headers: {'X-Limen-Control': '1'}}),
  new Promise(done => { const form = document.createElement('form'); const frame = document.createElement('iframe');
    frame.name = 'f'; form.target = 'f'; form.method = 'post'; form.action = 'http://127.0.0.1:ADMIN/drain';
    document.body.append(frame, form); frame.onload = () => done('sent'); form.submit(); setTimeout(() => done('sent'), 3000); }),
]);
</script>"""


def test_a_page_elsewhere_drains_nothing(open_browser, tmp_path):
    """Another site, the same site on another port, and a name that was made to lead here."""
    from tests.integration.browser.conftest import PageOrigin

    with ScriptedOrigin() as first, LimenProcess(json.dumps(SITE), values={"FIRST": first.port}) as limen:
        admin = limen.port("ADMIN")
        pages = {"/": OTHER_PAGE.replace("ADMIN", str(admin))}
        with PageOrigin(pages) as origin:
            rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
            for host in ("evil.example", "127.0.0.1"):
                browser = open_browser(f"http://{host}:{origin.port}/", Authority(tmp_path), rules)
                with DevTools(browser) as page:
                    page.wait_for("!!window.done")
                    answers = page.evaluate("window.done")
                    assert answers[:2] in (["failed", "opaque0"], ["failed", "failed"])
                    assert answers[3] == "failed"
                browser.close()
            browser = open_browser(f"http://evil.example:{admin}/", Authority(tmp_path), rules)
            with DevTools(browser) as page:
                page.wait_for("document.body.innerText.includes('Host')")
                drain = "fetch('/drain', {method: 'POST', headers: {'X-Limen-Control': '1'}}).then(answer => answer.status, () => 403)"
                # the policy of the refusal itself may already stop it
                assert page.evaluate(drain) == 403
            browser.close()
        assert json.loads(limen.admin("/status").text)["state"] == "running"
