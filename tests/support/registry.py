"""A registry of endpoints over HTTP, as discovery polls it: a real server whose answer a test writes down."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Registry:
    """A context manager; `content` is what it answers, with an ETag of it. `asked` holds the fields of each request."""

    def __init__(self, content: object = (), *, tls: ssl.SSLContext | None = None) -> None:
        self.content = json.dumps(content).encode()
        self.status = 200
        self.fields: dict[str, str] = {}
        self.asked: list[dict[str, str]] = []
        self.unchanged = 0
        """Answers 304 so far."""
        self.silent = threading.Event()
        """While set, requests are taken and not answered."""
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.answer(self)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """The URL, by name."""
        return f"{self._scheme}://localhost:{self.port}/v1/endpoints?pass=1"

    def put(self, content: object) -> None:
        self.content = json.dumps(content).encode()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append({name.lower(): value for name, value in handler.headers.items()})
        for _ in range(2000):
            if not self.silent.is_set():
                break
            threading.Event().wait(0.01)
        content, etag = self.content, f'"{hash(self.content)}"'
        if self.status == 200 and handler.headers.get("If-None-Match") == etag:
            self.unchanged += 1
            handler.send_response(304)
            handler.end_headers()
            return
        handler.send_response(self.status)
        for name, value in {"Content-Length": str(len(content)), "ETag": etag, **self.fields}.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            handler.wfile.write(content)
        except OSError:
            # it was too much for the client
            handler.close_connection = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.silent.clear()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
