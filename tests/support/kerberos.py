"""A Kerberos realm of its own: MIT's krb5kdc on loopback with all its files in a temporary directory."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.programs import _Program, environment

REALM = "EXAMPLE.TEST"
PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

CLIENT = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    # the KDC listens where a TCP port was free
    udp_preference_limit = 1
    clockskew = {skew}
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    localhost = {realm}
"""
SERVER = """
[kdcdefaults]
    kdc_listen = ""
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {directory}/principal
        key_stash_file = {directory}/stash
        acl_file = {directory}/acl
        max_life = 10h
        max_renewable_life = 0
        supported_enctypes = aes256-cts-hmac-sha1-96:normal
    }}
[logging]
    kdc = FILE:{directory}/kdc.log
"""


def missing() -> str:
    """Why there can be no realm here, or nothing."""
    programs = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]
    if programs:
        return f"{programs[0]} is not installed (krb5-kdc, krb5-admin-server, krb5-user)"
    return "" if importlib.util.find_spec("gssapi") is not None else "gssapi is not installed (limen[kerberos])"


class Realm(_Program):
    """`env` is what programs of the realm need, clients and servers; `alice` and `bob` have their names as passwords.

    `realm.keytab(name)` makes a service and gives its keys, `realm.ticket("alice")` an environment with a ticket.
    """

    def __init__(self) -> None:
        super().__init__()
        (self.directory / "kdc.conf").write_text(SERVER.format(realm=REALM, port=self.port, directory=self.directory))
        (self.directory / "acl").write_text("")
        self.env = {
            "KRB5_CONFIG": str(self.configure("krb5.conf")),
            "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
            "KRB5RCACHENAME": f"file2:{self.directory}/replays",
            "KRB5CCNAME": f"FILE:{self.directory}/none",
            "KRB5_KTNAME": f"FILE:{self.directory}/none",
        }
        self._run("kdb5_util", "create", "-s", "-P", "master")
        self._admin(*(f"addprinc -pw {user} {user}" for user in ("alice", "bob")))

    def command(self) -> list[str]:
        """The KDC in the foreground."""
        return ["env", *(f"{name}={value}" for name, value in self.env.items()), self._found("krb5kdc"), "-n"]

    def configure(self, name: str, *, skew: int = 300) -> Path:
        """A krb5.conf. `skew`: seconds by which clocks may differ."""
        path = self.directory / name
        path.write_text(CLIENT.format(realm=REALM, port=self.port, skew=skew))
        return path

    def keytab(self, service: str = "HTTP/localhost", name: str = "keytab") -> Path:
        """Its file; with new keys, if the service was there before."""
        path = self.directory / name
        path.unlink(missing_ok=True)
        self._admin(f"addprinc -randkey {service}", f"ktadd -k {path} {service}")
        return path

    def ticket(self, user: str, *, lifetime: str = "1h") -> dict[str, str]:
        """The environment of a client that has logged in."""
        cache = self.directory / f"cache-{user}-{lifetime}"
        env = {**self.env, "KRB5CCNAME": f"FILE:{cache}"}
        self._run("kinit", "-l", lifetime, user, given=f"{user}\n", env=env)
        return env

    def _admin(self, *questions: str) -> None:
        self._run("kadmin.local", "-r", REALM, given="".join(f"{question}\n" for question in questions))

    def _run(self, program: str, *arguments: str, given: str = "", env: dict[str, str] | None = None) -> None:
        done = subprocess.run(
            [self._found(program), *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**environment(), **(env or self.env)},
        )
        if done.returncode:
            message = f"{program} {arguments} failed: {done.stdout}{done.stderr}"
            raise RuntimeError(message)

    @staticmethod
    def _found(program: str) -> str:
        return shutil.which(program, path=PATH) or program


SPNEGO = "1.3.6.1.5.5.2"


def token(service: str = "HTTP@localhost", *, mechanism: str = SPNEGO) -> bytes:
    """What a client shows for its ticket; the environment has to be that of `Realm.ticket`."""
    context, shown = begin(service, mechanism=mechanism)
    del context
    return shown


def begin(service: str = "HTTP@localhost", *, mechanism: str = SPNEGO) -> tuple[Any, bytes]:
    """The client's context as well, for what the service answers."""
    import gssapi

    name = gssapi.Name(service, name_type=gssapi.NameType.hostbased_service)
    context = gssapi.SecurityContext(
        name=name,
        usage="initiate",
        mech=gssapi.OID.from_int_seq(mechanism),
        flags=[gssapi.RequirementFlag.mutual_authentication],
    )
    shown = context.step()
    assert shown is not None
    return context, shown


def offer(*mechanisms: str, inside: bytes) -> bytes:
    """A first message of SPNEGO (RFC 4178, 4.2.1) that offers these mechanisms, with a token of the first."""
    import gssapi

    oids = b"".join(_der(0x06, bytes(gssapi.OID.from_int_seq(one))) for one in mechanisms)
    fields = _der(0xA0, _der(0x30, oids)) + _der(0xA2, _der(0x04, inside))
    return _der(0x60, _der(0x06, bytes(gssapi.OID.from_int_seq(SPNEGO))) + _der(0xA0, _der(0x30, fields)))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


__all__ = ["REALM", "Realm", "begin", "missing", "offer", "token"]
