"""ICAP services: the real c-icap with ClamAV's engine, and one that says what a test wants."""

import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.programs import _Program

# ClamAV's test file, and its signature: no database of viruses is needed to find it.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
LIBRARY = next(iter(Path("/usr/lib").glob("*/c_icap")), Path("/nonexistent"))
CONF = """
PidFile {directory}/pid
CommandsSocket {directory}/ctl
StartServers 1
MaxServers 1
ThreadsPerChild 10
KeepAliveTimeout 60
Port 127.0.0.1:{port}
TmpDir {directory}
ModulesDir {library}
ServicesDir {library}
TemplateDir /usr/share/c_icap/templates/
LoadMagicFile /etc/c-icap/c-icap.magic
ServerLog {directory}/server.log
AccessLog {directory}/access.log
Service echo srv_echo.so
Service antivirus_module virus_scan.so
ServiceAlias scan virus_scan?allow204=on&sizelimit=off&mode=simple
virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE
virus_scan.SendPercentData 0
virus_scan.MaxObjectSize 5M
virus_scan.DefaultEngine clamav
Module common clamav_mod.so
"""


class CIcap(_Program):
    """c-icap with the services `echo` and `scan`; in a mount namespace, where ClamAV finds the one signature."""

    @staticmethod
    def missing() -> str:
        """Why it cannot run here; empty if it can."""
        if shutil.which("c-icap") is None or not (LIBRARY / "clamav_mod.so").exists():
            return "c-icap with libc-icap-mod-virus-scan is not installed"
        if not Path("/var/lib/clamav").is_dir():
            return "there is no /var/lib/clamav"
        tried = subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True)
        return "" if tried.returncode == 0 else "no mount namespaces here"

    def command(self) -> list[str]:
        """In the foreground."""
        database = self.directory / "database"
        database.mkdir(exist_ok=True)
        (database / "test.ndb").write_text(f"Test-File:0:0:{EICAR.hex()}\n", encoding="ascii")
        path = self.directory / "c-icap.conf"
        path.write_text(CONF.format(directory=self.directory, port=self.port, library=LIBRARY), encoding="utf-8")
        script = 'mount --bind "$1" /var/lib/clamav && exec c-icap -N -D -f "$2"'
        return ["unshare", "-m", "sh", "-c", script, "sh", str(database), str(path)]

    def log(self) -> str:
        """Its access log."""
        path = self.directory / "access.log"
        return path.read_text(errors="replace") if path.exists() else ""


Answering = Callable[[bytes], bytes | None]


class ScriptedService:
    """An ICAP service: OPTIONS as told, and for each message what `answer(all that came)` gives (None: closes).

    `whole` ends what is read of a message: what it ends with.
    """

    def __init__(self, answer: Answering, *, options: str = "Methods: REQMOD, RESPMOD\r\nPreview: 8\r\n") -> None:
        self.messages: list[bytes] = []
        self.connections = 0
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.connections += 1
                while True:
                    message = self.read()
                    if message.startswith(b"OPTIONS"):
                        reply = f"ICAP/1.0 200 OK\r\n{options}Encapsulated: null-body=0\r\n\r\n".encode()
                    elif message:
                        outer.messages.append(message)
                        told = answer(message)
                        if told is None:
                            return
                        reply = told
                    else:
                        return
                    self.wfile.write(reply)

            def read(self) -> bytes:
                message = b""
                while line := self.rfile.readline():
                    message += line
                    if line == b"\r\n":
                        break
                if b"null-body" in message:
                    return message + self.heads(message)
                if b"-body=" in message:
                    message += self.heads(message)
                    while not message.endswith((b"\r\n0\r\n\r\n", b"\r\n0; ieof\r\n\r\n", b"\r\n\r\n0; ieof\r\n\r\n")):
                        more = self.rfile.readline()
                        if not more:
                            return b""
                        message += more
                return message

            def heads(self, message: bytes) -> bytes:
                place = message.partition(b"-body=")[2].split(b"\r\n")[0]
                return self.rfile.read(int(place))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def c_icap() -> Iterator[CIcap]:
    """A running one."""
    if os.geteuid() != 0:
        pytest.skip("mounts ClamAV's database: needs root")
    if why := CIcap.missing():
        pytest.skip(why)
    with CIcap() as service:
        yield service
