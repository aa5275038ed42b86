"""Instances started without a file: reverse, forward, demo, and limen.run from a program."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.support import free_port, run_limen

from .conftest import SOURCE, SUPPORT, ask

CORE = ("--core", "fake_core:Core")


@contextlib.contextmanager
def running(*command: str, directory: os.PathLike[str], until: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process and what it printed up to the line that matches."""
    env = {**os.environ, "PYTHONPATH": f"{SOURCE}:{SUPPORT}", "XDG_RUNTIME_DIR": str(directory)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=directory, env=env) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            printed = ""
            for line in process.stdout:
                printed += line
                if re.search(until, line):
                    break
            assert re.search(until, printed), printed
            yield process, printed
        finally:
            timer.cancel()
            process.terminate()
            process.wait(60)


def limen(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "limen", *arguments, *CORE)


@pytest.mark.parametrize(
    "arguments",
    [("reverse", "--to", "http://127.0.0.1:1", "--to", "127.0.0.1:2"), ("forward",), ("forward", "--allow-private")],
)
def test_one_line_instances(tmp_path, arguments):
    command = limen(*arguments, "--listen", "127.0.0.1:0")
    with running(*command, directory=tmp_path, until="listening on") as (process, printed):
        assert ask(int(printed.rpartition(":")[2]))[1] == 1
        env = {"XDG_RUNTIME_DIR": str(tmp_path)}
        status = run_limen("status", env=env)
        assert f"pid {process.pid}" in status.stdout
        reloaded = run_limen("reload", env=env)
        assert reloaded.returncode == 2
        assert "not started from a file" in reloaded.stderr
        top = run_limen("top", "--once", env=env)
        assert "PER SECOND" in top.stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_demo(tmp_path):
    ports = {name: free_port() for name in ("gateway", "proxy", "admin")}
    options = [text for name, port in ports.items() for text in (f"--{name}", str(port))]
    with running(*limen("demo", *options), directory=tmp_path, until="End with Ctrl-C") as (process, printed):
        assert printed.count("listening on") == 2
        assert f"curl -x http://127.0.0.1:{ports['proxy']}" in printed
        assert ask(ports["gateway"])[1] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_the_demo_says_which_port_is_taken(tmp_path):
    with running(*limen("forward", "--listen", "127.0.0.1:0"), directory=tmp_path, until="listening on") as (
        _,
        printed,
    ):
        port = printed.strip().rpartition(":")[2]
        done = run_limen("demo", "--gateway", port)
        assert done.returncode == 1
        assert f"port {port} for the demo's gateway address is taken" in done.stderr


def test_limen_run_from_a_program(tmp_path):
    (tmp_path / "limen.yaml").write_text(
        "workers: 1\nlisteners: [{bind: '127.0.0.1:0', routes: [{respond: {status: 200, body: hello}}]}]\n"
    )
    program = (
        "import sys, limen, limen.control.serve as serve, limen.runtime.supervisor as s\n"
        "serve.serve.__kwdefaults__['core'] = 'fake_core:Core'\n"
        "sys.exit(limen.run(limen.load('limen.yaml')))\n"
    )
    with running(sys.executable, "-c", program, directory=tmp_path, until="listening on") as (process, printed):
        assert ask(int(printed.rpartition(":")[2]))[1] == 1
        process.terminate()
        assert process.wait(60) == 0
