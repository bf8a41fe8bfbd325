#!/bin/sh
# What can be checked of deploy/ without a container engine: the chart (lint, rendered with its defaults and with everything on, held against the Kubernetes API's
# types) and the units. Helm is built with Go where it is not there (3 minutes). What the docs and deploy/ say of flags and variables is held by test/docs.test.ts.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
mkdir -p .cache/bin

helm=$(command -v helm || true)
if [ -z "$helm" ]; then
  helm=$root/.cache/bin/helm
  if [ ! -x "$helm" ]; then
    if ! command -v go >/dev/null 2>&1; then
      echo 'The chart is left out: there is no helm here, and no Go to build it with.' >&2
      [ -z "${NIGHTSHIFT_TEST_ALL:-}" ] || exit 1
      helm=''
    else
      echo 'Building helm ...' >&2
      (cd .cache/bin && CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOBIN=$root/.cache/bin go install helm.sh/helm/v3/cmd/helm@v3.20.2)
    fi
  fi
fi

if [ -n "$helm" ]; then
  chart=deploy/helm/nightshift
  "$helm" lint --strict "$chart" --set settings.blobs=s3://night/prod
  if "$helm" template night "$chart" >/dev/null 2>&1; then
    echo 'a chart without a place for files is rendered' >&2
    exit 1
  fi
  "$helm" lint --strict "$chart" --values "$chart/full-values.yaml"
  "$helm" template night "$chart" --kube-version 1.30.0 --set settings.blobs=s3://night/prod | npx tsx scripts/check-manifests.ts
  "$helm" template night "$chart" --kube-version 1.30.0 --values "$chart/full-values.yaml" | npx tsx scripts/check-manifests.ts
fi

if command -v systemd-analyze >/dev/null 2>&1; then
  said=$(systemd-analyze verify --man=no deploy/nightshift.service "deploy/nightshift-worker@.service" 2>&1 | grep 'deploy/\|nightshift' | grep -v 'is not executable') || true
  if [ -n "$said" ]; then
    echo "$said" >&2
    exit 1
  fi
fi
echo 'deploy: ok'
