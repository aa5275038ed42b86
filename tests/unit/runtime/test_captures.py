"""Recorders: what cannot be written is counted, and nothing is forgotten at the end."""

import asyncio

import pytest

from limen.observe import capture_file
from limen.observe.board import WorkerCell
from limen.observe.capture_file import Place
from limen.observe.har_entry import Terms
from limen.runtime import captures
from limen.runtime.captures import Recorder, Settings
from tests.support.har import recorded
from tests.unit.observe.test_har_entry import FakeRecording, FakeSide


class Site:
    """A recorder, what it counts, and how it runs tasks."""

    def __init__(self, path) -> None:
        self.counts = {WorkerCell.CAPTURED: 0, WorkerCell.CAPTURE_LOST: 0}
        self.tasks: list[asyncio.Task[None]] = []
        place = Place(str(path), 1 << 30, 2)
        self.recorder = Recorder(Settings("flows", place, 10, 20, Terms()), self.start, self.count)

    def start(self, work) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]

    def count(self, cell: int, number: int) -> None:
        self.counts[WorkerCell(cell)] += number

    def take(self, count: int) -> None:
        for _ in range(count):
            self.recorder._take(FakeRecording(FakeSide(), FakeSide([], b"x" * 300_000, 300_000)))

    @property
    def counted(self) -> tuple[int, int]:
        return self.counts[WorkerCell.CAPTURED], self.counts[WorkerCell.CAPTURE_LOST]


def test_too_many_are_dropped_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(captures, "_PENDING_MOST", 3)

    async def main() -> None:
        site = Site(tmp_path / "flows")
        site.take(5)
        await asyncio.gather(*site.tasks)
        assert len(recorded(tmp_path / "flows")) == 3
        assert site.counted == (3, 2)
        site.recorder.close()

    asyncio.run(main())


def test_a_full_disk_loses_lines_and_the_next_ones_are_whole(tmp_path, monkeypatch):
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        site = Site(tmp_path / "flows")
        with monkeypatch.context() as patched:
            patched.setattr(capture_file.os, "write", full)
            site.take(2)
            await asyncio.gather(*site.tasks)
        assert site.counted == (0, 2)
        site.take(1)
        await asyncio.gather(*site.tasks)
        assert site.counted == (1, 2)
        assert len(recorded(tmp_path / "flows")) == 1
        site.recorder.close()

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(12))
def test_at_the_end_all_is_written_once_wherever_it_is_interrupted(tmp_path, turns):
    async def main() -> None:
        site = Site(tmp_path / "flows")
        site.take(5)
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in site.tasks:
            task.cancel()
        await asyncio.gather(*site.tasks, return_exceptions=True)
        site.recorder.close()

    asyncio.run(main())
    assert len(recorded(tmp_path / "flows")) == 5


def test_one_that_is_retired_still_writes_and_holds_no_file(tmp_path):
    async def main() -> None:
        site = Site(tmp_path / "flows")
        site.recorder.retire()
        site.take(1)
        await asyncio.gather(*site.tasks)
        assert len(recorded(tmp_path / "flows")) == 1
        assert site.recorder._file._descriptor == -1

    asyncio.run(main())
