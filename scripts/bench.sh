#!/bin/sh
# Gantry beside docker and podman, row by row: `npm run bench`, or `npm run bench -- exec load` for some rows. Needs root.
# `npm run bench -- launch`: the shim alone beside the same system calls in C.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo 'the benchmarks start daemons and containers: run them as root' >&2; exit 1; }
sh scripts/setup.sh test
[ "${1:-}" != launch ] || exec node_modules/.bin/bun bench/launch/main.ts
GANTRY_UNDER_TEST=$PWD/dist/gantry exec node_modules/.bin/bun bench/main.ts "$@"
