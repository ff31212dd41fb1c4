#!/bin/sh
# Pins every package with hashes and names no index.
set -eu
compile() {
  .venv/bin/uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-header --no-annotate --no-strip-extras --quiet pyproject.toml requirements/build.in "$@"
}
compile -o requirements/run.txt
compile --extra dev -c requirements/run.txt -o requirements/dev.txt
