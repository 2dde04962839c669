# Real PostgreSQL 15 servers for scripts: made, started, awaited, stopped. Sourced, not run.
# When root, everything of PostgreSQL runs as user postgres, because PostgreSQL refuses root.

PG_BIN="${PG_BIN:-/usr/lib/postgresql/15/bin}"

if [ "$(id -u)" = 0 ]; then
  as_server_user() { setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; }
  SERVER_USER=postgres
else
  as_server_user() { "$@"; }
  SERVER_USER="$(id -un)"
fi

# What DESIGN and tests use: small, quick, safe against kill -9 of processes (not against power loss).
pg_settings() {
  cat <<'CONF'
listen_addresses = '127.0.0.1'
shared_buffers = 16MB
max_connections = 100
max_prepared_transactions = 100
max_wal_senders = 10
wal_level = logical
fsync = off
full_page_writes = off
jit = off
dynamic_shared_memory_type = mmap
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
wal_keep_size = 128MB
max_wal_size = 256MB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
shared_preload_libraries = 'pg_stat_statements'
CONF
}

pg_hba() {
  cat <<'HBA'
local all         postgres trust
local replication postgres trust
local all         all      scram-sha-256
host  all         all      127.0.0.1/32 scram-sha-256
host  replication all      127.0.0.1/32 scram-sha-256
HBA
}

# One statement a line, for postgres --single.
pg_roles() {
  cat <<'SQL'
CREATE ROLE app LOGIN PASSWORD 'app'
CREATE ROLE admin LOGIN PASSWORD 'admin'
CREATE ROLE howdah LOGIN SUPERUSER PASSWORD 'howdah'
CREATE DATABASE app OWNER app
CREATE EXTENSION pg_stat_statements
SQL
}

# pg_init DATADIR: an initdb of its own (its own system identifier), with roles and database; stopped.
pg_init() {
  as_server_user "$PG_BIN/initdb" -D "$1" -U postgres -A trust --wal-segsize=4 -E UTF8 --locale=C.UTF-8 \
    --no-sync --no-instructions >/dev/null || return 1
  pg_settings >>"$1/postgresql.conf"
  pg_hba >"$1/pg_hba.conf"
  local out
  out=$(pg_roles | as_server_user "$PG_BIN/postgres" --single -D "$1" postgres 2>&1) || { echo "$out" >&2; return 1; }
  case "$out" in *ERROR:*) echo "$out" >&2; return 1 ;; esac
}

# pg_init_cached DATADIR NUMBER: as pg_init, from a copy made at the first use of this number by this user (a template per
# number, each with its own system identifier), in a few hundredths of a second instead of about one.
pg_init_cached() {
  local key folder lock
  key=$({ pg_settings; pg_hba; pg_roles; "$PG_BIN/postgres" --version; } | cksum | cut -d' ' -f1)
  folder="${TMPDIR:-/tmp}/howdah-servers-$(id -u)-$key"
  mkdir -p -m 711 "$folder" && [ -O "$folder" ] || { echo "$folder is not ours" >&2; return 1; }
  exec {lock}>>"$folder/$2.lock"
  flock "$lock"
  if [ ! -e "$folder/$2.ready" ]; then
    rm -rf "${folder:?}/$2"
    mkdir -m 711 "$folder/$2" && chown "$SERVER_USER" "$folder/$2" && pg_init "$folder/$2/data" || return 1
    touch "$folder/$2.ready"
  fi
  exec {lock}>&-
  cp -a --reflink=auto "$folder/$2/data" "$1"
}

# pg_copy_standby DATADIR_OF_STOPPED_PRIMARY DATADIR SOCKETDIR PRIMARY_PORT NAME
pg_copy_standby() {
  cp -a --reflink=auto "$1" "$2"
  echo "primary_conninfo = 'host=$3 port=$4 user=postgres application_name=$5'" >>"$2/postgresql.conf"
  as_server_user touch "$2/standby.signal"
}

# pg_launch DATADIR PORT SOCKETDIR NAME: starts in the background; see pg_await. The log is DATADIR.log.
pg_launch() {
  as_server_user "$PG_BIN/pg_ctl" -s -W -D "$1" -l "$1.log" \
    -o "-p $2 -k '$3' -c cluster_name=$4" start
}

# alive PID: it exists and is not a zombie that nobody has reaped yet.
alive() {
  local line
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  case "${line##*) }" in Z*) return 1 ;; esac
}

# The status of a server from its postmaster.pid: "ready", "standby", "starting", "stopping" or nothing.
pg_status() {
  local lines=()
  [ -r "$1/postmaster.pid" ] && mapfile -t lines <"$1/postmaster.pid" 2>/dev/null
  [ -n "${lines[0]:-}" ] && alive "${lines[0]}" && echo "${lines[7]:-starting}"
}

# pg_await DATADIR: until it takes connections; fails after 60 s or when it ends.
pg_await() {
  local i status
  for ((i = 0; i < 3000; i++)); do
    status=$(pg_status "$1")
    case "$status" in ready*) return 0 ;; esac
    sleep 0.02
  done
  echo "server in $1 does not start:" >&2
  tail -5 "$1.log" >&2
  return 1
}

# pg_kill DATADIR: at once, without a checkpoint; for servers whose data goes away anyway.
pg_kill() {
  local pid
  pid=$(head -1 "$1/postmaster.pid" 2>/dev/null) || return 0
  [ -n "$pid" ] || return 0
  kill -QUIT "$pid" 2>/dev/null
  local i
  for ((i = 0; i < 250; i++)); do
    alive "$pid" || return 0
    sleep 0.02
  done
  kill -KILL "$pid" 2>/dev/null
  return 0
}

# take_port VARIABLE: a free port below the ephemeral range. Its lock file stays open in this shell and in every server
# it starts, so that no other script or test takes the port as long as one of them lives.
take_port() {
  local folder="/tmp/howdah-ports-$(id -u)" port fd i
  mkdir -p -m 700 "$folder"
  for ((i = 0; i < 1000; i++)); do
    port=$((12000 + (RANDOM * 32768 + RANDOM) % 20000))
    exec {fd}>>"$folder/$port"
    if flock -n "$fd" && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf -v "$1" %s "$port"
      return 0
    fi
    exec {fd}>&-
  done
  echo "no free port" >&2
  return 1
}

# http_status PORT PATH: the status code, or nothing when nobody answers.
http_status() {
  local code fd
  { exec {fd}<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 0
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&"$fd"
  read -t 5 -r _ code _ <&"$fd"
  exec {fd}>&-
  echo "${code:-}"
}

# http_body PORT PATH
http_body() {
  local fd
  { exec {fd}<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 0
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&"$fd"
  timeout 5 sed '1,/^\r*$/d' <&"$fd"
  exec {fd}>&-
}
