import os

from limen.tls.store import signature
from limen.tls.watch import Watch


def test_a_file_is_told_when_it_has_come_to_rest(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    watch = Watch({str(path): signature(str(path))})
    assert watch.look() == []
    path.write_bytes(b"22")
    assert watch.look() == []
    path.write_bytes(b"333")
    assert watch.look() == []
    assert watch.look() == [str(path)]
    assert watch.look() == []


def test_replaced_removed_and_linked_files(tmp_path):
    path, link, one, two = (tmp_path / name for name in ("a", "link", "one", "two"))
    for file in (path, one, two):
        file.write_bytes(b"1")
    link.symlink_to(one)
    watched = [str(path), str(link), str(tmp_path / "none")]
    watch = Watch({name: signature(name) for name in watched})
    os.replace(two, path)
    other = tmp_path / "other"
    other.symlink_to(path)
    os.replace(other, link)
    assert watch.look() == []
    assert sorted(watch.look()) == sorted(watched[:2])
    path.unlink()
    watch.look()
    assert sorted(watch.look()) == sorted(watched[:2])


def test_a_change_before_the_first_look_is_seen(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    read = signature(str(path))
    path.write_bytes(b"22")
    watch = Watch({str(path): read})
    assert [watch.look(), watch.look()] == [[], [str(path)]]


def test_what_was_undone_is_not_told(tmp_path):
    path, kept = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"1")
    watch = Watch({str(path): signature(str(path))})
    os.rename(path, kept)
    assert watch.look() == []
    os.rename(kept, path)
    assert watch.look() == []
    assert watch.look() == []
