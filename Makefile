# Limen: build, test and look around. `make help` lists the targets; docs and CONTRIBUTING.md tell the rest.
#
# PYTHON=python3.12  the Python to use (3.11 or newer; by default the first that is)
# VENV=.venv         where the virtual environment goes
# FAST=1             make test without the slow tests
# TESTS=tests/unit   make test of some tests only;  PYTEST="-k name -x" further options

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(CURDIR)/$(BIN)/python
PIP := $(BIN)/python -m pip --disable-pip-version-check
TESTS ?= tests
PYTEST ?=
FUZZ_SECONDS ?= 20
CLANG ?= clang
SANITIZED := build/sanitize
# What the sanitizers need in a Python that was not built with them. Leaks are not looked for: the interpreter itself
# keeps memory at its exit, and ours is counted by the debug build. pymalloc would hide overruns from ASan.
SANITIZE_ENV = PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:halt_on_error=1:detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	LIMEN_TEST_START_TIMEOUT=90 LIMEN_TEST_STOP_TIMEOUT=90 \
	LD_PRELOAD="$$($(or $(CC),gcc) -print-file-name=libasan.so) $$($(or $(CC),gcc) -print-file-name=libubsan.so)"
ENGINE := $(shell find src -name '*.pyx' -o -name '*.pxd' -o -name '*.h')

.PHONY: help demo test lint sanitize guest sanitize-guest docs bench fuzz wheel build doctor clean
.DELETE_ON_ERROR:

help:
	@echo "make demo      build, start a gateway and a proxy before a small origin, and show requests passing"
	@echo "make test      build in place and run the tests (FAST=1, TESTS=path, PYTEST=options)"
	@echo "make lint      style, types, layers, stubs and architecture"
	@echo "make sanitize  the engine's tests with AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "make guest     tests that need another kernel, on Debian's in QEMU (TESTS=path)"
	@echo "make fuzz      random input on the sanitized codecs (FUZZ_SECONDS=20 for each; with libFuzzer where clang is)"
	@echo "make bench     a small benchmark (with wrk where installed)"
	@echo "make docs      the documentation, into site/"
	@echo "make wheel     a wheel, into dist/"
	@echo "make build     only build;  make clean removes everything that was made"

doctor:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "missing  Python >= 3.11: Debian, Ubuntu: apt-get install" \
		"python3 python3-venv python3-dev; Fedora: dnf install python3-devel; Alpine: apk add python3 python3-dev" >&2; exit 1; }
	@$(PYTHON) tools/doctor.py --quiet

# -- the environment: one stamp per set of packages, made again when pyproject.toml changes ------------------------------

$(VENV)/.base: pyproject.toml | doctor
	@echo "== $(VENV): limen and what it needs"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet "setuptools>=77" "Cython>=3.1"
	@LIMEN_BUILD=none $(PIP) install --quiet --no-build-isolation --editable ".[build]"
	@touch $@

$(VENV)/.extra-%: $(VENV)/.base
	@echo "== $(VENV): what $* needs"
	@LIMEN_BUILD=none $(PIP) install --quiet --no-build-isolation --editable ".[$*]"
	@touch $@

# setup.py itself translates and compiles only what changed.
$(VENV)/.built: $(VENV)/.base $(ENGINE) setup.py
	@echo "== engine"
	@$(RUN) setup.py --quiet build_ext --inplace
	@touch $@

build: doctor $(VENV)/.built

# -- targets -------------------------------------------------------------------------------------------------------------

demo: doctor $(VENV)/.built
	@$(BIN)/limen demo

test: doctor $(VENV)/.extra-test $(VENV)/.built
	$(RUN) -m pytest -n auto --maxprocesses 8 --dist worksteal $(if $(FAST),-m "not slow") $(PYTEST) $(TESTS)

lint: doctor $(VENV)/.extra-test $(VENV)/.extra-lint $(VENV)/.extra-docs $(VENV)/.built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(RUN) tools/stubtest.py
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint src
	$(RUN) -m pytest -q tests/architecture

$(SANITIZED)/.built: $(VENV)/.built
	@echo "== sanitized engine, in $(SANITIZED)"
	@mkdir -p $(SANITIZED)
	@$(RUN) tools/mirror.py $(SANITIZED)
	@cd $(SANITIZED) && LIMEN_BUILD=sanitize $(RUN) setup.py --quiet build_ext --inplace
	@touch $@

.PHONY: sanitized-sources
sanitized-sources: $(SANITIZED)/.built
	@$(RUN) tools/mirror.py $(SANITIZED)

sanitize: doctor $(VENV)/.extra-test sanitized-sources
	cd $(SANITIZED) && $(SANITIZE_ENV) $(RUN) -m pytest -n auto --maxprocesses 4 --dist worksteal -p no:cacheprovider \
		$(PYTEST) $(wildcard tests/unit/engine tests/property)
	cd $(SANITIZED) && { $(SANITIZE_ENV) $(RUN) -m pytest -n auto --maxprocesses 4 --dist worksteal -p no:cacheprovider \
		-m sanitize $(PYTEST) tests/integration || [ $$? -eq 5 ]; }

GUEST_TESTS = $(if $(filter tests,$(TESTS)),tests/integration/tls/test_kernel.py,$(TESTS))
guest: doctor $(VENV)/.extra-test $(VENV)/.built
	$(RUN) tools/guest.py $(GUEST_TESTS)

# Emulated and sanitized, everything takes fifty times as long.
sanitize-guest: doctor $(VENV)/.extra-test sanitized-sources
	cd $(SANITIZED) && $(RUN) tools/guest.py --seconds 3600 --with '$(SANITIZE_ENV)' $(GUEST_TESTS)

fuzz: doctor $(VENV)/.extra-test sanitized-sources
	cd $(SANITIZED) && $(SANITIZE_ENV) PYTHONPATH=src:. $(RUN) fuzz/run.py --seconds $(FUZZ_SECONDS)
	@if echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return 0; }' | \
		$(CLANG) -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null; \
	then PYTHON="$(RUN)" CLANG="$(CLANG)" fuzz/guided.sh $(FUZZ_SECONDS); \
	else echo "no clang with libFuzzer: only what Python bends was tried (Debian: apt-get install clang libclang-rt-dev)"; fi

bench: doctor $(VENV)/.extra-test $(VENV)/.built
	PYTHONPATH=src:. $(RUN) bench/smoke.py

docs: doctor $(VENV)/.extra-docs
	@mkdir -p build
	$(BIN)/mkdocs build --strict --site-dir site 2>build/docs.log || { cat build/docs.log; exit 1; }
	@echo "site/index.html"

wheel: doctor $(VENV)/.base
	@rm -rf build/lib build/lib.* build/bdist.*
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .
	@ls dist

clean:
	rm -rf build dist site $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find src -name '*.so' -delete
	rm -rf src/*.egg-info
