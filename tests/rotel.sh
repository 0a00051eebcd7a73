#!/usr/bin/env bash
# Installs rotel, a collector of OpenTelemetry, and tells the tests where it is: they start it themselves.
#
# The path is appended to the file named by NEXTEST_ENV, as a line NAME=VALUE.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.0.1a15
dir=$PWD/.ci/cache/rotel-$version
agent=$dir/rotel/rotel-agent
[ -x "$agent" ] || python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
  --target "$dir" "rotel==$version"
echo "PERENNIAL_TEST_ROTEL=$agent" >>"$NEXTEST_ENV"
