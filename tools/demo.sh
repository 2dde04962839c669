#!/usr/bin/env bash
# Real PostgreSQL servers with Howdah in front: N shards with streaming replicas, and an unsharded twin to compare with.
#
#   tools/demo.sh up [--shards N] [--replicas N] [--port P] [--dir D] [--config-extra FILE]
#   tools/demo.sh status [--dir D]
#   tools/demo.sh down [--dir D]
#
# D/env holds shell exports for scripts: HOWDAH_URL, HOWDAH_ADMIN_URL, HOWDAH_HTTP, HOWDAH_PID, HOWDAH_CONFIG, TWIN_URL,
# SHARD_i_PRIMARY_URL, SHARD_i_REPLICA_j_URL and the data directories. HOWDAH_BIN names another binary.
set -u
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
. "$ROOT/tools/lib/postgres.sh"
. "$ROOT/tools/lib/demo_schema.sh"

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
fail() { echo "demo.sh: $*" >&2; exit 1; }

SHARDS=4 REPLICAS=1 PORT=6432 HTTP_PORT=9432 EXTRA=""
DIR="${TMPDIR:-/tmp}/howdah-demo"
HOWDAH_BIN="${HOWDAH_BIN:-$ROOT/build/release/bin/howdah}"

whole_number() { case "$2" in '' | *[!0-9]*) fail "$1 needs a number, not '$2'" ;; esac; }

parse_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --shards | --replicas | --port | --dir | --config-extra) [ $# -ge 2 ] || fail "$1 needs a value" ;;
    esac
    case "$1" in
      --shards) whole_number "$1" "$2"; SHARDS=$2; shift ;;
      --replicas) whole_number "$1" "$2"; REPLICAS=$2; shift ;;
      --port) whole_number "$1" "$2"; PORT=$2; HTTP_PORT=""; shift ;;
      --dir) DIR=$2; shift ;;
      --config-extra) EXTRA=$2; shift ;;
      --help) usage; exit 0 ;;
      *) fail "unknown option $1 (see --help)" ;;
    esac
    shift
  done
  [ "$SHARDS" -ge 1 ] || fail "--shards must be at least 1"
  case "$DIR" in /*) ;; *) DIR="$PWD/$DIR" ;; esac
}

# --- layout: D/<server> data directories, D/<server>.log, D/sock or a short folder under /tmp, D/howdah.yaml, D/env

make_folder() {
  [ -e "$DIR/.howdah-demo" ] && fail "there is a demo in $DIR already: tools/demo.sh down --dir $DIR"
  [ -d "$DIR" ] && [ -n "$(ls -A "$DIR")" ] && fail "$DIR is not empty and no demo of ours"
  mkdir -p "$DIR" || fail "cannot make $DIR"
  touch "$DIR/.howdah-demo"
  chmod 755 "$DIR"
  SOCKETS="$DIR/sock"
  # A unix socket's path must stay under 107 bytes.
  if [ ${#SOCKETS} -gt 85 ]; then SOCKETS=$(mktemp -d /tmp/howdah-sock-XXXXXX); else mkdir "$SOCKETS"; fi
  chmod 755 "$SOCKETS"
  echo "$SOCKETS" >"$DIR/sockets"
  mkdir "$DIR/data"
  chown "$SERVER_USER" "$DIR/data" "$SOCKETS"
  as_server_user test -w "$DIR/data" || fail "user $SERVER_USER cannot reach $DIR: choose another --dir"
}

take_ports() {
  local i j
  [ "$PORT" != 0 ] || take_port PORT || exit 1
  [ -n "$HTTP_PORT" ] || take_port HTTP_PORT || exit 1
  take_port TWIN_PORT || exit 1
  for ((i = 0; i < SHARDS; i++)); do
    take_port "PORT_s${i}" || exit 1
    for ((j = 0; j < REPLICAS; j++)); do take_port "PORT_s${i}r${j}" || exit 1; done
  done
}

port_of() { local name="PORT_$1"; echo "${!name}"; }
data_of() { echo "$DIR/data/$1"; }

# Makes and launches one shard with its replicas; shards do this at the same time.
make_shard() {
  local name="s$1" j replica
  pg_init_cached "$(data_of "$name")" "$1" || return 1
  for ((j = 0; j < REPLICAS; j++)); do
    replica="${name}r$j"
    pg_copy_standby "$(data_of "$name")" "$(data_of "$replica")" "$SOCKETS" "$(port_of "$name")" "$replica" || return 1
  done
  pg_launch "$(data_of "$name")" "$(port_of "$name")" "$SOCKETS" "$name" || return 1
  for ((j = 0; j < REPLICAS; j++)); do
    replica="${name}r$j"
    pg_launch "$(data_of "$replica")" "$(port_of "$replica")" "$SOCKETS" "$replica" || return 1
  done
}

make_twin() {
  pg_init_cached "$(data_of twin)" twin && pg_launch "$(data_of twin)" "$TWIN_PORT" "$SOCKETS" twin
}

server_names() {
  local i j
  for ((i = 0; i < SHARDS; i++)); do
    echo "s$i"
    for ((j = 0; j < REPLICAS; j++)); do echo "s${i}r$j"; done
  done
  echo twin
}

streaming() {
  psql -XAtq -h "$SOCKETS" -p "$1" -U postgres postgres -c "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'" 2>/dev/null
}

await_streaming() {
  local i try
  [ "$REPLICAS" -gt 0 ] || return 0
  for ((i = 0; i < SHARDS; i++)); do
    for ((try = 0; try < 600; try++)); do
      [ "$(streaming "$(port_of "s$i")")" = "$REPLICAS" ] && continue 2
      sleep 0.05
    done
    return 1
  done
}

start_servers() {
  local i jobs=() job
  for ((i = 0; i < SHARDS; i++)); do make_shard "$i" & jobs+=($!); done
  make_twin & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job" || return 1; done
  for i in $(server_names); do pg_await "$(data_of "$i")" || return 1; done
  await_streaming || { echo "replicas do not stream" >&2; return 1; }
}

write_config() {
  local i j replicas
  (
    umask 077
    {
      echo "cluster: demo"
      echo "listen: { address: 127.0.0.1, port: $PORT }"
      echo "http: { address: 127.0.0.1, port: $HTTP_PORT }"
      echo "users:"
      echo "  - { name: app, password: app }"
      echo "  - { name: admin, password: admin, admin: true }"
      echo "pool: { mode: transaction, size: 20 }"
      echo "databases:"
      echo "  app:"
      echo "    control: { user: howdah, password: howdah }"
      echo "    shards:"
      for ((i = 0; i < SHARDS; i++)); do
        replicas=""
        for ((j = 0; j < REPLICAS; j++)); do
          replicas+="${replicas:+, }\"host=127.0.0.1 port=$(port_of "s${i}r$j")\""
        done
        echo "      - { name: s$i, primary: \"host=127.0.0.1 port=$(port_of "s$i")\", replicas: [$replicas] }"
      done
      echo "    sharding:"
      echo "      buckets: 4096"
      echo "      hash: postgres"
      echo "      tables:"
      demo_table_rules | sed 's/^/        /'
    } >"$DIR/howdah.yaml"
    if [ -n "$EXTRA" ]; then
      /usr/bin/python3 "$ROOT/tools/lib/merge_yaml.py" "$DIR/howdah.yaml" "$EXTRA" >"$DIR/merged.yaml" || exit 1
      mv "$DIR/merged.yaml" "$DIR/howdah.yaml"
    fi
  )
}

start_howdah() {
  local i
  setsid "$HOWDAH_BIN" --config "$DIR/howdah.yaml" </dev/null >>"$DIR/howdah.log" 2>&1 &
  HOWDAH_PID=$!
  echo "$HOWDAH_PID" >"$DIR/howdah.pid"
  for ((i = 0; i < 600; i++)); do
    [ "$(http_status "$HTTP_PORT" /ready)" = 200 ] && return 0
    alive "$HOWDAH_PID" || break
    sleep 0.05
  done
  echo "howdah is not ready: $(http_body "$HTTP_PORT" /ready)" >&2
  tail -20 "$DIR/howdah.log" >&2
  return 1
}

create_schema() {
  demo_schema >"$DIR/schema.sql"
  local url
  for url in "postgresql://app:app@127.0.0.1:$PORT/app" "postgresql://app:app@127.0.0.1:$TWIN_PORT/app"; do
    psql -Xq -v ON_ERROR_STOP=1 -f "$DIR/schema.sql" "$url" >/dev/null || return 1
  done
}

write_env() {
  local i j name
  put() { printf "export %s='%s'\n" "$1" "$2"; }
  put_server() {
    put "$1_URL" "postgresql://howdah:howdah@127.0.0.1:$(port_of "$2")/app"
    put "$1_DIR" "$(data_of "$2")"
  }
  {
    put HOWDAH_URL "postgresql://app:app@127.0.0.1:$PORT/app"
    put HOWDAH_ADMIN_URL "postgresql://admin:admin@127.0.0.1:$PORT/howdah"
    put HOWDAH_HTTP "http://127.0.0.1:$HTTP_PORT"
    put HOWDAH_PID "$HOWDAH_PID"
    put HOWDAH_CONFIG "$DIR/howdah.yaml"
    put TWIN_URL "postgresql://howdah:howdah@127.0.0.1:$TWIN_PORT/app"
    put HOWDAH_DEMO_SHARDS "$SHARDS"
    put HOWDAH_DEMO_REPLICAS "$REPLICAS"
    for ((i = 0; i < SHARDS; i++)); do
      put_server "SHARD_${i}_PRIMARY" "s$i"
      for ((j = 0; j < REPLICAS; j++)); do put_server "SHARD_${i}_REPLICA_$j" "s${i}r$j"; done
    done
  } >"$DIR/env.new"
  mv "$DIR/env.new" "$DIR/env"
}

# --- commands

up() {
  [ -x "$PG_BIN/initdb" ] || fail "PostgreSQL 15 is missing: run tools/install_deps.sh"
  [ -x "$HOWDAH_BIN" ] || fail "$HOWDAH_BIN is missing: cmake --preset release && cmake --build --preset release"
  [ -z "$EXTRA" ] || [ -r "$EXTRA" ] || fail "cannot read $EXTRA"
  make_folder
  trap 'stop_all; rm -rf "$DIR"; exit 130' INT TERM
  take_ports
  if start_servers && write_config && start_howdah && create_schema && write_env; then
    trap - INT TERM
    echo "$SHARDS shards with $REPLICAS replica(s) each, a twin, and Howdah on port $PORT"
    echo "  psql 'postgresql://app:app@127.0.0.1:$PORT/app'       (console: psql 'postgresql://admin:admin@127.0.0.1:$PORT/howdah')"
    echo "  . $DIR/env                                           (metrics: http://127.0.0.1:$HTTP_PORT/metrics)"
    return 0
  fi
  stop_all
  rm -rf "$DIR"
  exit 1
}

stop_all() {
  local pid i data
  pid=$(cat "$DIR/howdah.pid" 2>/dev/null)
  # Only a process that still runs with our configuration is ours to stop.
  if [ -n "$pid" ] && grep -qaF "$DIR/howdah.yaml" "/proc/$pid/cmdline" 2>/dev/null; then
    kill -TERM "$pid" 2>/dev/null
    for ((i = 0; i < 100; i++)); do alive "$pid" || break; sleep 0.05; done
    kill -KILL "$pid" 2>/dev/null
  fi
  for data in "$DIR"/data/*/; do [ -d "$data" ] && pg_kill "${data%/}" & done
  wait
  local sockets
  sockets=$(cat "$DIR/sockets" 2>/dev/null)
  case "$sockets" in /tmp/howdah-sock-*) rm -rf "$sockets" ;; esac
}

down() {
  if [ ! -e "$DIR/.howdah-demo" ]; then
    echo "no demo in $DIR"
    return 0
  fi
  stop_all
  rm -rf "$DIR"
}

status() {
  [ -r "$DIR/env" ] || { echo "no demo in $DIR"; return 1; }
  . "$DIR/env"
  local name state all=0 port="${HOWDAH_HTTP##*:}" data i
  state=$(http_status "$port" /ready)
  if [ "$state" = 200 ]; then state=ready; else state="not ready (${state:-no answer})"; all=1; fi
  printf '%-8s %-12s %s\n' howdah "$state" "$HOWDAH_URL"
  for data in "$DIR"/data/*/; do
    name=$(basename "$data")
    state=$(pg_status "${data%/}")
    case "$state" in ready*) state=up ;; *) state="${state:-down}"; all=1 ;; esac
    printf '%-8s %-12s %s\n' "$name" "$state" "${data%/}"
  done
  for ((i = 0; i < HOWDAH_DEMO_SHARDS && HOWDAH_DEMO_REPLICAS > 0; i++)); do
    name="SHARD_${i}_PRIMARY_URL"
    state=$(psql -XAtq "${!name}" -c "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'" 2>/dev/null)
    [ "$state" = "$HOWDAH_DEMO_REPLICAS" ] || { echo "s$i: ${state:-0} of $HOWDAH_DEMO_REPLICAS replicas stream"; all=1; }
  done
  return $all
}

[ $# -ge 1 ] || { usage >&2; exit 2; }
COMMAND=$1
shift
case "$COMMAND" in
  up | down | status) parse_options "$@"; "$COMMAND" ;;
  --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
