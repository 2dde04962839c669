#!/usr/bin/env bash
# Large answers and loads over four shards, on this machine: builds release, starts the demo cluster, measures, and stops it.
#   tools/bench_shards.sh [--rows 1000000] [--rounds 3]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/install_deps.sh
cmake --preset release >/dev/null
cmake --build --preset release --target howdah howdah_bench_shards
folder=$(mktemp -d)
trap 'tools/demo.sh down --dir "$folder/demo" >/dev/null; rm -rf "$folder"' EXIT
chmod 755 "$folder"
printf 'databases: { app: { sharding: { tables: { bench_rows: { hash: user_id } } } } }\n' > "$folder/extra.yaml"
HOWDAH_BIN=build/release/bin/howdah tools/demo.sh up --replicas 0 --port 0 --dir "$folder/demo" --config-extra "$folder/extra.yaml"
. "$folder/demo/env"
build/release/bin/howdah_bench_shards "$@"
