#!/usr/bin/env bash
# Installs what building, testing and the demo need, from Debian 12's own packages. Services stay off.
# Does nothing, quickly, when everything is there. Works as root, else through sudo.
set -eu

PACKAGES=(
  clang-16 lld-16 clang-tidy-16 clang-format-16 libclang-rt-16-dev llvm-16 ccache ninja-build cmake pkg-config git
  libboost1.81-dev libboost-json1.81-dev libpq-dev libpg-query-dev postgresql-server-dev-15
  libxxhash-dev libyaml-cpp-dev libspdlog-dev libssl-dev prometheus-cpp-dev libcli11-dev libzstd-dev
  libgtest-dev libbenchmark-dev
  postgresql-15 postgresql-client-15 pgbouncer haproxy openssl
  python3 python3-yaml python3-psycopg python3-pip procps util-linux
)

missing() {
  local installed
  installed=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package} ' "${PACKAGES[@]}" 2>/dev/null || true) "
  local package
  for package in "${PACKAGES[@]}"; do
    case "$installed" in *"ii $package "*) ;; *) echo "$package" ;; esac
  done
}

mapfile -t MISSING < <(missing)
[ ${#MISSING[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ]; then AS_ROOT=(); else AS_ROOT=(sudo); fi
root() { "${AS_ROOT[@]}" "$@"; }

if ! grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
  echo "install_deps.sh: made for Debian 12; on this system, install the counterparts of: ${MISSING[*]}" >&2
  exit 1
fi

# No cluster on port 5432 when postgresql-15 is installed: tests and the demo make their own.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  root mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' | root tee /etc/postgresql-common/createcluster.conf >/dev/null
fi

# While we install, no package starts its service (PgBouncer's default port is Howdah's).
POLICY=/usr/sbin/policy-rc.d
OURS=0
if [ ! -e "$POLICY" ]; then
  printf '#!/bin/sh\nexit 101\n' | root tee "$POLICY" >/dev/null
  root chmod +x "$POLICY"
  OURS=1
fi
cleanup() { [ "$OURS" = 1 ] && root rm -f "$POLICY"; return 0; }
trap cleanup EXIT

install() {
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${MISSING[@]}"
}

had_service() { command -v systemctl >/dev/null && systemctl is-enabled --quiet "$1" 2>/dev/null; }
KEEP=()
for service in pgbouncer haproxy; do had_service "$service" && KEEP+=("$service"); done

echo "installing: ${MISSING[*]}"
# Lists of packages may be absent or too old; fetch them only then.
install || { root apt-get update -q && install; }

# Services that came with these packages stay off after a reboot, too.
if command -v systemctl >/dev/null; then
  for service in pgbouncer haproxy; do
    case " ${KEEP[*]:-} " in *" $service "*) continue ;; esac
    case " ${MISSING[*]} " in *" $service "*) root systemctl disable --quiet "$service" 2>/dev/null || true ;; esac
  done
fi
