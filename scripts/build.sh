#!/bin/sh
# The one file that ships: command line, daemon, shim and built-in images, compiled into dist/gantry.
set -eu
cd "$(dirname "$0")/.."
commit=$(git rev-parse --short=7 HEAD 2>/dev/null || true)
# The commit's time and not the clock's: the same sources give the same file.
commit_time=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || true)
# The settings that would read files of the folder a user happens to stand in are off.
node_modules/.bin/bun build --compile --bytecode --format=esm --splitting --minify \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  --no-compile-autoload-tsconfig --no-compile-autoload-package-json \
  --define GANTRY_COMMIT="'$commit'" --define GANTRY_COMMIT_TIME="'$commit_time'" \
  scripts/build/entry.ts --outfile dist/gantry.new >/dev/null
# In one step: a daemon may be running from the old file.
mv dist/gantry.new dist/gantry
