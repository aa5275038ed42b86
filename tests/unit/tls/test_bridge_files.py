from limen.config import loads
from limen.tls.bridge_files import authorities_of

TEXT = """
listeners:
  - {bind: 127.0.0.1:3128, forward: {bridge: {authority: {certificate: a.pem, key: a.key}, hosts: a.example}}}
  - {bind: 127.0.0.1:3129, forward: {bridge: {authority: {certificate: b.pem, key: b.key}, hosts: a.example}}}
  - {bind: 127.0.0.1:3130, forward: {bridge: {authority: {certificate: a.pem, key: a.key}, hosts: b.example}}}
  - {bind: 127.0.0.1:3131, forward: {}}
"""


def test_each_authority_once(tmp_path):
    found = authorities_of(loads(TEXT, base=tmp_path))
    assert [authority.certificate for authority in found] == [str(tmp_path / "a.pem"), str(tmp_path / "b.pem")]


def test_none_without_bridging():
    assert authorities_of(loads("listeners: [{bind: 127.0.0.1:1, forward: {}}]")) == ()
