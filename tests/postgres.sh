#!/usr/bin/env bash
# Starts a private PostgreSQL cluster on loopback for one run of the tests, tells them its address,
# and stops it when the test runner has gone. Installs PostgreSQL where it is missing.
#
# The address is appended to the file named by NEXTEST_ENV, as a line NAME=VALUE. With DURABLE=1 the
# cluster is set up as `postgresql.conf` beside this file says, as a production one is; benchmarks want
# that. SETTINGS are more arguments of the server, such as those of a profiler of statements.
set -euo pipefail

runner=$PPID
settings=$(cat "$(dirname "$0")/postgresql.conf")
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
if [ -z "$bin" ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15
  bin=/usr/lib/postgresql/15/bin
fi

dir=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# PostgreSQL refuses to run as root.
as_server() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  chown postgres:postgres "$dir"
  as_server() { runuser -u postgres -- "$@"; }
fi

cd /
# Sorted as people would, which no page of ours may be.
language="--locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US"
as_server "$bin/initdb" -D "$dir/data" -A trust -U postgres $language -E UTF8 --no-sync >"/dev/null"
as_server tee -a "$dir/data/postgresql.conf" <<<"$settings" >/dev/null
arguments="-c listen_addresses=127.0.0.1 -p $port -k $dir ${SETTINGS:-}"
# A crash of the machine in the middle of a test run loses nothing that anybody wants.
[ "${DURABLE:-0}" = 1 ] || arguments="$arguments -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -o "$arguments" start >/dev/null

export -f as_server
setsid nohup bash -c "
  while kill -0 $runner 2>/dev/null; do sleep 1; done
  as_server $bin/pg_ctl -D $dir/data -m immediate stop
  rm -rf $dir
" >/dev/null 2>&1 </dev/null &

echo "PERENNIAL_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port/postgres" >>"$NEXTEST_ENV"
