"""`limen ca`, and the authorities on the admin address."""

import html.parser
import plistlib
import re
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from limen.config.models import BridgeAuthority
from limen.control import authority_forms
from limen.control.admin import bridging
from limen.control.cli import main
from limen.control.commands.ca import _FORMS
from limen.tls.authority import Authority


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_create(here, capsys):
    assert main(["ca", "create", "--name", "Example bridge", "--days", "90"]) == 0
    out = capsys.readouterr().out
    assert "CN=Example bridge" in out
    assert "PRIVATE" not in out
    assert (mode(here / "ca.key"), mode(here / "ca.pem")) == (0o600, 0o644)
    made = Authority.read(here / "ca.pem", here / "ca.key")
    assert made.subject == "CN=Example bridge"
    assert (made.not_after - made.not_before) // 86400 == 91
    assert "PRIVATE" not in (here / "ca.pem").read_text()


def test_create_names_the_machine(here):
    assert main(["ca", "create"]) == 0
    assert Authority.read("ca.pem", "ca.key").subject.startswith("CN=Limen bridge authority of ")


@pytest.mark.parametrize("existing", ["ca.pem", "ca.key"])
def test_create_overwrites_nothing(existing, here, capsys):
    (here / existing).write_text("precious")
    assert main(["ca", "create"]) == 1
    assert f"limen: {existing} exists and is not overwritten" in capsys.readouterr().err
    assert (here / existing).read_text() == "precious"
    # nothing is left behind
    assert [path.name for path in here.iterdir()] == [existing]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "0"], "--days: from 1 to 36500"),
        (["--name", "x" * 65], "--name: the name must have 1 to 64 printable characters"),
        (["--key", "./ca.pem"], "--certificate and --key name the same file"),
    ],
)
def test_create_refuses(arguments, message, here, capsys):
    assert main(["ca", "create", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_create_where_nothing_can_be_written(here, capsys):
    assert main(["ca", "create", "--key", "absent/ca.key"]) == 1
    assert "cannot write absent/ca.key: no such file" in capsys.readouterr().err


def test_show_agrees_with_openssl(here, capsys):
    main(["ca", "create"])
    capsys.readouterr()
    assert main(["ca", "show"]) == 0
    out = capsys.readouterr().out
    for digest in ("sha256", "sha1"):
        said = subprocess.run(
            ["openssl", "x509", "-in", "ca.pem", "-noout", "-fingerprint", f"-{digest}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert said.partition("=")[2].strip() in out
    assert main(["ca", "show", "absent.pem"]) == 2
    assert "cannot read absent.pem" in capsys.readouterr().err
    (here / "junk.pem").write_text("junk")
    assert main(["ca", "show", "junk.pem"]) == 2


def test_export(here, capsysbinary):
    main(["ca", "create", "--name", "Example"])
    parsed = x509.load_pem_x509_certificate((here / "ca.pem").read_bytes())
    capsysbinary.readouterr()
    exported = {}
    for form in _FORMS:
        assert main(["ca", "export", "--form", form]) == 0
        exported[form] = capsysbinary.readouterr().out
        assert b"PRIVATE" not in exported[form]
    assert x509.load_pem_x509_certificate(exported["pem"]) == parsed
    assert x509.load_der_x509_certificate(exported["der"]) == parsed
    key, own, others = pkcs12.load_key_and_certificates(exported["p12"], None)
    assert (key, own, others) == (None, None, [parsed])
    profile = plistlib.loads(exported["mobileconfig"])
    assert profile["PayloadDisplayName"] == "Example"
    assert profile["PayloadContent"][0]["PayloadType"] == "com.apple.security.root"
    assert x509.load_der_x509_certificate(profile["PayloadContent"][0]["PayloadContent"]) == parsed
    # the same authority is the same profile: it replaces itself
    assert authority_forms.written(parsed, "mobileconfig") == exported["mobileconfig"]


def test_export_into_a_file(here, capsys):
    main(["ca", "create"])
    assert main(["ca", "export", "--form", "der", "--output", "ca.crt"]) == 0
    assert x509.load_der_x509_certificate((here / "ca.crt").read_bytes())
    assert main(["ca", "export", "--output", "ca.crt"]) == 1
    assert "not overwritten" in capsys.readouterr().err


def test_the_key_in_a_certificate_file_stays_there(here, capsysbinary):
    main(["ca", "create"])
    (here / "both.pem").write_bytes((here / "ca.key").read_bytes() + (here / "ca.pem").read_bytes())
    capsysbinary.readouterr()
    main(["ca", "export", "both.pem"])
    assert b"PRIVATE" not in capsysbinary.readouterr().out
    section = BridgeAuthority(certificate=str(here / "both.pem"), key=str(here / "ca.key"))
    assert b"PRIVATE" not in bridging.download([section], "both.pem").content
    assert "PRIVATE" not in bridging.page([section])


def test_forms_are_those_of_the_command_line():
    assert authority_forms.FORMS == _FORMS


# The admin address ----------------------------------------------------------------------------------------------------


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]


def authorities(folder, *names):
    found = []
    for name in names:
        authority = Authority.create("Example & <Co>", 30)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(authority.pem)
        found.append(BridgeAuthority(certificate=str(folder / name), key="never-read.key"))
    return found


def test_the_page(tmp_path):
    (section,) = authorities(tmp_path, "ca.pem")
    page = bridging.page([section])
    reader = Reader()
    reader.feed(page)
    assert reader.links == ["/ca/ca.pem", "/ca/ca.crt"]
    assert not {"script", "img", "link", "iframe"} & set(reader.tags)
    assert "Example &amp; &lt;Co&gt;" in page
    assert re.search("SHA-256.*([0-9A-F]{2}:){31}", page)


def test_downloads(tmp_path):
    found = authorities(tmp_path, "ca.pem", "a/ca.pem", "b/my ca!.pem")
    assert list(bridging.names_of(found)) == ["ca", "ca-2", "my-ca"]
    pem, der = bridging.download(found, "my-ca.pem"), bridging.download(found, "my-ca.crt")
    assert (pem.content_type, der.content_type) == ("application/x-pem-file", "application/x-x509-ca-cert")
    assert x509.load_pem_x509_certificate(pem.content) == x509.load_der_x509_certificate(der.content)
    for file in ("ca.key", "absent.pem", "ca", "../ca.pem", "", ".pem"):
        assert bridging.download(found, file) is None


def test_a_certificate_that_went_away_is_told(tmp_path):
    (section,) = authorities(tmp_path, "ca.pem")
    (tmp_path / "ca.pem").unlink()
    assert "cannot read" in bridging.page([section])
