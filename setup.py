"""Build of the compiled engine: every .pyx under src/limen is one extension module.

LIMEN_BUILD    release (default), debug, sanitize, coverage, or none (metadata only; make builds in place afterwards)
LIMEN_MODULES  limits a build to some modules, comma-separated and without "limen." (engine.http1.parse,engine.board)
LIMEN_PROBES   1 or 0: build the test-only `_…probe` modules. Without it: yes in place (development), no for a wheel
LIMEN_IPSEC_MB 0 leaves out what needs intel-ipsec-mb (when it runs, too). Otherwise built where that is found
LIMEN_WERROR   1: warnings of the C compiler are errors
LIMEN_JOBS     how many modules are translated and compiled at a time (default: the processors, at most 8)
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "tools"))
import doctor  # noqa: E402 - it lies beside this file, on no path until now

SOURCE = HERE / "src"
SANITIZERS = "-fsanitize=address,undefined"
FLAVOURS: dict[str, tuple[list[str], list[str], dict[str, str]]] = {
    "release": (["-O2", "-ftree-vectorize"], [], {}),
    "debug": (["-O0", "-g3"], [], {"LIMEN_DEBUG": "1"}),
    "sanitize": (
        ["-O1", "-g", "-fno-omit-frame-pointer", SANITIZERS, "-fno-sanitize-recover=undefined"],
        [SANITIZERS],
        {"LIMEN_DEBUG": "1"},
    ),
    "coverage": (["-O0", "-g", "--coverage"], ["--coverage"], {"LIMEN_DEBUG": "1"}),
    "none": ([], [], {}),
}
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
    "binding": True,
}
# What the modules of a package are linked with, and those that are built only where intel-ipsec-mb is found.
LIBRARIES = {"limen.engine.tls": ["ssl", "crypto"]}
WITH_IPSEC_MB = {"limen.engine.tls.gcm": ["IPSec_MB", "crypto"]}
# Cython's output leaves functions unused and compares signedness; what remains of -Wall is ours to mend.
WARNINGS = ["-Wall", "-Wno-unused-function"]
STRICT = [
    "-Werror",
    "-Wno-error=unused-variable",
    "-Wno-error=unused-but-set-variable",
    "-Wno-error=maybe-uninitialized",
]


def flavour() -> str:
    name = os.environ.get("LIMEN_BUILD", "release")
    if name not in FLAVOURS:
        sys.exit(f"limen: LIMEN_BUILD is {name!r}; use one of {', '.join(FLAVOURS)}")
    return name


def jobs() -> int:
    return int(os.environ.get("LIMEN_JOBS") or min(os.cpu_count() or 1, 8))


def extensions() -> list[Extension]:
    name = flavour()
    if name == "none":
        return []
    compile_args, link_args, macros = FLAVOURS[name]
    strict = STRICT if os.environ.get("LIMEN_WERROR") == "1" else []
    only = {module for module in os.environ.get("LIMEN_MODULES", "").split(",") if module}
    found = []
    for path in sorted((SOURCE / "limen").rglob("*.pyx")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        if only and module.removeprefix("limen.") not in only:
            continue
        if module in WITH_IPSEC_MB and not has_ipsec_mb():
            continue
        found.append(
            Extension(
                module,
                [str(path.relative_to(HERE))],
                include_dirs=["src/limen/engine"],
                extra_compile_args=[*compile_args, *WARNINGS, *strict, "-fvisibility=hidden"],
                extra_link_args=link_args,
                libraries=WITH_IPSEC_MB.get(module) or LIBRARIES.get(module.rpartition(".")[0], []),
                define_macros=[*macros.items()],
            )
        )
    return found


def is_probe(module: str) -> bool:
    """Probes open the inside of the engine to the tests; nobody else needs them, so wheels do without."""
    last = module.rpartition(".")[2]
    return last.startswith("_") and last.endswith("probe")


def has_ipsec_mb() -> bool:
    return os.environ.get("LIMEN_IPSEC_MB") != "0" and doctor.ipsec_mb_missing() is None


def check_tools() -> None:
    """Ends with a clear message when the C compiler or Python.h is missing."""
    if complaints := doctor.missing(("system", "C compiler", "Python.h", "OpenSSL")):
        sys.exit("limen: cannot build the engine\n" + "\n".join(f"  {text}" for _, text in complaints))


class BuildEngine(build_ext):
    """Chooses the modules, translates them and compiles several at a time."""

    def finalize_options(self) -> None:
        probes = os.environ.get("LIMEN_PROBES", "1" if self.inplace or self.editable_mode else "0") == "1"
        chosen = [module for module in self.distribution.ext_modules or [] if probes or not is_probe(module.name)]
        self.distribution.ext_modules = translate(chosen) if chosen else []
        if self.inplace:  # apart for each flavour, and from build/lib, all of which goes into a wheel
            self.build_lib = self.build_temp = f"build/inplace-{flavour()}"
        super().finalize_options()
        self.parallel = self.parallel or jobs()

    def run(self) -> None:
        if self.extensions:
            check_tools()
        super().run()

    def copy_extensions_to_source(self) -> None:
        self.force = True  # a module of another flavour may be newer than the one wanted now
        super().copy_extensions_to_source()


def translate(modules: list[Extension]) -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        sys.exit("limen: Cython >= 3.1 is needed to build; `pip install .` brings it, `make` too")
    return cythonize(
        modules,
        include_path=["src"],
        build_dir="build/cython",
        nthreads=jobs() if len(modules) > 1 else 0,
        compiler_directives=DIRECTIVES,
    )


if __name__ == "__main__":
    os.chdir(HERE)
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildEngine})
