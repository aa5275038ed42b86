"""Looking into a headless Chromium through its debugging protocol: what a page shows, presses and looks like."""

import asyncio
import base64
import json
import re
from pathlib import Path

import aiohttp

from tests.support import wait_until

ANSWER_TIMEOUT = 60.0
LOADED = "document.readyState === 'complete' && location.protocol.startsWith('http')"
LISTENING = re.compile(r"DevTools listening on ws://([\d.]+:\d+)/")


class DevTools:
    """One page's session; a context manager. What the page complains of is collected in `complaints`."""

    def __init__(self, browser) -> None:
        self._browser = browser
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self.complaints: list[str] = []

    def __enter__(self):
        wait_until(lambda: LISTENING.search(self._log()), ANSWER_TIMEOUT, what="the debugging port")
        self._place = LISTENING.search(self._log())[1]
        self._loop.run_until_complete(self._open())
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._close())
        self._loop.close()

    def call(self, method: str, **parameters: object) -> dict:
        """One command; its result."""
        return self._loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), ANSWER_TIMEOUT))

    def evaluate(self, expression: str):
        """The value of a JavaScript expression; RuntimeError if it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, what: str | None = None):
        """Waits until the expression is truthy; its value."""
        try:
            wait_until(lambda: self._holds(expression), ANSWER_TIMEOUT, what=what or expression)
        except TimeoutError as error:
            error.add_note(f"{self.evaluate('document.body.innerText')}\n{self.complaints}\n{self._log()[-2000:]}")
            raise
        return self.evaluate(expression)

    def _holds(self, expression: str) -> bool:
        try:
            return bool(self.evaluate(f"{LOADED} && ({expression})"))
        except RuntimeError as error:
            # between two documents there is nothing to ask
            if "context" in str(error):
                return False
            raise

    def scheme(self, name: str) -> None:
        """Light or dark, as the system of the user would ask for."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def size(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Of the window, in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _log(self) -> str:
        return self._browser.log.read_text(errors="replace")

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession()
        pages: list[dict] = []
        while not pages:
            async with self._session.get(f"http://{self._place}/json/list") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=64 * 1024 * 1024)

    async def _close(self) -> None:
        await self._socket.close()
        await self._session.close()

    async def _call(self, method: str, parameters: dict) -> dict:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict) -> None:
        details = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and details["entry"]["level"] in ("warning", "error"):
            self.complaints.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")
