"""A capture's file: whole lines whatever happens to it."""

import os
import threading

import pytest

from limen.observe import capture_file
from limen.observe.capture_file import CaptureFile, Place


def test_all_paths_begin_with_the_oldest():
    assert Place("a", 1, 1).all_paths() == ["a"]
    assert Place("a", 1, 3).all_paths() == ["a.2", "a.1", "a"]


def test_a_line_that_was_cut_off_does_not_take_the_next_along(tmp_path, monkeypatch):
    file = CaptureFile(Place(str(tmp_path / "flows"), 1 << 20, 2))
    write = os.write
    monkeypatch.setattr(capture_file.os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    with pytest.raises(OSError, match="only 3 of 6"):
        file.append(b"first\n")
    monkeypatch.undo()
    file.append(b"second\n")
    assert (tmp_path / "flows").read_bytes() == b"fir\nsecond\n"


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="no regular file"):
        CaptureFile(Place(str(tmp_path / "pipe"), 1 << 20, 2))
    os.close(reader)


def test_a_closed_file_opens_again(tmp_path):
    file = CaptureFile(Place(str(tmp_path / "flows"), 1 << 20, 2))
    file.append(b"one\n")
    file.close()
    file.append(b"two\n")
    file.renew()
    assert (tmp_path / "flows").read_bytes() == b"one\ntwo\n"


def test_many_writers_turn_one_file(tmp_path):
    place = Place(str(tmp_path / "flows"), 1000, 100)
    files = [CaptureFile(place) for _ in range(4)]

    def write(number: int) -> None:
        for at in range(100):
            files[number].append(b"%d:%d:" % (number, at) + b"x" * 90 + b"\n")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = []
    for path in place.all_paths():
        if os.path.exists(path):
            with open(path, "rb") as lines:
                found += [line.split(b":x")[0] for line in lines]
    assert sorted(found) == sorted(b"%d:%d" % (number, at) for number in range(4) for at in range(100))
