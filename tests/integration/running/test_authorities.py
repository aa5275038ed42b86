"""`/ca` of a running instance, and `limen check` of a configuration that bridges."""

import json

from cryptography import x509

from limen.tls.authority import Authority

TEXT = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {bridge: {authority: {certificate: "%(folder)s/office.pem", key: "%(folder)s/office.key"}, hosts: a.example}}
"""
PLAIN = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {}
"""


def authority(folder):
    made = Authority.create("Office", 90)
    (folder / "office.pem").write_bytes(made.pem)
    (folder / "office.key").write_bytes(made.key_pem)
    (folder / "office.key").chmod(0o600)
    return made


def test_certificates_are_served_only_where_a_listener_bridges(start_limen, tmp_path):
    made = authority(tmp_path)
    limen = start_limen(PLAIN)
    assert limen.admin("/ca").status == 404
    assert limen.admin("/ca/office.pem").status == 404
    limen.reload(TEXT % {"folder": tmp_path}, expect="reloaded: ")
    page = limen.admin("/ca")
    assert page.status == 200
    assert page.get("content-type").startswith("text/html")
    assert 'href="/ca/office.crt"' in page.text
    der = limen.admin("/ca/office.crt")
    assert der.get("content-type") == "application/x-x509-ca-cert"
    assert x509.load_der_x509_certificate(der.content) == made.certificate
    assert limen.admin("/ca/office.pem").content == made.pem
    for path in ("/ca/office.key", "/ca/..%2foffice.key", "/ca/office"):
        assert limen.admin(path).status == 404
    (tmp_path / "office.pem").unlink()
    gone = limen.admin("/ca/office.pem")
    assert gone.status == 503
    assert "cannot read" in json.loads(gone.text)["error"]


def test_check_names_the_file_and_the_mend(start_limen, tmp_path):
    authority(tmp_path)
    limen = start_limen(PLAIN)
    path = tmp_path / "limen.yaml"
    text = (TEXT % {"folder": tmp_path}).replace("@ADMIN@", "9901").replace("@PORT@", "3128")
    path.write_text(text)
    assert limen.command("check", str(path)).returncode == 0
    (tmp_path / "office.key").chmod(0o640)
    done = limen.command("check", str(path))
    assert done.returncode == 2
    assert f"{path}:6:" in done.stderr
    assert f"chmod 600 {tmp_path}/office.key" in done.stderr
