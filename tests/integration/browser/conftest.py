"""Chromium with a profile of its own that trusts a test's authority, and an origin whose page tells what it saw."""

import base64
import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.integration.bridge.conftest import dns, internet, organisation, start_bridge
from tests.support import RawOrigin, Reply, available, wait_until
from tests.support.certificates import Authority
from tests.support.origins import OriginConnection, read_request_content, read_request_head

__all__ = ["Browser", "PageOrigin", "dns", "internet", "open_browser", "organisation", "start_bridge"]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions",
    "--disable-default-apps", "--disable-domain-reliability", "--disable-features=Translate,OptimizationHints",
]  # fmt: skip
# Starting a browser takes seconds, many on a busy machine.
TIMEOUT = 60.0
WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Browser:
    """One headless Chromium; what a page saw comes back through the origin."""

    def __init__(self, authority: Authority, *flags: str) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="limen-browser-", ignore_cleanup_errors=True)
        home = Path(self._home.name)
        self.log = home / "log"
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        self._env = {
            **{name: value for name, value in os.environ.items() if name not in {"LD_PRELOAD", "XDG_RUNTIME_DIR"}},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
        }
        for command in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "test", "-i", str(authority.file)]):
            subprocess.run(["certutil", "-d", f"sql:{store}", *command], env=self._env, check=True, capture_output=True)
        self._flags = [*FLAGS, f"--user-data-dir={home / 'profile'}", "--enable-logging=stderr", *flags]
        self._process: subprocess.Popen[bytes] | None = None

    def open(self, url: str) -> None:
        """Opens the page and returns at once."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["chromium", *self._flags, "--remote-debugging-port=0", url],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True,
            )  # fmt: skip

    def close(self) -> None:
        """Ends the browser with all its processes, and removes its profile."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._home.cleanup()


@pytest.fixture
def open_browser() -> Iterator:
    """`open_browser(url, authority, *flags)`."""
    if not available("chromium", "certutil"):
        pytest.skip("needs chromium and certutil (libnss3-tools)")
    with contextlib.ExitStack() as stack:

        def start(url: str, authority: Authority, *flags: str) -> Browser:
            browser = Browser(authority, *flags)
            stack.callback(browser.close)
            browser.open(url)
            return browser

        yield start


class PageOrigin(RawOrigin):
    """Serves `pages` (path → HTML), echoes WebSocket messages at /echo, and collects what is asked for below /saw/."""

    def __init__(self, pages: dict[str, str], **options) -> None:
        super().__init__(self._converse, **options)
        self.pages = pages
        self.saw: list[str] = []
        self.hosts: set[str] = set()

    def wait_for(self, what: str, browser: Browser) -> None:
        """Waits until a page has asked for /saw/`what`; with the browser's log if it does not."""
        try:
            wait_until(lambda: what in self.saw, TIMEOUT, what=f"{what} to be seen")
        except TimeoutError as error:
            error.add_note(f"seen: {self.saw}\n--- chromium ---\n{browser.log.read_text(errors='replace')[-4000:]}")
            raise

    def _converse(self, connection: OriginConnection) -> None:
        while True:
            request = read_request_head(connection)
            read_request_content(connection, request)
            self.hosts.add(request.get("host") or "")
            if request.target == "/echo":
                self._echo(connection, request.get("sec-websocket-key") or "")
                return
            if request.target.startswith("/saw/"):
                self.saw.append(unquote(request.target.removeprefix("/saw/")))
            page = self.pages.get(request.target, "")
            fields = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]
            connection.send(Reply(200, fields=fields, content=page.encode()).encode(request.method))

    @staticmethod
    def _echo(connection: OriginConnection, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET, usedforsecurity=False).digest()).decode()
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        while True:
            first, second = connection.read_exactly(2)
            size = second & 127
            if size >= 126:
                size = int.from_bytes(connection.read_exactly(2 if size == 126 else 8))
            mask = connection.read_exactly(4)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(connection.read_exactly(size)))
            if first & 15 == 8:
                connection.send(bytes([0x88, len(data)]) + data)
                return
            head = bytes([first, size]) if size < 126 else bytes([first, 126]) + size.to_bytes(2)
            connection.send(head + data)
