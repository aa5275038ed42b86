"""Origins that are other people's programs: nginx, and Python servers run with gunicorn or uvicorn, where present.

Each is a context manager with `address` (host:port) and `port`, binds 127.0.0.1 only, keeps its output in its own
directory and is ended on exit. `available(...)` tells whether it can run, for `pytest.mark.skipif`.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.certificates import Pair
from tests.support.ports import free_port

START_TIMEOUT = 60.0

NGINX = """
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 2048; }}
http {{
    default_type application/octet-stream;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    access_log {directory}/access.log;
    client_max_body_size 0;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port}{listen};
        location / {{ root {directory}/www; }}
        location = /hello {{ return 200 "hello\\n"; }}
        location /status/404 {{ return 404 "none\\n"; }}
        {extra}
    }}
}}
"""


# What runs as `python -m NAME`; everything else is a program on the PATH.
PYTHON_SERVERS = ("gunicorn", "uvicorn")


def environment() -> dict[str, str]:
    """Ours for programs of others, who would not run with a sanitizer's library before them."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def available(*programs: str) -> bool:
    """Whether all of these can be run here: `gunicorn` and `uvicorn` with this Python, others from the PATH."""
    return all(
        importlib.util.find_spec(program) is not None
        if program in PYTHON_SERVERS
        else shutil.which(program) is not None
        for program in programs
    )


class _Program:
    """Starts a command, waits until its port accepts, and ends it."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="limen-origin-", ignore_cleanup_errors=True)
        self.directory = Path(self._temporary.name)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`host:port`, as an endpoint is written in a configuration."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        if self._process is None:
            message = f"{type(self).__name__} is not running"
            raise RuntimeError(message)
        return self._process.pid

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def start(self) -> Self:
        """Starts and returns once the port accepts; RuntimeError with the output otherwise."""
        output = self.directory / "output.log"
        with output.open("wb") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                # A sanitizer preloaded for limen must not watch other people's programs.
                env=environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.02)
        text = output.read_text(errors="backslashreplace")
        self.stop()
        message = f"{type(self).__name__} did not start:\n{text}"
        raise RuntimeError(message)

    def kill(self) -> None:
        """Ends the program as a crash would; `start` starts it again on the same port."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """Ends the program and removes its directory."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


class NginxOrigin(_Program):
    """nginx serving `files` (name → bytes) from /, `/hello` and `/status/404`; `extra` goes into the server block.

    With `tls` it speaks HTTPS and shows that certificate.
    """

    def __init__(self, files: dict[str, bytes] | None = None, *, extra: str = "", tls: Pair | None = None) -> None:
        super().__init__()
        self.extra = extra
        self.listen = ""
        if tls is not None:
            self.listen = " ssl"
            self.extra += f"\nssl_certificate {tls.chain};\nssl_certificate_key {tls.key};\n"
        root = self.directory / "www"
        for name, content in (files or {}).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        root.mkdir(exist_ok=True)

    def command(self) -> list[str]:
        """nginx in the foreground, in one process."""
        self.directory.chmod(0o755)  # as root, nginx's worker runs as nobody and must be able to read
        path = self.directory / "nginx.conf"
        path.write_text(
            NGINX.format(directory=self.directory, port=self.port, listen=self.listen, extra=self.extra),
            encoding="utf-8",
        )
        return ["nginx", "-p", str(self.directory), "-c", str(path), "-g", "daemon off; master_process off;"]

    def access_log(self) -> list[str]:
        """The lines nginx has logged so far."""
        path = self.directory / "access.log"
        return path.read_text(errors="backslashreplace").splitlines() if path.exists() else []


class PythonOrigin(_Program):
    """The application in `source` (a module that defines `app`) under gunicorn (WSGI) or uvicorn (ASGI).

    With `tls` it speaks HTTPS and shows that certificate.
    """

    def __init__(self, server: str, source: str, *, tls: Pair | None = None) -> None:
        super().__init__()
        self.server = server
        self.tls = tls
        (self.directory / "origin_app.py").write_text(source, encoding="utf-8")

    def command(self) -> list[str]:
        """The server, one worker, quiet."""
        if self.server == "gunicorn":
            options = ["--bind", self.address, "--workers", "1", "--threads", "8", "--keep-alive", "30"]
            if self.tls is not None:
                options += ["--certfile", str(self.tls.chain), "--keyfile", str(self.tls.key)]
            return [sys.executable, "-m", "gunicorn", *options, "origin_app:app"]
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        if self.tls is not None:
            options += ["--ssl-certfile", str(self.tls.chain), "--ssl-keyfile", str(self.tls.key)]
        return [sys.executable, "-m", "uvicorn", *options, "origin_app:app"]
