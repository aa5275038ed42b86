"""Every example, explained from its file alone: whatever a configuration holds, asking about it is possible."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from limen.config import read
from limen.control.explain_text import explained
from limen.runtime.explain.alone import explain_alone
from limen.runtime.explain.asked import ask
from limen.runtime.provision import Provision
from tests.support.certificates import Authority

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
# what neither this machine nor a test need have: a database of places, a KDC, lists of revoked certificates
ABSENT = (
    (r"  mmdb: .*\n", ""),
    (r", crl: tls/revoked.pem", ""),
    (r"    negotiate:\n(      .*\n)+", "    check: {url: 'https://login.example.com/'}\n"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The examples with the files that they name."""
    made = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, made, dirs_exist_ok=True)
    (made / "tls").mkdir()
    authority = Authority(made)
    own = authority.files()
    for name in ("ca", "tls/ca"):
        shutil.copy(own["certificate"], made / f"{name}.pem")
        shutil.copy(own["key"], made / f"{name}.key")
    for name in ("resolver-ca", "tls/clients", "tls/origins", "tls/partner-ca"):
        shutil.copy(own["certificate"], made / f"{name}.pem")
    for name, kind in (("site", "rsa"), ("site-ecdsa", "ec"), ("client", "ec")):
        pair = authority.issue("www.example.com", kind=kind, client=name == "client")
        shutil.copy(pair.chain, made / f"tls/{name}.pem")
        shutil.copy(pair.key, made / f"tls/{name}.key")
    (made / "tls/tickets.key").write_bytes(bytes(range(80)))
    full = (made / "full.yaml").read_text()
    for pattern, instead in ABSENT:
        full, found = re.subn(pattern, instead, full)
        assert found == 1, pattern
    (made / "full.yaml").write_text(full)
    return made


@pytest.fixture
def importable(folder, monkeypatch):
    """The hooks of the examples, whatever tests of this process have imported by their name."""
    monkeypatch.syspath_prepend(str(folder))
    before = sys.modules.pop("myrules", None)
    yield
    sys.modules.pop("myrules", None)
    if before is not None:
        sys.modules["myrules"] = before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("importable")
def test_an_example_can_be_asked_about(folder, name):
    provision = Provision()
    loaded = provision.load(read(folder / name))
    provision.prepare(loaded)
    for listener in loaded.config.listeners:
        # an address asks no name server
        url = "tcp://192.0.2.1:443" if listener.stream is not None else "http://192.0.2.1/"
        asked = ask(url, listener=listener.label)
        answer = explain_alone(asked, loaded, str(folder), provision.lists.tables(), provision.tickets)
        assert answer["source"] == "file"
        assert answer["verdict"]["outcome"]
        assert "\n".join(explained(answer)).count("listener")
