# shellcheck shell=bash disable=SC2034,SC2154 # what the caller defines and uses
# What lab/compose and kubernetes/test/run share: the customer's story and the audit, from outside of a deployed system.
# Sourced. The caller defines `sql DATABASE QUERY` and sets GATEWAY (http://host:port).

SYSTEM="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"
wrong=0

say() { printf '%s\n' "$*"; }
# figure WHAT VALUE: one line of the report.
figure() { printf '%-58s %s\n' "$1" "$2"; }
ok() { figure "$1" "ok${2:+: $2}"; }
bad() {
  figure "$1" "FAILED${2:+: $2}"
  wrong=1
}
# expect WHAT WANTED FOUND
expect() { if [ "$2" = "$3" ]; then ok "$1" "$3"; else bad "$1" "wanted $2, found $3"; fi; }

# until_true SECONDS COMMAND...
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.5
  done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
now_ms() { date +%s%3N; }
seconds_since() { awk -v from="$1" -v to="$(now_ms)" 'BEGIN { printf "%.1f s", (to - from) / 1000 }'; }

status() { curl -s -o /dev/null -m 10 -w '%{http_code}' "$@"; }
gateway_answers() { [ "$(status "$GATEWAY/myReservations")" = 200 ]; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]))' "$1"; }
view_is() { [ "$(curl -s -m 5 "$GATEWAY/myReservations/$1" | field status)" = "$2" ]; }

# Reserve, see it everywhere, take it back: the README's story.
story() {
  local answer id
  answer="$(curl -s -m 15 -H 'Content-Type: application/json' -d "@$SYSTEM/lab/siege/reservation.json" "$GATEWAY/preReservations")"
  id="$(field id <<< "$answer" 2> /dev/null || true)"
  [ "$(field status <<< "$answer" 2> /dev/null)" = reservated ] || {
    bad "story: reserve" "$answer"
    return
  }
  case "$answer" in *1234-1234-1234*) bad "story: the card's number is masked" ;; esac
  if until_true 30 view_is "$id" receipt_issued; then ok "story: reserved, paid, receipt issued"; else bad "story: the receipt is not there"; fi
  expect "story: cancel" 204 "$(status -X DELETE "$GATEWAY/preReservations/$id")"
  expect "story: it is gone" 404 "$(status "$GATEWAY/preReservations/$id")"
  if until_true 30 all_cancelled "$id"; then ok "story: payment and receipt follow, the view shows it"; else bad "story: not all is cancelled"; fi
  expect "story: the gateway leads nobody to /actuator of a service" 404 "$(status "$GATEWAY/payments/actuator/health")"
  expect "story: the gateway is ready" 200 "$(status "$GATEWAY/actuator/health/readiness")"
  for page in loggers prometheus gateway/routes info; do
    expect "story: strangers do not see /actuator/$page" 404 "$(status "$GATEWAY/actuator/$page")"
  done
}
all_cancelled() {
  curl -s -m 5 "$GATEWAY/myReservations/$1" | python3 -c '
import json, sys
it = json.load(sys.stdin)
sys.exit((it["reservationStatus"], it["paymentStatus"], it["receiptStatus"]) != ("reservation_cancelled", "payment_cancelled", "receipt_cancelled"))'
}

# settled: nothing is under way in any service.
settled() {
  [ "$(sql prereservation "select count(*) from reservation where status = 'pending'")" = 0 ] &&
    [ "$(sql payment "select count(*) from payment where status in ('charging', 'refunding')")" = 0 ] || return 1
  local database
  for database in prereservation payment receipt; do
    [ "$(sql "$database" 'select count(*) from outbox')" = 0 ] || return 1
  done
  [ "$(sql myreservation "select count(*) from my_reservation where outcome in ('open', 'compensating')")" = 0 ] &&
    [ "$(sql myreservation 'select count(*) from my_reservation')" = "$(sql prereservation 'select count(*) from reservation')" ]
}

# audit [ACCEPTED]: the same reservations stand in all four databases and in the card network's ledger, and at least as
# many as customers were told 201.
audit() {
  if ! until_true 180 settled; then
    bad "audit: still under way after 180 s" "open in the view: $(sql myreservation "select count(*) from my_reservation where outcome in ('open', 'compensating')")"
  fi
  local reservations
  reservations="$(sql prereservation "select count(*) from reservation where status = 'reservated'")"
  expect "audit: payments that stand = reservations that stand" "$reservations" "$(sql payment "select count(*) from payment where status = 'paid'")"
  expect "audit: receipts that stand" "$reservations" "$(sql receipt "select count(*) from receipt where status = 'receipt_issued'")"
  expect "audit: complete in the view" "$reservations" "$(sql myreservation "select count(*) from my_reservation where outcome = 'completed'")"
  expect "audit: charges less refunds in the ledger" "$reservations" \
    "$(sql ledger "select count(*) filter (where kind = 'charge') - count(*) filter (where kind = 'refund') from ledger_entry")"
  expect "audit: dead letters" 0 "$(($(sql payment 'select count(*) from dead_letter') + $(sql receipt 'select count(*) from dead_letter') + $(sql myreservation 'select count(*) from dead_letter')))"
  if [ -n "${1:-}" ] && [ "$reservations" -lt "$1" ]; then
    bad "audit: reservations that were answered 201" "$1, and only $reservations stand"
  elif [ -n "${1:-}" ]; then
    ok "audit: reservations that were answered 201" "$1; $reservations stand"
  fi
}

# siege_urls FILE: three readers to one customer, for siege -f, as lab/siege/urls.txt.
# Both users of siege begin here: without it nothing would be tried, and nothing would say so.
siege_urls() {
  command -v siege > /dev/null || {
    bad "siege is not installed: nothing is tried under load"
    exit 1
  }
  sed "s#http://localhost:8088#$GATEWAY#" "$SYSTEM/lab/siege/urls.txt" > "$1"
}
# siege_figures FILE: what siege printed, in one line.
siege_figures() {
  sed 's/\r//g' "$1" | tr -d '"{},' | awk -F: '
    { gsub(/^[ \t]+|[ \t]+$/, "", $1); sub(/^[ \t]+/, "", $2); sub(/[ \t].*$/, "", $2); v[tolower($1)] = $2 }
    END { printf "%s requests, %s failed, availability %s %%, %s/s, longest %s s\n", v["transactions"], v["failed_transactions"] v["failed transactions"], v["availability"], v["transaction_rate"] v["transaction rate"], v["longest_transaction"] v["longest transaction"] }'
}
siege_failed() { tr -d '"{},' < "$1" | awk -F: 'tolower($1) ~ /failed.transactions/ { print $2 + 0 }'; }
# siege_failures FILE: what failed and how often, from a siege that told each request (begin_siege).
siege_failures() {
  { grep -aE '^HTTP/|error' "$1" || true; } | { grep -avE '^HTTP/[0-9.]+ 2[0-9][0-9] ' || true; } |
    awk '{ status = /HTTP\// ? $2 : "no answer"; kind[status (/==>/ ? " " $(NF - 1) : "")]++ } END { for (k in kind) printf "%s %d times; ", k, kind[k] }'
}
# run_siege ARGUMENTS...: its summary into $work/siege.
run_siege() { (cd "$SYSTEM" && siege --rc=lab/siege/siegerc --content-type application/json "$@") > "$work/siege" 2>&1 || true; }
# begin_siege ARGUMENTS... lets it run until end_siege, which has it sum up. A connection a request: siege 4.0.7 counts an
# answer with `Connection: close`, which is how a gateway that leaves says so, as a failure of a kept connection.
siege_pid=""
begin_siege() {
  sed 's/^connection = .*/connection = close/' "$SYSTEM/lab/siege/siegerc" > "$work/siegerc"
  (cd "$SYSTEM" && exec siege --rc="$work/siegerc" -v --content-type application/json -t 3600S "$@") > "$work/siege" 2>&1 &
  siege_pid=$!
}
end_siege() {
  [ -n "$siege_pid" ] || return 0
  kill -TERM "$siege_pid" 2> /dev/null || true
  wait "$siege_pid" || true
  siege_pid=""
}
accepted() { sql prereservation "select count(*) from reservation where status = 'reservated'"; }
