#!/usr/bin/env bash
# From nothing to a running cluster: installs, builds, starts four shards with replicas and Howdah, and shows real work.
#   tools/quickstart.sh          keeps running until Ctrl-C
#   tools/quickstart.sh --once   leaves after the tour
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ONCE=0
for argument in "$@"; do
  case "$argument" in
    --once) ONCE=1 ;;
    *) sed -n '2,4s/^# \{0,1\}//p' "$0"; [ "$argument" = --help ] && exit 0 || exit 2 ;;
  esac
done

USERS=10000 CLIENTS=8 SECONDS_EACH=4
DIR="${TMPDIR:-/tmp}/howdah-quickstart"
WORK="$(mktemp -d)"

if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'; else BOLD="" DIM="" PLAIN=""; fi
step() { printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"; }
say() { printf '  %s\n' "$*"; }
note() { printf '  %s%s%s\n' "$DIM" "$*" "$PLAIN"; }
wrong() { echo "quickstart: $*" >&2; exit 1; }

leave() {
  local status=$?
  trap - EXIT INT TERM
  tools/demo.sh down --dir "$DIR" >/dev/null
  rm -rf "$WORK"
  exit "$status"
}

build() {
  step "Building Howdah (release)"
  if ! { cmake --preset release && cmake --build --preset release --target howdah; } >"$WORK/build.log" 2>&1; then
    tail -40 "$WORK/build.log" >&2
    wrong "the build failed"
  fi
  say "$(build/release/bin/howdah --version) in build/release/bin"
}

start() {
  step "Starting four shards, a replica each, and an unsharded twin, all real PostgreSQL 15"
  tools/demo.sh down --dir "$DIR" >/dev/null
  tools/demo.sh up --dir "$DIR" >"$WORK/up.log" 2>&1 || { cat "$WORK/up.log" >&2; wrong "the demo did not start"; }
  . "$DIR/env"
  say "one endpoint: $HOWDAH_URL"
  say "its schema went in through that endpoint: users, accounts, transactions (by month), categories, settings, events"
}

# every_server FUNCTION: FUNCTION LABEL URL for each shard's primary and replica.
every_server() {
  local i j url
  for ((i = 0; i < HOWDAH_DEMO_SHARDS; i++)); do
    url="SHARD_${i}_PRIMARY_URL"
    "$1" "shard $i primary" "${!url}"
    for ((j = 0; j < HOWDAH_DEMO_REPLICAS; j++)); do
      url="SHARD_${i}_REPLICA_${j}_URL"
      "$1" "shard $i replica" "${!url}"
    done
  done
}

ask() { psql -XAtq -v ON_ERROR_STOP=1 "$1" -c "$2"; }
through_howdah() { psql -Xq -v ON_ERROR_STOP=1 "$HOWDAH_URL" "$@"; }

# What role app ran in database app, from the server's own books.
statements_of() {
  ask "${1%/app}/postgres" "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
    JOIN pg_database d ON d.oid = s.dbid WHERE r.rolname = 'app' AND d.datname = 'app'"
}
remember_statements() { BEFORE["$1"]=$(statements_of "$2"); }
print_statements() { printf '  %-18s %10d statements\n' "$1" $(($(statements_of "$2") - ${BEFORE["$1"]})); }
declare -A BEFORE

# pgbench_run ARGUMENTS...: prints its rate; a failed statement fails the tour.
pgbench_run() {
  pgbench -n "$@" "$HOWDAH_URL" >"$WORK/pgbench.log" 2>&1 || { cat "$WORK/pgbench.log" >&2; wrong "pgbench failed"; }
  grep -q '^number of failed transactions: 0 ' "$WORK/pgbench.log" || { cat "$WORK/pgbench.log" >&2; wrong "pgbench saw errors"; }
  awk '/actually processed/ { n = $NF; sub(/.*\//, "", n); split($0, a, ": "); n = a[2]; sub(/\/.*/, "", n) }
       /^latency average/ { l = $4 } /^tps/ { t = $3 }
       END { printf "%s transactions, %d a second, %s ms each\n", n, t, l }' "$WORK/pgbench.log"
}

load() {
  step "Loading $USERS users, two accounts and five transactions each, with pgbench"
  through_howdah -c "INSERT INTO categories VALUES (1, 'Food', NULL), (2, 'Home', NULL), (3, 'Coffee', 1), (4, 'Salary', NULL), (5, 'Funds', NULL)"
  through_howdah -c "INSERT INTO settings VALUES ('theme', '{\"dark\": true}')"
  say "$(pgbench_run -c $CLIENTS -j 2 -t $((USERS / CLIENTS)) -D n=0 -D per_client=$((USERS / CLIENTS)) -f tools/lib/load_user.sql)"
  local i url count sum=0
  for ((i = 0; i < HOWDAH_DEMO_SHARDS; i++)); do
    url="SHARD_${i}_PRIMARY_URL"
    count=$(ask "${!url}" "SELECT count(*) FROM users")
    sum=$((sum + count))
    say "shard $i holds $count users, $(ask "${!url}" "SELECT count(*) FROM accounts") accounts," \
      "$(ask "${!url}" "SELECT count(*) FROM transactions") transactions, $(ask "${!url}" "SELECT count(*) FROM categories") categories"
  done
  [ "$sum" = "$USERS" ] || wrong "the shards hold $sum users together, not $USERS"
  note "each user once, $sum in all; the five categories are everywhere, because they are a reference table"
}

mixed_load() {
  local mode
  step "A mixed load from real clients: pages read, money spent"
  every_server remember_statements
  for mode in simple extended prepared; do
    say "pgbench, $mode: $(pgbench_run -c $CLIENTS -j 2 -T $SECONDS_EACH -M "$mode" -D users=$USERS \
      -f tools/lib/mixed_read.sql@8 -f tools/lib/mixed_write.sql@2)"
  done
  /usr/bin/python3 tools/lib/tour.py "$HOWDAH_URL" "$USERS" >"$WORK/tour.log" || { cat "$WORK/tour.log" >&2; wrong "the psycopg tour failed"; }
  sed 's/^/  psycopg: /' "$WORK/tour.log"
  through_howdah -At -c "SELECT 'psql: ' || name || ' <' || email || '>' FROM users WHERE id = 4711" | sed 's/^/  /'
  [ "${PIPESTATUS[0]}" = 0 ] || wrong "psql failed"
  step "Who served it: writes went to primaries, reads to replicas that had caught up"
  every_server print_statements
}

one_user() {
  local i url counts found=0
  step "User 4711 lives on exactly one shard (asked directly, past Howdah)"
  for ((i = 0; i < HOWDAH_DEMO_SHARDS; i++)); do
    url="SHARD_${i}_PRIMARY_URL"
    counts=$(ask "${!url}" "SELECT (SELECT count(*) FROM users WHERE id = 4711), (SELECT count(*) FROM accounts WHERE user_id = 4711),
      (SELECT count(*) FROM transactions WHERE user_id = 4711)")
    [ "$counts" = "0|0|0" ] || found=$((found + 1))
    say "shard $i: $(echo "$counts" | awk -F'|' '{ printf "%d user, %d accounts, %d transactions", $1, $2, $3 }')"
  done
  [ "$found" = 1 ] || wrong "user 4711 has rows on $found shards"
}

tools/install_deps.sh
build
trap leave EXIT
trap 'exit 130' INT TERM
start
load
mixed_load
one_user

if [ "$ONCE" = 1 ]; then
  step "Done."
  exit 0
fi
step "It keeps running. Try:"
say "psql '$HOWDAH_URL'"
say "psql '$HOWDAH_ADMIN_URL' -c 'SHOW POOLS'"
say "curl $HOWDAH_HTTP/metrics"
note "Ctrl-C stops everything and removes it."
trap 'exit 0' INT TERM
while kill -0 "$HOWDAH_PID" 2>/dev/null; do sleep 1; done
wrong "howdah has ended; its log: $(tail -3 "$DIR/howdah.log")"
