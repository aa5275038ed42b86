"""Speaks to a running instance over its control socket: plain HTTP on a unix socket, from the standard library."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import limen
from limen.errors import LimenError
from limen.runtime.instance import control_path, running_instances

# A reload may take the preparation time of the workers (a minute) and the loading of a large file.
TIMEOUT = 120.0


class NotRunning(LimenError):
    """Nobody answers on the control socket."""


class Refused(LimenError):
    """The instance answered no; `status` is the HTTP status, the text says why."""

    def __init__(self, text: str, *, status: int) -> None:
        super().__init__(text)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Requests to the instance whose control socket is at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, target: str) -> bytes:
        """The content at a target. Raises NotRunning or Refused."""
        return self._request("GET", target)

    def status(self) -> Mapping[str, object]:
        """The instance's report."""
        return _mapping(self.get("/status"))

    def post(self, target: str, content: Mapping[str, object] | None = None) -> Mapping[str, object]:
        """Does something, with JSON as content if any; returns the answer. Raises NotRunning or Refused."""
        return _mapping(self._request("POST", target, json.dumps(content).encode() if content is not None else None))

    def _request(self, method: str, target: str, content: bytes | None = None) -> bytes:
        connection = _Connection(self.path)
        try:
            connection.request(method, target, body=content, headers={"X-Limen-Control": "1"})
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(f"no instance answers on {self.path}: {error}") from error
        finally:
            connection.close()
        if response.status >= 300:
            raise Refused(_error_text(answer), status=response.status)
        return answer


def find(file: str | None, control: str | None) -> Client:
    """The client of the instance meant: by its control socket, by its configuration file, or the only one running.

    Raises NotRunning when there is none or more than one.
    """
    if control:
        return Client(Path(control))
    if file:
        absolute = Path(os.path.abspath(file))
        by_default = control_path(str(absolute))
        if by_default.exists():
            return Client(by_default)
        # Only a configuration that names another socket must be read; it may be broken, the instance still lives.
        configured = limen.load(absolute).control.socket
        return Client(Path(configured) if configured else by_default)
    instances = running_instances()
    if len(instances) == 1:
        return Client(instances[0])
    if not instances:
        raise NotRunning("no running instance found; name its configuration FILE or use --control PATH")
    listed = "\n  ".join(str(path) for path in instances)
    raise NotRunning(f"{len(instances)} instances run; name the FILE or use --control PATH, one of\n  {listed}")


def _mapping(content: bytes) -> Mapping[str, object]:
    found = json.loads(content)
    return found if isinstance(found, dict) else {}


def _error_text(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()
