#!/usr/bin/env bash
# Installs what is missing, builds `dev` (ASan and UBSan) and runs every test without the label nightly.
#   tools/test.sh [ctest arguments]      for example: -L nightly, or -R config
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/install_deps.sh

# Compiling a coroutine takes a gigabyte; tests run real servers.
MEMORY_GIB=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1048576))
JOBS=$(nproc)
[ "$JOBS" -gt $((MEMORY_GIB / 2 + 1)) ] && JOBS=$((MEMORY_GIB / 2 + 1))

# Two clones of the same commit share compiled objects.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

LOG=$(mktemp)
cmake --preset dev >"$LOG" 2>&1 || { cat "$LOG"; rm -f "$LOG"; exit 1; }
rm -f "$LOG"
cmake --build --preset dev -j "$JOBS"

LABELS=(-LE nightly)
for argument in "$@"; do
  case "$argument" in -L | -LE | -L?* | --label-*) LABELS=() ;; esac
done
exec ctest --test-dir build/dev --output-on-failure --no-tests=error -j "$JOBS" "${LABELS[@]}" "$@"
