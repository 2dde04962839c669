#!/usr/bin/env bash
# Builds the tsan preset (ThreadSanitizer) and runs the tests that drive several workers: pools, faults and the console.
#   tools/tsan.sh [ctest arguments]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake --preset tsan >/dev/null
cmake --build build/tsan
# The servers are not instrumented; a race is the proxy's, whose exit status fails the test.
export TSAN_OPTIONS="halt_on_error=0:exitcode=66:second_deadlock_stack=1 ${TSAN_OPTIONS:-}"
exec ctest --test-dir build/tsan --output-on-failure --no-tests=error -R 'e2e_(pool|kill|two_phase|routing|replica)|admin' -LE nightly "$@"
