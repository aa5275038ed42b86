"""Whether the kernel of this machine may seal TLS for us (kTLS), and does so as fast as we do."""

import errno
import functools
import platform
import re
import socket
from pathlib import Path

_TCP_ULP = 31
_SEALS_WIDE = (6, 11)
"""From here on the kernel's AES-GCM uses the wide vector instructions of newer processors."""


@functools.cache
def seals() -> bool:
    """Asked once in a process: a module that is loaded later counts from the next start on."""
    return has_tls() and keeps_up(platform.release(), processor())


def has_tls() -> bool:
    """Whether the module is there, or built in. The kernel loads it for those who may administer networks (TCP_ULP)."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, _TCP_ULP, b"tls")
        except OSError as error:
            # it wants a connection first; a kernel that has no such module says ENOENT
            return error.errno == errno.ENOTCONN
    return True


def keeps_up(release: str, flags: frozenset[str]) -> bool:
    """Whether a kernel of this release seals as fast as a library does on a processor with these flags."""
    found = re.match(r"(\d+)\.(\d+)", release)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return version >= _SEALS_WIDE or not {"vaes", "avx512f"} <= flags


def processor() -> frozenset[str]:
    """Flags of the first processor, as the kernel names them; none where it does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()
