#!/bin/sh
# Gantry beside docker and podman, row by row: `npm run bench`, or `npm run bench -- exec load` for some rows. Needs root.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo 'the benchmarks start daemons and containers: run them as root' >&2; exit 1; }
sh scripts/setup.sh test
GANTRY_UNDER_TEST=$PWD/dist/gantry exec node_modules/.bin/bun bench/main.ts "$@"
