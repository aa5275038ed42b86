#!/bin/sh
# Builds the libFuzzer targets (address and undefined-behaviour sanitizers) into build/fuzz.
# Needs clang with its sanitizer runtime (Debian: clang, libclang-rt-dev), Cython and Python's headers.
#   fuzz/build.sh [target ...]        PYTHON and CLANG choose the programs
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
CLANG=${CLANG:-clang}
OUT=build/fuzz
[ $# -gt 0 ] || set -- http1_request http1_response http1_trailers http1_chunked preface authority paths hello
INCLUDE=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')

generate() {
    mkdir -p "$OUT/limen/$(dirname "$1")"
    "$PYTHON" -m cython -3 -w src -I . \
        -X boundscheck=False -X wraparound=False -X initializedcheck=False -X cdivision=True \
        --module-name "limen.$(echo "$1" | tr / .)" "limen/$1.pyx" -o "../$OUT/limen/$1.c"
}

generate engine/http1/parse
generate engine/http1/chunked
generate engine/preface
generate engine/addresses
generate engine/paths
generate engine/tls/hello
# A second unit of a target, where it needs two modules.
unit() {
    [ ! -f "fuzz/$1_addresses.c" ] || echo "fuzz/$1_addresses.c"
}

for target in "$@"; do
    # Module initialisation is never run, so Python's symbols may stay unresolved.
    "$CLANG" -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
        ${FUZZ_CFLAGS:-} -I "$OUT" -I fuzz -I "$INCLUDE" -Wno-unused-function -Wno-unreachable-code \
        "fuzz/$target.c" $(unit "$target") -o "$OUT/$target" -no-pie -Wl,--unresolved-symbols=ignore-all
    echo "$OUT/$target"
done
