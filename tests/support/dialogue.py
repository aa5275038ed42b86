"""A program that a test talks with: lines into its standard input, patterns out of what it prints.

with Dialogue(["openssl", "s_client", ...]) as client:
    client.hear("Verify return code: 0")
    client.say("GET / HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n")
    client.hear("HTTP/1.1 200")
"""

import contextlib
import os
import re
import subprocess
import threading
from types import TracebackType
from typing import Self

TIMEOUT = 60.0


class Dialogue:
    """Runs the command; standard output and error come as one text. Killed on exit if it has not ended."""

    def __init__(self, command: list[str], *, timeout: float = TIMEOUT) -> None:
        self.command = command
        self.timeout = timeout
        self._text = ""
        self._ended = False
        self._changed = threading.Condition()
        # A sanitizer preloaded for limen must not watch other people's programs.
        env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, bufsize=0
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(5)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        if value is not None:
            value.add_note(f"--- {' '.join(self.command)} ---\n{self.text}")

    @property
    def text(self) -> str:
        """Everything printed so far."""
        with self._changed:
            return self._text

    def say(self, text: str) -> Self:
        """Writes to its standard input; nothing happens if it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text.encode())
        return self

    def hear(self, pattern: str, *, count: int = 1) -> Self:
        """Waits until the pattern has been printed `count` times; AssertionError if it ends before, or takes too long."""
        compiled = re.compile(pattern, re.MULTILINE)
        with self._changed:
            heard = self._changed.wait_for(
                lambda: len(compiled.findall(self._text)) >= count or self._ended, self.timeout
            )
            if not heard or len(compiled.findall(self._text)) < count:
                raise AssertionError(f"{self.command[0]} did not print {count} x {pattern!r}:\n{self._text}")
        return self

    def end(self, last: str | None = None) -> int:
        """Says the last word, closes its standard input and waits for its exit status."""
        assert self._process.stdin is not None
        if last is not None:
            self.say(last)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        status = self._process.wait(self.timeout)
        self._reader.join(self.timeout)
        return status

    def _read(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read(65536):
            with self._changed:
                self._text += data.decode(errors="backslashreplace")
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
