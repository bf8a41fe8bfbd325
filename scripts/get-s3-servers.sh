#!/bin/sh
# Builds the two S3 servers that the tests use, where they are not there yet: versitygw (4 minutes on one core) and MinIO (7), into .cache/bin.
# One that is in ${XDG_CACHE_HOME:-~/.cache}/nightshift/bin serves too, and is not built again. Needs Go.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
bin=$root/.cache/bin
shared=${XDG_CACHE_HOME:-$HOME/.cache}/nightshift/bin

get() { # get NAME MODULE
  for place in "${NIGHTSHIFT_S3_BIN:-$bin}" "$bin" "$shared"; do
    [ -x "$place/$1" ] && return 0
  done
  if ! command -v go >/dev/null 2>&1; then
    echo "$1 is built with Go, and there is no go here: its tests are left out." >&2
    return 1
  fi
  echo "Building $1 ..." >&2
  mkdir -p "$bin"
  (cd "$bin" && GOMAXPROCS=${GOMAXPROCS:-1} CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOBIN=$bin go install "$2")
}

failed=0
get versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0 || failed=1
get minio github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c || failed=1
exit $failed
