#!/bin/sh
# Installs and builds what is missing or older than what it is made from. Says something only when it does something.
set -eu
cd "$(dirname "$0")/.."
if ! command -v node >/dev/null 2>&1; then
  echo 'Nightshift needs Node 20.19 or newer, and there is no node here. Install it from your package manager or nodejs.org.' >&2
  exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  echo "Nightshift needs Node 20.19 or newer; this is $(node --version)." >&2
  exit 1
fi
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo 'Installing what Nightshift needs ...' >&2
  npm ci --silent >&2
  touch node_modules/.package-lock.json
fi
if [ ! -f dist/.built ] || [ -n "$(find src package.json node_modules/.package-lock.json tsconfig.json scripts/build.sh -newer dist/.built 2>/dev/null | head -n 1)" ]; then
  echo 'Building ...' >&2
  sh scripts/build.sh >&2
  touch dist/.built
fi
