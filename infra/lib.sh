# shellcheck shell=bash
# What infra/up, infra/down and infra/kafka-console-consumer share. Sourced, not run.

INFRA="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
STATE="${INFRA_STATE:-$INFRA/.state}"
# shellcheck disable=SC2034 # used by infra/up
KAFKA_LIBS="$STATE/kafka-libs"
KAFKA_HOME="$STATE/kafka"
# Each service has its own database, and a role of the same name that owns it; `ledger` is the simulated card network.
# shellcheck disable=SC2034 # used by infra/up
SERVICES=(prereservation payment receipt myreservation account ledger)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

usage() { # the header of the script itself
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Only one up or down at a time works on this state.
lock() {
  mkdir -p "$STATE" || die "cannot write $STATE"
  exec 9> "$STATE/lock"
  if command -v flock > /dev/null; then flock 9; fi
}

port_is_open() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

running() { kill -0 "$1" 2> /dev/null && ! ps -o stat= -p "$1" | grep -q '^Z'; }

# wait_until SECONDS COMMAND...
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# Whether what runs here goes when this process ends.
is_owner() {
  local owner
  read -r owner _ 2> /dev/null < "$STATE/owner" && [ "$owner" = "$1" ]
}

gone() { ! running "$1"; }

# ---- Kafka

# The process id, if it is our Kafka that runs under it: ids are given out again.
kafka_pid() {
  local pid
  pid="$(cat "$KAFKA_HOME/pid" 2> /dev/null)" || return 1
  running "$pid" && ps -o command= -ww -p "$pid" | grep -qF "$KAFKA_HOME/server.properties" && echo "$pid"
}

# ---- PostgreSQL

# initdb and postgres refuse to run as root; root hands them to an unprivileged user.
as_postgres() {
  if [ "$(id -u)" != 0 ]; then
    "$@"
  elif command -v runuser > /dev/null; then
    runuser -u "$(postgres_user)" -- "$@"
  else
    sudo -u "$(postgres_user)" -- "$@"
  fi
}

postgres_user() { if id postgres > /dev/null 2>&1; then echo postgres; else echo nobody; fi; }

postgres_bin() {
  local dir
  for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) /usr/pgsql-*/bin /opt/homebrew/bin /usr/local/bin /usr/bin; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
      echo "$dir"
      return
    fi
  done
  return 1
}

# The data directory; it lies elsewhere if the unprivileged user cannot reach the state (a checkout below /root).
postgres_home() { readlink -f "$STATE/postgres" 2> /dev/null; }

# The process id, if it is our PostgreSQL. The file lies in a directory that root can read and belongs to the server.
postgres_pid() {
  local home pid
  home="$(postgres_home)" || return 1
  pid="$(head -n 1 "$home/data/postmaster.pid" 2> /dev/null)" && [ -n "$pid" ] || return 1
  running "$pid" && ps -o command= -ww -p "$pid" | grep -qF "$home/data" && echo "$pid"
}
