"""Tells whether this machine can build limen, and which package brings what is missing.

Standard library only, and syntax that old Pythons read, because it runs before anything is installed.
`python3 tools/doctor.py` prints every finding; with `--quiet` only what is missing. Exit status 1 if anything is that
limen cannot be built without.
"""

import glob
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig

NEEDED = (3, 11)
PACKAGES = {
    "python": {
        "debian": "python3 (Debian 12, Ubuntu 24.04 or newer)",
        "fedora": "python3",
        "alpine": "python3",
        "macos": "brew install python",
    },
    "venv": {
        "debian": "python3-venv",
        "fedora": "python3",
        "alpine": "python3 py3-pip",
        "macos": "brew install python",
    },
    "compiler": {
        "debian": "gcc libc6-dev",
        "fedora": "gcc",
        "alpine": "gcc musl-dev linux-headers",
        "macos": "xcode-select --install",
    },
    "headers": {
        "debian": "python3-dev",
        "fedora": "python3-devel",
        "alpine": "python3-dev",
        "macos": "brew install python",
    },
    "openssl": {
        "debian": "libssl-dev",
        "fedora": "openssl-devel",
        "alpine": "openssl-dev",
        "macos": "brew install openssl@3",
    },
    "ipsec_mb": {
        "debian": "libipsec-mb-dev (amd64)",
        "fedora": "intel-ipsec-mb-devel",
        "alpine": "intel-ipsec-mb-dev",
        "macos": "not there",
    },
    "kerberos": {
        "debian": "libkrb5-dev",
        "fedora": "krb5-devel",
        "alpine": "krb5-dev",
        "macos": "brew install krb5",
    },
}
INSTALL = {"debian": "apt-get install ", "fedora": "dnf install ", "alpine": "apk add ", "macos": ""}


def family():
    """The kind of system, as PACKAGES names it, or None."""
    if sys.platform == "darwin":
        return "macos"
    words = ""
    try:
        with open("/etc/os-release", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(("ID=", "ID_LIKE=")):
                    words += " " + line.split("=", 1)[1].strip().strip('"')
    except OSError:
        return None
    for name, marks in (("debian", "debian ubuntu"), ("fedora", "fedora rhel centos"), ("alpine", "alpine")):
        if set(marks.split()) & set(words.split()):
            return name
    return None


def mend(what):
    """How to get `what`, for this system or for all that are known."""
    here = family()
    if here:
        return INSTALL[here] + PACKAGES[what][here]
    return "; ".join("{}: {}{}".format(name, INSTALL[name], text) for name, text in PACKAGES[what].items())


def python_missing():
    """Whether this Python is too old, and which newer one is at hand."""
    if sys.version_info >= NEEDED:
        return None
    found = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]
    advice = "make PYTHON={} ...".format(found[0]) if found else mend("python")
    return "Python >= 3.11 is needed, this is {}: {}".format(platform.python_version(), advice)


def platform_missing():
    """The engine speaks epoll and splice, which only Linux has."""
    if sys.platform.startswith("linux"):
        return None
    return "the engine runs on Linux only (epoll, splice): use a container or a virtual machine"


def venv_missing():
    """Debian ships Python without what `python3 -m venv` needs."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return None
    return "the venv module (with ensurepip) is missing: " + mend("venv")


def compiler():
    """The command that setuptools will call, as a list."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def translates(text):
    """Whether the preprocessor takes a text, so that the headers it names are there."""
    probe = subprocess.run(
        [*compiler(), "-E", "-x", "c", "-"],
        input=text,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return probe.returncode == 0


def compiler_missing():
    """Whether the compiler is there and finds the C library's headers."""
    command = compiler()
    if shutil.which(command[0]) is None:
        return "no C compiler ({} not found): {}".format(command[0], mend("compiler"))
    if not translates(b"#include <stdlib.h>\n#include <sys/epoll.h>\n" if sys.platform.startswith("linux") else b""):
        return "the C compiler finds no headers of the C library: " + mend("compiler")
    return None


def headers_missing():
    """Whether Python.h is where this Python expects it."""
    paths = sysconfig.get_paths()
    places = [paths["include"], paths["platinclude"]]
    if any(glob.glob(os.path.join(place, "Python.h")) for place in places):
        return None
    return "Python.h is missing (looked in {}): {}".format(places[0], mend("headers"))


def openssl_missing():
    """Whether libssl's headers are there, of a version that has what is used."""
    if shutil.which(compiler()[0]) is None:
        return None  # said already
    if not translates(b"#include <openssl/ssl.h>\n"):
        return "OpenSSL's headers are missing: " + mend("openssl")
    if not translates(b"#include <openssl/ssl.h>\n#if OPENSSL_VERSION_NUMBER < 0x30000000L\n#error old\n#endif\n"):
        return "OpenSSL >= 3.0 is needed, its headers are older: " + mend("openssl")
    return None


def ipsec_mb_missing():
    """Whether intel-ipsec-mb's header is there, which has what OpenSSL 3.0 lacks for newer processors."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "there is nothing to gain by it on {}".format(platform.machine())
    if shutil.which(compiler()[0]) is None or translates(b"#include <intel-ipsec-mb.h>\n"):
        return None
    return "with OpenSSL 3.0, large bodies over TLS take twice the CPU on newer processors: " + mend("ipsec_mb")


def kerberos_missing():
    """Whether GSS-API's headers are there, which the package gssapi is built with."""
    if shutil.which(compiler()[0]) is None or translates(b"#include <gssapi/gssapi.h>\n"):
        return None
    return "its headers are missing, which only the extra limen[kerberos] needs: " + mend("kerberos")


CHECKS = (
    ("Python", python_missing),
    ("system", platform_missing),
    ("venv", venv_missing),
    ("C compiler", compiler_missing),
    ("Python.h", headers_missing),
    ("OpenSSL", openssl_missing),
)
EXTRAS = (("intel-ipsec-mb", ipsec_mb_missing), ("Kerberos", kerberos_missing))


def missing(names=()):
    """The complaints, of the checks named or of all."""
    found = [(name, check()) for name, check in CHECKS if not names or name in names]
    return [(name, text) for name, text in found if text]


def main(arguments):
    """Prints the findings; 1 when something is missing."""
    complaints = dict(missing())
    for name, _ in CHECKS:
        if name in complaints:
            print("missing  {}: {}".format(name, complaints[name]), file=sys.stderr)
        elif "--quiet" not in arguments:
            print("found    {}".format(name))
    if "--quiet" not in arguments:
        for name, check in EXTRAS:
            lacks = check()
            print("without  {}: {}".format(name, lacks) if lacks else "found    {}".format(name))
    if complaints:
        print("Nothing was built. Install what is missing and run the same command again.", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
