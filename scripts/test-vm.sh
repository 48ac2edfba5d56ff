#!/bin/sh
# The tests that need another machine than this one: pure control groups of version 2, systemd, disk quotas. They run in an
# emulated one, in minutes. The last line is "N passed, M failed, K skipped". Arguments: parts of file names.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo 'the disk of the virtual machine is made by root: run this as root' >&2; exit 1; }
sh scripts/setup.sh vm
sh scripts/vm/image.sh
exec node_modules/.bin/bun scripts/vm/main.ts "$@"
