"""Runs tests on another kernel: Debian's own, started by QEMU, on this machine's files.

    python tools/guest.py [--package NAME] [--with 'NAME=VALUE…'] TEST [TEST...]

For what the kernel at hand does not have, such as TLS. Needs qemu-system-x86, busybox-static and, for the kernel,
either `--kernel FOLDER` with what its package holds or apt-get, which downloads it once into build/guest. No root: the
guest reads this machine's files through 9p and writes over them in memory. Emulated, so it tells what works, never
how fast.
"""

import argparse
import gzip
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "guest"
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "tls", "aesni_intel", "gcm", "ghash_clmulni_intel", "ctr")
INIT = """#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module || echo "no $module"; done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host
mount -t tmpfs tmpfs /over; mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /new
mount -t proc proc /new/proc; mount -t sysfs sys /new/sys; mount -t devtmpfs dev /new/dev
mkdir -p /new/dev/shm /new/dev/pts
mount -t tmpfs tmpfs /new/dev/shm; mount -t devpts devpts /new/dev/pts
mount -t tmpfs tmpfs /new/run; mount -t tmpfs tmpfs /new/tmp
mkdir -p /new/mnt; mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out /new/mnt
ifconfig lo 127.0.0.1 up
chroot /new /bin/bash /mnt/run > /dev/console 2>&1
poweroff -f
"""
RUN = """ulimit -n 4096
export PATH={path} HOME=/root LANG=C.UTF-8
cd {root}
echo "== $(uname -r)"
{variables} {python} -m pytest -q -p no:cacheprovider {tests}
echo $? > /mnt/status
"""


def fetch(package: str) -> Path:
    """The folder with the files of the newest kernel that the distribution has. Raises CalledProcessError."""
    depends = subprocess.run(["apt-cache", "depends", package], check=True, capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    name = found[1] if found else package
    folder = KEPT / name
    if not folder.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", name], cwd=KEPT, check=True)
        (archive,) = KEPT.glob(f"{name}_*.deb")
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True)
        archive.unlink()
    return folder


def with_needs(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Module files in the order in which they can be loaded; those that are built in have none."""
    files = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        told = re.search(rb"depends=([^\0]*)\0", path.read_bytes())
        for needed in filter(None, told[1].decode().split(",") if told else []):
            add(needed)
        order.append(path)

    for name in names:
        add(name)
    return order


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """A cpio archive (newc) of name → (mode, content)."""

    def parts() -> Iterator[bytes]:
        for number, (name, (mode, content)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
            fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
            head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
            yield head + bytes(-len(head) % 4)
            yield content + bytes(-len(content) % 4)

    return b"".join(parts())


def first_files(kernel: Path) -> bytes:
    """What the guest has before this machine's files: a shell, modules, and how to go on."""
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("busybox is missing: apt-get install busybox-static")
    files: dict[str, tuple[int, bytes]] = {}
    for folder in ("bin", "proc", "sys", "dev", "host", "over", "new", "modules"):
        files[folder] = (0o040755, b"")
    files["bin/busybox"] = (0o100755, Path(busybox).read_bytes())
    files["bin/sh"] = (0o120777, b"busybox")
    files["init"] = (0o100755, INIT.encode())
    modules = with_needs(kernel, MODULES)
    for path in modules:
        files[f"modules/{path.name}"] = (0o100644, path.read_bytes())
    files["modules/order"] = (0o100644, "".join(f"{path.name}\n" for path in modules).encode())
    return gzip.compress(archive(files), 1)


def main() -> int:
    """The exit status of pytest in the guest; 2 if it did not come that far."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--package", default="linux-image-amd64")
    options.add_argument(
        "--kernel", type=Path, help="a folder with boot/vmlinuz-* and lib/modules, instead of a package"
    )
    options.add_argument("--seconds", type=int, default=600, help="how long it may take")
    options.add_argument("--with", dest="variables", default="", help="what the guest's shell sets for pytest")
    options.add_argument("tests", nargs="+")
    asked = options.parse_args()
    if shutil.which("qemu-system-x86_64") is None:
        sys.exit("QEMU is missing: apt-get install qemu-system-x86")
    kernel = asked.kernel or fetch(asked.package)
    (image,) = kernel.glob("boot/vmlinuz-*")
    with tempfile.TemporaryDirectory() as text:
        out = Path(text)
        (out / "initrd.gz").write_bytes(first_files(kernel))
        python = Path(sys.executable).absolute()
        path = ":".join(
            [str(python.parent), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        )
        (out / "run").write_text(
            RUN.format(
                path=path,
                root=shlex.quote(str(ROOT)),
                variables=asked.variables,
                python=python,
                tests=shlex.join(asked.tests),
            ),
            encoding="utf-8",
        )
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072"]
        command += ["-kernel", str(image), "-initrd", str(out / "initrd.gz"), "-append", "console=ttyS0 quiet panic=-1"]
        command += ["-nographic", "-no-reboot", "-net", "none"]
        for tag, folder, more in (("host", "/", ",readonly=on,multidevs=remap"), ("out", text, "")):
            command += ["-fsdev", f"local,id={tag},path={folder},security_model=none{more}"]
            command += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, timeout=asked.seconds, check=True)
        except subprocess.TimeoutExpired:
            print(f"the guest was not done after {asked.seconds} s", file=sys.stderr)
        status = out / "status"
        return int(status.read_text(encoding="ascii")) if status.exists() else 2


if __name__ == "__main__":
    sys.exit(main())
