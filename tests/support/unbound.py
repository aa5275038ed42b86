"""unbound as a name server over TLS and HTTPS, with a zone of its own and what it forwards to a NameServer of ours."""

from __future__ import annotations

from tests.support.certificates import Pair
from tests.support.ports import free_port
from tests.support.programs import _Program

CONFIG = """
server:
    directory: "{directory}"
    chroot: ""
    username: ""
    pidfile: "{directory}/unbound.pid"
    do-daemonize: no
    use-syslog: no
    log-queries: yes
    num-threads: 1
    so-reuseport: no
    do-not-query-localhost: no
    module-config: "iterator"
    interface: 127.0.0.1@{port}
    interface: 127.0.0.1@{https_port}
    tls-port: {port}
    https-port: {https_port}
    tls-service-pem: "{chain}"
    tls-service-key: "{key}"
    tcp-idle-timeout: {idle}
    local-zone: "." always_refuse
    local-zone: "test." static
    local-data: "test. 60 IN SOA ns.test. root.test. 1 2 3 4 60"
{records}
    local-zone: "far.test." transparent
remote-control:
    control-enable: no
forward-zone:
    name: "far.test."
    forward-addr: 127.0.0.1@{behind}
"""


class Unbound(_Program):
    """`port` speaks TLS, `https_port` HTTPS; `records` are of the zone test. Names in far.test are asked at `behind`."""

    def __init__(self, tls: Pair, records: list[str], *, behind: int = 53, idle: int = 30000) -> None:
        super().__init__()
        self.https_port = free_port()
        local = "\n".join(f'    local-data: "{record}"' for record in records)
        text = CONFIG.format(
            directory=self.directory,
            port=self.port,
            https_port=self.https_port,
            chain=tls.chain,
            key=tls.key,
            idle=idle,
            records=local,
            behind=behind,
        )
        (self.directory / "unbound.conf").write_text(text)

    def command(self) -> list[str]:
        """unbound in the foreground."""
        return ["unbound", "-d", "-c", str(self.directory / "unbound.conf")]

    def asked(self, name: str) -> int:
        """How many questions for the name it has logged."""
        log = (self.directory / "output.log").read_text(errors="backslashreplace")
        return log.count(f" {name}. ")
