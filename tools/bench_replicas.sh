#!/usr/bin/env bash
# How much of the reads replicas take off their primaries, by the servers' own counts: builds release, starts the demo cluster,
# runs the tour's mix of pages and writes, and stops it all.
#   tools/bench_replicas.sh [--replicas 2] [--shards 4] [--clients 20] [--seconds 10]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
REPLICAS=2 SHARDS=4 CLIENTS=20 SECONDS_EACH=10
while [ $# -gt 1 ]; do
  case $1 in
    --replicas) REPLICAS=$2 ;;
    --shards) SHARDS=$2 ;;
    --clients) CLIENTS=$2 ;;
    --seconds) SECONDS_EACH=$2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
if [ -z "${HOWDAH_BIN:-}" ]; then
  tools/install_deps.sh
  cmake --preset release >/dev/null
  cmake --build --preset release --target howdah
  HOWDAH_BIN=build/release/bin/howdah
fi
folder=$(mktemp -d)
trap 'tools/demo.sh down --dir "$folder/demo" >/dev/null; rm -rf "$folder"' EXIT
chmod 755 "$folder"
HOWDAH_BIN=$HOWDAH_BIN tools/demo.sh up --shards "$SHARDS" --replicas "$REPLICAS" --port 0 --dir "$folder/demo"
. "$folder/demo/env"

servers() {
  local i j
  for ((i = 0; i < SHARDS; i++)); do
    echo "SHARD_${i}_PRIMARY"
    for ((j = 0; j < REPLICAS; j++)); do echo "SHARD_${i}_REPLICA_$j"; done
  done
}
# A statement outside a transaction, or a whole transaction, counts one. https://www.postgresql.org/docs/15/monitoring-stats.html
transactions() {
  local server url
  for server in $(servers); do
    url="${server}_URL"
    echo "$server $(psql -XAtq "${!url}" -c "SELECT xact_commit FROM pg_stat_database WHERE datname = 'app'")"
  done
}

psql -Xq "$HOWDAH_URL" -c "INSERT INTO categories VALUES (1, 'Food', NULL), (2, 'Home', NULL), (3, 'Coffee', 1), (4, 'Salary', NULL), (5, 'Funds', NULL)"
pgbench -n -c 8 -j 2 -t 250 -D n=0 -D per_client=250 -f tools/lib/load_user.sql "$HOWDAH_URL" >"$folder/load.log"
sleep 2  # a backend tells its counts at most once a second
transactions >"$folder/begin"
sleep "$SECONDS_EACH"
transactions >"$folder/idle"
pgbench -n -c "$CLIENTS" -j 2 -T "$SECONDS_EACH" -M prepared -D users=2000 -f tools/lib/mixed_read.sql@8 -f tools/lib/mixed_write.sql@2 "$HOWDAH_URL" >"$folder/mix.log"
sleep 2
transactions >"$folder/end"
grep -E "processed|failed transactions: [^0]" "$folder/mix.log" | head -1
writes=$(awk '/^SQL script 2/ { second = 1 } second && /transactions \(/ { print $2; exit }' "$folder/mix.log")
# What probes and other housekeeping do, an idle interval has told.
paste -d' ' "$folder/begin" "$folder/idle" "$folder/end" | awk -v writes="$writes" '
  { count = ($6 - $4) - ($4 - $2); if (count < 0) count = 0; printf "%-20s %7d transactions\n", $1, count; if ($1 ~ /REPLICA/) replicas += count; else primaries += count }
  END { reads = replicas + primaries - writes; printf "reads: %d, of these on replicas %d, which is %.0f %% (and %d transactions that write)\n", reads, replicas, 100 * replicas / reads, writes }'
