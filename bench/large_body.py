"""Memory of a worker while a body of 4 GiB passes to a client that reads slowly.

    PYTHONPATH=src:. python bench/large_body.py [GIB]

nginx sends a sparse file; the client reads in bursts with pauses between them, so that the way is full nearly all the
time. Printed is what the resident size grew by, at most.
"""

import sys
import time
from pathlib import Path

from bench.idle import resident
from tests.support import REVERSE, LimenProcess, NginxOrigin

BURST = 16 << 20


def main() -> None:
    """Measures and prints."""
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 4) * (1 << 30))
    with NginxOrigin({"small": b"x"}) as origin:
        sparse = next(Path(origin.directory).rglob("small")).with_name("large")
        with sparse.open("wb") as file:
            file.truncate(size)
        with LimenProcess(REVERSE, values={"ORIGIN": origin}, fresh=True) as proxy, proxy.connect() as client:
            (worker, *_) = proxy.worker_pids()
            proxy.get("/small")
            before = most = resident(worker)
            client.send_request("GET", "/large")
            client.read_until(b"\r\n\r\n")
            got = len(client.buffer)
            scratch = bytearray(1 << 20)
            pause = BURST
            while got < size:
                got += client.socket.recv_into(scratch)
                if got >= pause:
                    pause += BURST
                    time.sleep(0.02)
                    most = max(most, resident(worker))
            print(f"{got / (1 << 30):.1f} GiB: {before / 1024:.0f} KiB, at most {(most - before) / 1024:.0f} KiB more")


if __name__ == "__main__":
    main()
