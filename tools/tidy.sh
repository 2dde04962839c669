#!/usr/bin/env bash
# clang-tidy with the project's .clang-tidy over every source of the folders given (default: all but tests and fuzz
# targets). Needs build/dev configured; fails on any finding.
#   tools/tidy.sh [FOLDER...]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- base schema drivers sharding proxy
[ -f build/dev/compile_commands.json ] || cmake --preset dev >/dev/null
find "$@" -name '*.cc' -not -path '*/tests/*' -print0 |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-16 -p build/dev --quiet 2> >(grep -v 'warnings generated' >&2)
