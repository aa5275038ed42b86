import ipaddress
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from limen.tls.certificates import Unusable, parse
from tests.unit.tls.conftest import CLIENT, SERVER, Issuer, make_key, pem, private_pem


def refused(chain, key):
    with pytest.raises(Unusable) as caught:
        parse(chain, key)
    flaw = caught.value.flaw
    assert not flaw.warning
    return flaw.part, flaw.message


@pytest.mark.parametrize(("kind", "word"), [("ec", "ECDSA"), ("2048", "RSA"), ("ed", "EdDSA")])
def test_what_is_known_of_a_pair(pair, kind, word):
    alternatives = [
        x509.DNSName("A.Example"),
        x509.DNSName("*.b.example."),
        x509.DNSName("xn--bcher-kva.example"),
        x509.IPAddress(ipaddress.ip_address("2001:DB8::1")),
        x509.RFC822Name("someone@a.example"),
    ]
    made = parse(*pair(kind=kind, alternatives=alternatives, responder="http://ocsp.example/", must_staple=True))
    assert made.kind == word
    assert made.names == ("a.example", "*.b.example", "xn--bcher-kva.example", "2001:db8::1")
    assert (made.responder, made.must_staple) == ("http://ocsp.example/", True)
    assert made.for_servers
    assert made.for_clients
    assert made.not_before < time.time() < made.not_after
    assert not made.flaws
    assert made.flaw_at(time.time()) is None
    assert made.flaw_at(made.not_after).message.startswith("expired on ")
    assert made.flaw_at(made.not_before - 1).message.startswith("is not valid before ")


def test_usage(pair):
    assert [parse(*pair(usage=usage)).for_servers for usage in (SERVER, CLIENT)] == [True, False]
    assert [parse(*pair(usage=usage)).for_clients for usage in (SERVER, CLIENT)] == [False, True]


def test_names_that_nobody_asks_for(pair):
    names = ["a.example", "*", "f*.example", "a..example", "*.*.example", "x" * 64 + ".example"]
    made = parse(*pair(alternatives=[x509.DNSName(name) for name in names]))
    assert made.names == ("a.example",)
    assert len(made.flaws) == 5
    assert all(flaw.warning for flaw in made.flaws)
    assert parse(*pair(alternatives=None)).names == ()


def test_a_chain_has_its_order(issuer):
    middle = Issuer("Middle", parent=issuer)
    key = make_key()
    leaf = middle.issue(key=key)
    private = private_pem(key)
    assert not parse(pem(leaf, middle.certificate, issuer.certificate), private).flaws
    assert not parse(pem(leaf), private).flaws
    (flaw,) = parse(pem(leaf, issuer.certificate, middle.certificate), private).flaws
    assert flaw.warning
    assert "certificate 2 of it did not issue certificate 1" in flaw.message
    assert refused(pem(middle.certificate, leaf), private) == ("chain", "has the key's certificate in place 2")


def test_the_soonest_end_of_a_chain_counts_but_not_the_roots(issuer):
    middle = Issuer("Middle", parent=issuer)
    key = make_key()
    made = parse(pem(middle.issue(key=key, days=1000), middle.certificate, issuer.certificate), private_pem(key))
    assert made.not_after == int(middle.certificate.not_valid_after_utc.timestamp())


def test_keys_in_every_form(issuer):
    key = make_key()
    chain = pem(issuer.issue(key=key))
    plain = serialization.NoEncryption()
    traditional = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for text in (traditional, parameters + traditional, chain + private_pem(key), b"Some words\n" + private_pem(key)):
        assert parse(chain, text).kind == "ECDSA"
        assert parse(chain, text).pair.key == text


def test_what_is_no_pair(pair, issuer):
    chain, key = pair()
    _, other = pair()
    der = x509.load_pem_x509_certificate(chain).public_bytes(serialization.Encoding.DER)
    assert refused(b"", key) == ("chain", "holds no certificate in PEM form")
    assert refused(der, key) == ("chain", "holds no certificate in PEM form")
    assert refused(key, key)[0] == "chain"
    assert refused(chain[: len(chain) // 2], key)[0] == "chain"
    assert refused(chain, other) == ("key", "is not the key of the certificate")
    assert refused(chain, b"") == ("key", "holds no private key in PEM form")
    assert refused(chain, chain) == ("key", "holds no private key in PEM form")
    assert refused(chain, key[: len(key) // 2])[0] == "key"
    assert refused(chain, key.replace(b"M", b"!"))[0] == "key"
    secret = make_key()
    assert refused(pem(issuer.issue(key=secret)), private_pem(secret, b"secret")) == ("key", "is encrypted")


def test_what_is_too_weak(issuer):
    for key, word in [
        (make_key("1024"), "RSA key of only 1024 bits"),
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
    ]:
        part, message = refused(pem(issuer.issue(key=key)), private_pem(key))
        assert part == "chain"
        assert word in message
