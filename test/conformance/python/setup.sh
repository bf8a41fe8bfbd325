#!/bin/sh
# Makes a Python environment with the official client and schemathesis under the project's .cache/ and prints the path of its interpreter.
# Called a second time it only prints. Without Python 3.9 or pip it says so and ends with 1.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../../.." && pwd)
venv=$root/.cache/python
python=$venv/bin/python
if ! { [ -x "$python" ] && "$python" -c 'import openai, schemathesis' 2>/dev/null; }; then
  command -v python3 >/dev/null || { echo 'python3 is not installed' >&2; exit 1; }
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  "$python" -m pip install --quiet --disable-pip-version-check 'openai>=2' 'schemathesis>=4,<5' >&2
fi
echo "$python"
