# A worker's region of the board: mapping it, checking it, and clearing its gauges when the worker
# is a replacement. The counting itself is inline in board.pxd.

import os

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap


cdef uint64_t MAGIC = 0x4C494D454E424F41ULL   # "LIMENBOA"

cdef enum:
    CELL = 8


cdef class Board:
    """One worker's counters in the shared memory `descriptor` (made by limen.observe.board.create).

    `Board(None)` counts into private memory that nobody reads, so that its users need no branch.
    Raises ValueError if the descriptor is no board of this version or has no such worker,
    OSError if it cannot be mapped. The descriptor stays the caller's and must stay open.
    """

    def __cinit__(self, descriptor: int | None = None, worker: int = 0):
        cdef void* mapping
        cdef int64_t offset = 0
        cdef int flags = MAP_PRIVATE | MAP_ANONYMOUS
        self.descriptor = -1
        self.cells = NULL
        self.front = NULL
        if descriptor is not None:
            self._check(descriptor, worker)
            self.descriptor = descriptor
            offset = (BOARD_HEADER + <int64_t> worker * BOARD_REGION) * CELL
            flags = MAP_SHARED
        mapping = mmap(NULL, BOARD_REGION * CELL, PROT_READ | PROT_WRITE, flags, self.descriptor, offset)
        if mapping == MAP_FAILED:
            raise OSError("the board's memory cannot be mapped")
        self.cells = <uint64_t*> mapping
        mapping = mmap(NULL, BOARD_HEADER * CELL, PROT_READ | PROT_WRITE, flags, self.descriptor, 0)
        if mapping == MAP_FAILED:
            raise OSError("the board's memory cannot be mapped")
        self.front = <uint64_t*> mapping
        self.totals = <int64_t*> self.front + BOARD_TOTALS
        self.epoch = self.front + BOARD_EPOCH
        self.worker = worker
        self.shared = descriptor is not None

    def __dealloc__(self):
        if self.cells != NULL:
            munmap(self.cells, BOARD_REGION * CELL)
        if self.front != NULL:
            munmap(self.front, BOARD_HEADER * CELL)

    @staticmethod
    def _check(descriptor, worker):
        header = os.pread(descriptor, 4 * CELL, 0)
        found = [int.from_bytes(header[start : start + CELL], "little") for start in range(0, len(header), CELL)]
        if len(found) != 4 or found[0] != MAGIC:
            raise ValueError("this descriptor is not a board")
        if found[1] != BOARD_VERSION or found[3] != BOARD_REGION * CELL:
            raise ValueError(f"the board has layout version {found[1]}, this worker knows {BOARD_VERSION}")
        if not 0 <= worker < found[2]:
            raise ValueError(f"the board has {found[2]} workers, there is no number {worker}")

    def reset_gauges(self) -> None:
        """Zero what a dead predecessor left in the gauges; counters stay. Call before counting begins."""
        cdef int slot
        cdef int64_t left
        memset(self.cells + WORKER_AREA, 0, WORKER_GAUGES * CELL)
        for slot in range(BOARD_LISTENERS):
            memset(self.cells + LISTENER_AREA + slot * LISTENER_CELLS, 0, LISTENER_GAUGES * CELL)
        for first, end in self._touched_endpoints():
            for slot in range(first, end):
                left = self.endpoint_get(slot, ENDPOINT_ACTIVE)
                if left:
                    total_add(self.totals + slot, -left)
                memset(self.cells + ENDPOINT_AREA + <uint64_t> slot * ENDPOINT_CELLS, 0, ENDPOINT_GAUGES * CELL)

    def _touched_endpoints(self):
        # Looking at a page that was never written would allocate it, so ask the file for its holes.
        cdef int64_t start, end, limit
        if not self.shared:
            return [(0, BOARD_ENDPOINTS)]
        start = (BOARD_HEADER + <int64_t> self.worker * BOARD_REGION + ENDPOINT_AREA) * CELL
        limit = start + <int64_t> BOARD_ENDPOINTS * ENDPOINT_CELLS * CELL
        base = start
        found = []
        while start < limit:
            try:
                start = os.lseek(self.descriptor, start, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole up to the end
                break
            if start >= limit:
                break
            end = min(os.lseek(self.descriptor, start, os.SEEK_HOLE), limit)
            found.append(((start - base) // (ENDPOINT_CELLS * CELL), (end - base) // (ENDPOINT_CELLS * CELL)))
            start = end
        return found

    def count(self, cell: int, delta: int = 1) -> None:
        """Add to one of the worker's own cells (numbers in limen.observe.board.WorkerCell), from Python."""
        if not 0 <= cell < WORKER_CELLS:
            raise IndexError(f"a worker has cells 0 to {WORKER_CELLS - 1}, not {cell}")
        self.worker_add(cell, delta)

    def __repr__(self) -> str:
        kind = "shared" if self.shared else "private"
        return (
            f"<Board {kind}, worker {self.worker}: {<int64_t> self.cells[WORKER_CONNECTIONS]} connections,"
            f" {<int64_t> self.cells[WORKER_EXCHANGES]} exchanges, {<int64_t> self.cells[WORKER_TUNNELS]} tunnels>"
        )
