#!/usr/bin/env bash
# Builds with the tsan preset (ThreadSanitizer) the tests that run the proxy or threads of its own, and runs them.
#   tools/tsan.sh [ctest arguments]      for example: tools/tsan.sh -R e2e_state
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake --preset tsan >/dev/null

# A later -R takes the place of the first.
SELECT=(-R '^(e2e_|admin_|control_|pq_|howdah_(net|core)_)' -LE nightly "$@")
# Every test here is named as the target that makes its program.
mapfile -t TARGETS < <(ctest --test-dir build/tsan -N "${SELECT[@]}" 2>/dev/null | sed -n 's/^ *Test *#[0-9]*: //p')
cmake --build build/tsan --target "${TARGETS[@]}"

# The servers are not instrumented; a race is the proxy's. Every process writes its reports to a file of its own, so that those
# of a process that a test kills, or whose end it does not look at, count, too.
REPORTS=$PWD/build/tsan/reports
rm -rf "$REPORTS"
mkdir -p "$REPORTS"
export TSAN_OPTIONS="halt_on_error=0:exitcode=66:second_deadlock_stack=1:log_path=$REPORTS/tsan ${TSAN_OPTIONS:-}"
STATUS=0
ctest --test-dir build/tsan --output-on-failure --no-tests=error "${SELECT[@]}" || STATUS=$?
if compgen -G "$REPORTS/*" >/dev/null; then
  cat "$REPORTS"/*
  echo "ThreadSanitizer's reports are in $REPORTS" >&2
  exit 66
fi
exit "$STATUS"
