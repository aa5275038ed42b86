import os

import pytest

from limen.tls.certificates import Certificate, Flaw
from limen.tls.store import Store, Unreadable, signature


def age(path):
    """A file that was written a while ago: its signature can be believed."""
    found = os.stat(path)
    os.utime(path, (found.st_atime - 60, found.st_mtime - 60))


def test_an_unchanged_pair_is_parsed_once(files):
    store = Store()
    chain, key = files()
    first = store.certificate(chain, key)
    assert isinstance(first, Certificate)
    assert store.certificate(chain, key) is first
    age(chain)
    assert store.certificate(chain, key) is first
    assert store.parses == 1
    files()
    assert store.certificate(chain, key) != first
    assert store.parses == 2


def test_a_file_is_read_again_only_when_its_signature_differs(files, monkeypatch):
    store = Store()
    chain, _ = files()
    age(chain)
    content = store.content(chain)
    assert content.is_settled
    monkeypatch.setattr("limen.tls.store._read", lambda *_: pytest.fail("was read again"))
    assert store.content(chain) is content


def test_a_file_just_written_is_not_believed(tmp_path, monkeypatch):
    # just now is what this test takes, however long that is
    monkeypatch.setattr("limen.tls.store._UNSETTLED", 10**18)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    store = Store()
    assert store.content(str(path)).text == b"one"
    before = os.stat(path)
    with path.open("r+b") as file:
        file.write(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert signature(str(path)) == (before.st_mtime_ns, 3, before.st_ino, before.st_dev)
    assert store.content(str(path)).text == b"two"


def test_what_cannot_be_read(tmp_path, files):
    store = Store()
    large, pipe = tmp_path / "large", tmp_path / "pipe"
    large.write_bytes(bytes(100))
    os.mkfifo(pipe)
    for path, word in [
        (tmp_path / "none", "no such file"),
        (tmp_path, "directory"),
        (pipe, "regular file"),
        ("a\0b", "null"),
    ]:
        with pytest.raises(Unreadable, match=word):
            store.content(str(path))
    with pytest.raises(Unreadable, match="larger than 99 bytes"):
        store.content(str(large), largest=99)
    chain, _ = files()
    assert store.certificate(chain, str(tmp_path / "none")) == Flaw("key", "cannot be read: no such file or directory")
    assert store.certificate(str(tmp_path / "none"), chain).part == "chain"


def test_modes(files):
    store = Store()
    chain, key = files()
    store.certificate(chain, key)
    assert store.is_private(key)
    os.chmod(key, 0o640)
    age(key)
    store.certificate(chain, key)
    assert not store.is_private(key)


def test_what_is_not_kept_is_forgotten(files):
    store = Store()
    one, two = files("a.example"), files("b.example")
    first = store.certificate(*one)
    store.certificate(*two)
    store.keep([*one])
    assert store.certificate(*one) is first
    assert store.parses == 2
    store.certificate(*two)
    assert store.parses == 3
    assert store.signatures([one[0], "/nowhere"]) == {one[0]: signature(one[0]), "/nowhere": None}
