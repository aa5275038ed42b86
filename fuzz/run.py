"""Feeds mutated bytes to the engine's codecs for a while: `make fuzz` runs it on the sanitized engine.

Each target in fuzz/targets/ is a module with SEEDS (whole inputs that are worth bending) and `check(data)`, which must
neither crash nor hang, and raises AssertionError when what it got back contradicts itself. A failing input is kept in
fuzz/found/, and its seed of randomness is printed: `python fuzz/run.py --target NAME --replay FILE` runs it again.
"""

import argparse
import importlib
import mmap
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
FOUND = HERE / "found"
LARGEST = 65536
SIZE = 8
# What parsers decide by; put in at random places, these find more than random bytes do.
SPICE = [
    *(bytes([code]) for code in b'\r\n\t :;,="\\/?#%&@[]*\x00\x01\x1f\x7f\x80\xff'),
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n ",
    b"Content-Length: 0\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Connection: close, keep-alive\r\n",
    b"Host: a\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff",
    b"-1",
    b"%2e%2e%2f",
    b"..",
    b"HTTP/1.1",
    b"http://",
    b"[::1]",
]


class Current:
    """The input being checked, in memory shared with a file: a crash of the process leaves it behind."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(SIZE + LARGEST))
        self.path = path
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SIZE + LARGEST)

    def keep(self, data: bytes) -> None:
        """Puts `data` there, after its size."""
        self.memory[:SIZE] = len(data).to_bytes(SIZE, "big")
        self.memory[SIZE : SIZE + len(data)] = data

    def forget(self) -> None:
        """Removes the file."""
        self.memory.close()
        self.path.unlink(missing_ok=True)


def read_input(path: Path) -> bytes:
    """What a failure or a crash (NAME.current) has left."""
    data = path.read_bytes()
    return data[SIZE : SIZE + int.from_bytes(data[:SIZE], "big")] if path.suffix == ".current" else data


def targets(names: Sequence[str]) -> dict[str, ModuleType]:
    """The target modules, all or those named."""
    sys.path.insert(0, str(HERE))
    found = sorted(path.stem for path in (HERE / "targets").glob("*.py") if not path.stem.startswith("_"))
    return {name: importlib.import_module(f"targets.{name}") for name in found if not names or name in names}


def mutate(data: bytes, random_: random.Random, others: Sequence[bytes]) -> bytes:
    """`data` with one to eight changes: bytes flipped, removed, repeated, spiced, or crossed with another seed."""
    changed = bytearray(data)
    for _ in range(random_.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        at = random_.randrange(len(changed) + 1)
        span = min(random_.choice((1, 1, 2, 4, 16, 64)), len(changed) - at)
        match random_.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random_.randrange(8)
            case 1 if at < len(changed):
                changed[at] = random_.randrange(256)
            case 2:
                del changed[at : at + span]
            case 3:
                changed[at:at] = changed[at : at + span] * random_.choice((1, 1, 2, 50, 500))
            case 4 | 5:
                changed[at:at] = random_.choice(SPICE)
            case _:
                other = random_.choice(others)
                cut = random_.randrange(len(other) + 1)
                changed[at:] = other[cut:]
    return bytes(changed[:LARGEST])


def run(name: str, check: Callable[[bytes], None], seeds: Sequence[bytes], seconds: float, seed: int) -> int:
    """Checks the seeds and then mutants for `seconds`; the number of inputs. A failure is kept and raised."""
    random_ = random.Random(seed)
    corpus = list(seeds)
    count = 0
    current = Current(FOUND / f"{name}.current")
    end = time.monotonic() + seconds
    while count < len(seeds) or time.monotonic() < end:
        data = seeds[count] if count < len(seeds) else mutate(random_.choice(corpus), random_, corpus)
        current.keep(data)
        try:
            check(data)
        except BaseException:
            kept = FOUND / f"{name}-{seed}-{count}"
            kept.write_bytes(data)
            print(f"{name}: failed after {count} inputs (seed {seed}); the input is in {kept}", file=sys.stderr)
            raise
        count += 1
        if len(corpus) < 4096 and random_.random() < 0.002:
            corpus.append(data)
    current.forget()
    return count


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each target")
    parser.add_argument("--target", action="append", default=[], help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=None, help="of the random numbers; by default a new one each time")
    parser.add_argument("--replay", type=Path, help="run this input alone on the targets named")
    arguments = parser.parse_args()
    found = targets(arguments.target)
    if not found:
        print("no such target", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    for name, module in found.items():
        if arguments.replay:
            module.check(read_input(arguments.replay))
            continue
        count = run(name, module.check, module.SEEDS, arguments.seconds, seed)
        print(f"{name}: {count} inputs in {arguments.seconds:g} s, nothing found (seed {seed})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
