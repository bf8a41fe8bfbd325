#!/bin/sh
# Makes the program out of its source and its packages, in few files: a start that looks for a thousand modules takes twice as long. What is loaded late is in
# files of its own; those of older builds stay for a month, since a server that runs may yet ask for them.
set -eu
cd "$(dirname "$0")/.."
find dist -type f -mtime +30 -delete 2>/dev/null || true
# libsql finds its own binary beside itself; the banner gives `require` to packages that are no modules.
node_modules/.bin/esbuild src/cli/main.ts src/worker-process.ts src/worker/plan/plan-thread.ts \
  --bundle --splitting --format=esm --platform=node --target=node20.19 --external:libsql \
  --outdir=dist/cli --entry-names='[name]' --chunk-names='[name]-[hash]' --sourcemap --log-level=warning \
  --banner:js="import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url)"
