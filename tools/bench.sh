#!/usr/bin/env bash
# The macro benchmark on this machine: builds release, compares Howdah with direct connections, PgBouncer and HAProxy.
#   tools/bench.sh [options of bench/macro/macro.py, see --help]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/install_deps.sh
cmake --preset release >/dev/null
cmake --build --preset release --target howdah
exec /usr/bin/python3 bench/macro/macro.py "$@"
