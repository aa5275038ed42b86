"""A real directory: slapd on loopback, bound to with a template and by a search, names that would be syntax."""

import base64
import shutil
import subprocess
from dataclasses import replace

import pytest

from limen.exchange.identity import Credentials
from limen.runtime.identity.directory import Directory, DirectoryProvider, GroupSearch, ask, escaped, look_up
from limen.runtime.identity.provider import Found, ProviderFailed
from tests.support import Reply, free_port, port_is_closed, wait_until
from tests.support.kerberos import Realm, missing, token

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
SCHEMA = "/etc/ldap/schema"
CONFIG = """
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
database mdb
maxsize 10485760
suffix dc=example,dc=org
rootdn cn=root,dc=example,dc=org
rootpw secret
directory {folder}/db
"""
TICKETS = """
workers: 1
identities:
  tickets: {negotiate: {keytab: "@KEYTAB@", groups: people}}
  people:
    ldap:
      {url: "@LDAP@", plain: true, base: "dc=example,dc=org", bind_dn: "cn=root,dc=example,dc=org",
       bind_password: secret, groups: {base: 'dc=example,dc=org'}}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {identity: tickets, access: [{allow: {groups: admins}}], targets: {private: allow}}
"""
ENTRIES = """
dn: dc=example,dc=org
objectClass: domain
dc: example

dn: uid=alice,dc=example,dc=org
objectClass: inetOrgPerson
cn: Alice
sn: A
uid: alice
userPassword: wonderland

dn: uid=a\\2Cb*(c),dc=example,dc=org
objectClass: inetOrgPerson
cn: odd
sn: odd
uid: a,b*(c)
userPassword: odd

dn: cn=admins,dc=example,dc=org
objectClass: groupOfNames
cn: admins
member: uid=alice,dc=example,dc=org
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    if SLAPD is None:
        pytest.skip("slapd is not installed")
    folder = tmp_path_factory.mktemp("ldap")
    (folder / "db").mkdir()
    (folder / "slapd.conf").write_text(CONFIG.format(folder=folder, schema=SCHEMA))
    (folder / "entries.ldif").write_text(ENTRIES)
    configured = ["-f", str(folder / "slapd.conf")]
    subprocess.run([SLAPD, "-Ta", *configured, "-l", str(folder / "entries.ldif")], check=True, capture_output=True)
    port = free_port()
    process = subprocess.Popen([SLAPD, "-d", "0", *configured, "-h", f"ldap://127.0.0.1:{port}"])
    try:
        wait_until(lambda: not port_is_closed(port))
        yield f"ldap://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def directories(url):
    groups = GroupSearch("dc=example,dc=org", "(member={dn})", "cn")
    yield Directory(url, dn="uid={name},dc=example,dc=org", groups=groups)
    yield Directory(
        url, base="dc=example,dc=org", find="(uid={name})", bind_dn="cn=root,dc=example,dc=org",
        bind_password="secret", groups=groups,
    )  # fmt: skip


def test_binding_with_groups(url):
    for directory in directories(url):
        assert ask(directory, "alice", "wonderland") == Found("alice", ("admins",), evidence=url)
        assert ask(directory, "a,b*(c)", "odd") == Found("a,b*(c)", (), evidence=url)
        for name, password in (("alice", "x"), ("nobody", "x"), ("*", "wonderland"), ("alice)(uid=*", "wonderland")):
            assert ask(directory, name, password) is None, name


def test_groups_of_whom_others_have_identified(url):
    for directory in list(directories(url))[1:]:
        assert look_up(directory, "alice") == ("admins",)
        assert look_up(directory, "a,b*(c)") == look_up(directory, "nobody") == ()
        template = replace(directory, base=None, dn="uid={name},dc=example,dc=org")
        assert look_up(template, "alice") == ("admins",)
        with pytest.raises(ProviderFailed):
            look_up(replace(directory, bind_password="x"), "alice")


@pytest.mark.skipif(bool(missing()), reason=missing() or "all is there")
def test_groups_of_tickets(url, start_limen, start_origin, monkeypatch):
    origin = start_origin(Reply())
    with Realm() as realm:
        values = {"KEYTAB": realm.keytab(), "ORIGIN": origin, "LDAP": url}
        proxy = start_limen(TICKETS, values=values, env=realm.env)

        def ask(user):
            for name, value in realm.ticket(user).items():
                monkeypatch.setenv(name, value)
            field = ("Proxy-Authorization", "Negotiate " + base64.b64encode(token()).decode())
            with proxy.connect() as client:
                return client.request("GET", f"http://{origin.address}/", [field]).status

        assert (ask("alice"), ask("bob")) == (200, 403)
        proxy.reload(TICKETS.replace("bind_password: secret", "bind_password: wrong"), expect="reloaded: ")
        assert ask("alice") == 503


async def _identify(directory, password):
    return await DirectoryProvider(directory).identify(Credentials("basic", "alice", password))


def test_an_empty_password_is_never_sent():
    import asyncio

    assert asyncio.run(_identify(Directory("ldap://127.0.0.1:1", dn="uid={name}"), "")) is None


def test_a_directory_that_is_not_there(url):
    with pytest.raises(ProviderFailed):
        ask(Directory(f"ldap://127.0.0.1:{free_port()}", dn="uid={name}"), "alice", "x")
    with pytest.raises(ProviderFailed):
        ask(Directory(url, base="dc=example,dc=org", bind_dn="cn=root,dc=example,dc=org", bind_password="x"), "a", "b")


def test_escaping_leaves_nothing_that_is_syntax():
    assert escaped("a*(b)\\\0é,=") == "a\\2a\\28b\\29\\5c\\00\\c3\\a9\\2c\\3d"
