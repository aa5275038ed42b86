"""What integration tests stand on: real processes, real sockets, nothing mocked.

Everything binds 127.0.0.1 on free ports, is bounded in time and is ended by its context manager.

- `LimenProcess(text, values={...})`: a limen started from YAML. `@PORT@`, `@ADMIN@`, any `@NAME@` becomes a free port
  unless `values` says otherwise (an origin stands for its address). `connect()` gives a raw client, `get()` one
  response, `metrics()` the exposition, `reload(text)` a new configuration, `log` what was printed. On exit it gets
  SIGTERM; a traceback, a dead worker, a sanitizer report or a wrong exit status fails the test (`allow=[regex]`,
  `status=`). `run_limen("check", path)` is for commands that end by themselves.
- `RawClient(address)`: send any bytes, `read_response()`, `read_until()`, `reset()`, `half_close()`, `is_silent()`.
- `ScriptedOrigin(script)`: records each request byte for byte (`requests[0].raw_head`, `.fields`, `.content`) and
  plays steps: `Reply`, `Raw`, `Delay`, `Wait`, `ReadContent`, `Echo`, `Close`, `Reset`; `refuse()` closes the door.
  `RawOrigin(handler)` is the same without HTTP (streams, tunnels); `echo` is a handler.
- `NginxOrigin(files)`, `PythonOrigin("gunicorn" | "uvicorn", source)`: other people's servers, if `available()`, with
  HTTPS by `tls=pair`; `Dialogue(command)`: other people's clients, to talk with.
- `put(path, text)` changes a file that Limen watches, `json_lines(path)` and `whole_lines(path)` read a log of its.
- Fixtures (tests/conftest.py): `start_limen`, `start_origin`, `nginx_origin`; texts `REVERSE`, `FORWARD`.

    def test_fields_keep_their_order(start_limen, start_origin):
        origin = start_origin(Reply(fields=[("X-A", "1"), ("X-B", "2")]))
        proxy = start_limen(REVERSE, values={"ORIGIN": origin})
        response = proxy.get("/path", [("X-One", "1")])
        assert response.status == 200
        assert origin.requests[0].get("x-one") == "1"
"""

from tests.support.dialogue import Dialogue
from tests.support.dns_thread import NameServerThread
from tests.support.files import json_lines, put, whole_lines
from tests.support.fixtures import FORWARD, OPEN_FORWARD, REVERSE, needs_ipv6
from tests.support.origins import (
    Close,
    Delay,
    Echo,
    OriginConnection,
    OriginRequest,
    Raw,
    RawOrigin,
    ReadContent,
    Reply,
    Reset,
    ScriptedOrigin,
    Wait,
    echo,
)
from tests.support.ports import blackhole, free_port
from tests.support.process import LimenFailure, LimenProcess, port_is_closed, run_limen, wait_until
from tests.support.programs import NginxOrigin, PythonOrigin, available, environment
from tests.support.wire import RawClient, WireError, WireResponse, exchange

__all__ = [
    "FORWARD",
    "OPEN_FORWARD",
    "REVERSE",
    "Close",
    "Delay",
    "Dialogue",
    "Echo",
    "LimenFailure",
    "LimenProcess",
    "NameServerThread",
    "NginxOrigin",
    "OriginConnection",
    "OriginRequest",
    "PythonOrigin",
    "Raw",
    "RawClient",
    "RawOrigin",
    "ReadContent",
    "Reply",
    "Reset",
    "ScriptedOrigin",
    "Wait",
    "WireError",
    "WireResponse",
    "available",
    "blackhole",
    "echo",
    "environment",
    "exchange",
    "free_port",
    "json_lines",
    "needs_ipv6",
    "port_is_closed",
    "put",
    "run_limen",
    "wait_until",
    "whole_lines",
]
