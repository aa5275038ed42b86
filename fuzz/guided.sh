#!/bin/sh
# Runs the libFuzzer targets one after another: fuzz/guided.sh SECONDS [target ...]. Builds them first.
# What they learn goes to build/fuzz/corpus; an input that breaks a law stops the run and is kept in fuzz/found.
set -eu
cd "$(dirname "$0")/.."
SECONDS_EACH=${1:?how many seconds for each target}
shift
[ $# -gt 0 ] || set -- http1_request http1_response http1_trailers http1_chunked preface authority paths hello
fuzz/build.sh "$@" >/dev/null
mkdir -p fuzz/found
for target in "$@"; do
    learnt=build/fuzz/corpus/$target
    mkdir -p "$learnt"
    case $target in
        http1_*) words=-dict=fuzz/http1.dict ;;
        *) words=-use_value_profile=1 ;;
    esac
    if ! "build/fuzz/$target" "-max_total_time=$SECONDS_EACH" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="fuzz/found/$target-" "$words" \
        "$learnt" "fuzz/corpus/$target" >"build/fuzz/$target.log" 2>&1; then
        tail -n 40 "build/fuzz/$target.log" >&2
        echo "$target: the input is in fuzz/found; the log is build/fuzz/$target.log" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$target.log")
    echo "$target: $runs inputs in $SECONDS_EACH s, guided by coverage, nothing found"
done
