#!/usr/bin/env bash
# Builds the fuzz preset and runs every target for SECONDS (default 60) on its committed corpus, as many at a time as there
# are cores. What is found lands in build/fuzz/found, and the script fails.
#   tools/fuzz.sh [SECONDS [TARGET...]]      for example: tools/fuzz.sh 600 sql
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
SECONDS_EACH=${1:-60}
[ $# -gt 0 ] && shift
TARGETS=("$@")
[ ${#TARGETS[@]} -gt 0 ] || mapfile -t TARGETS < <(cd fuzz/corpus && ls)

cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target "${TARGETS[@]/#/fuzz_}"
FOUND=build/fuzz/found
mkdir -p "$FOUND"

one() {
  local work
  work=$(mktemp -d)
  local status=0
  "build/fuzz/bin/fuzz_$1" -max_total_time="$SECONDS_EACH" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 \
    -artifact_prefix="$FOUND/$1-" "$work" "fuzz/corpus/$1" >"$FOUND/$1.log" 2>&1 || status=$?
  rm -rf "$work"
  echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$FOUND/$1.log") inputs, status $status"
  [ "$status" -eq 0 ] || tail -n 40 "$FOUND/$1.log"
  return "$status"
}
export -f one
export SECONDS_EACH FOUND
printf '%s\n' "${TARGETS[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one {}'
