#!/bin/sh
# The whole test of the project, with its own set-up. The last line is "N passed, M failed, K skipped".
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh test
exec node_modules/.bin/bun scripts/test/main.ts "$@"
