#!/bin/sh
# Written by `surefoot ci init`. Proves every agent version that differs from BASE (default: origin/main).
# Exit code: 0 passed, 1 failed, 2 not decided, 3 wrong usage, 4 infrastructure.
set -u
base="${1:-origin/main}"
results="${2:-surefoot-results}"
code=0
surefoot ci run --base "$base" --out "$results" || code=$?
surefoot ci report "$results" || true
exit "$code"
