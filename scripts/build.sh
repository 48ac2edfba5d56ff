#!/bin/sh
# The one file that ships: command line, daemon, shim and built-in images, compiled into dist/gantry.
set -eu
cd "$(dirname "$0")/.."
# The settings that would read files of the folder a user happens to stand in are off.
node_modules/.bin/bun build --compile --bytecode --format=esm --splitting --minify \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  --no-compile-autoload-tsconfig --no-compile-autoload-package-json \
  scripts/build/entry.ts --outfile dist/gantry.new >/dev/null
# In one step: a daemon may be running from the old file.
mv dist/gantry.new dist/gantry
