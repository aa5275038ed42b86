"""An authority that stands below another one: clients trust the root, and are shown what lies in between."""

import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from limen.tls.authority import instant, random_serial
from tests.integration.bridge.conftest import opened
from tests.support import Reply, ScriptedOrigin


def signed(name, key, issuer, issuer_key, now):
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(random_serial())
        .not_valid_before(instant(now - 86400))
        .not_valid_after(instant(now + 86400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(above, critical=False)
        .sign(issuer_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def test_the_chain_leads_to_the_root(start_bridge, internet, tmp_path):
    pair = internet.issue("a.example")
    now = pair.certificate.not_valid_before_utc.timestamp() + 86400
    root, below = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    top = signed("Root", root, "Root", root, now)
    (tmp_path / "office.pem").write_bytes(signed("Office", below, "Root", root, now) + top)
    (tmp_path / "office.key").write_bytes(
        below.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "office.key").chmod(0o600)
    context = ssl.create_default_context(cadata=top.decode())
    authority = {"certificate": str(tmp_path / "office.pem"), "key": str(tmp_path / "office.key")}
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(pair)) as origin:
        proxy = start_bridge({"authority": authority})
        with opened(proxy, f"a.example:{origin.port}", context) as client:
            assert client.request("GET", "/", host=f"a.example:{origin.port}").status == 200
        assert proxy.admin("/ca/office.pem").status == 200
