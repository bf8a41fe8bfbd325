#!/bin/sh
# Makes the program out of its source and its packages, in few files: a start that looks for a thousand modules takes twice as long. What is loaded late is in
# files of its own; a server that runs may yet ask for those of its build, so they stay for a month after the next one. A build that fails changes nothing.
set -eu
cd "$(dirname "$0")/.."
rm -rf dist/.new
# libsql finds its own binary beside itself; the banner gives `require` to packages that are no modules.
node_modules/.bin/esbuild src/cli/main.ts src/worker-process.ts src/worker/plan/plan-thread.ts \
  --bundle --splitting --format=esm --platform=node --target=node20.19 --external:libsql \
  --outdir=dist/.new --entry-names='[name]' --chunk-names='[name]-[hash]' --log-level=warning \
  --banner:js="import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url)"
mkdir -p dist/cli
if [ -f dist/.files ]; then (cd dist/cli && xargs touch -c <../.files); fi
ls dist/.new >dist/.files
mv dist/.new/* dist/cli/
rmdir dist/.new
find dist -type f -mtime +30 -delete
