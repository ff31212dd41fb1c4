# Every target sets up what it needs on Python 3.11 and make alone; the second time it is quiet.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

.PHONY: help run test test-slow check format dashboard dagster bench bench-check bench-large docs lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/.run-ready: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  "ibgap needs Python 3.11 or newer, found %d.%d (set PYTHON=...)" % v[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing packages into .venv (once, about a minute) ..."
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev-ready: requirements/dev.txt .venv/.run-ready
	@echo "Installing the packages of tests and checks ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

run: .venv/.run-ready  ## read the trials, publish a release, print the answer
	@$(BIN)/ibgap refresh

test: .venv/.dev-ready  ## all fast tests
	@sh scripts/install_browser.sh
	@$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: .venv/.dev-ready  ## everything, the slow tests included
	@sh scripts/install_browser.sh
	@$(BIN)/python -m pytest -n 2

check: .venv/.dev-ready  ## lint, format, types, import contracts, generated docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/make_docs.py --check

format: .venv/.dev-ready  ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

dashboard: .venv/.run-ready  ## serve the current release to a browser on this machine
	@test -e releases/current/report.html || $(BIN)/ibgap refresh
	@$(BIN)/ibgap dashboard

dagster: .venv/.run-ready  ## open the asset graph, schedules and checks
	@$(BIN)/python -m pipelines.dagster_dev

bench: .venv/.dev-ready  ## speed, side by side with what else is installed
	@$(BIN)/python benchmarks/run.py

bench-check: .venv/.dev-ready  ## fail where a bar of speed or memory is missed
	@$(BIN)/python benchmarks/check.py

bench-large: .venv/.dev-ready  ## one trial of a million persons, beside a pass of DuckDB
	@$(BIN)/python benchmarks/large_trial.py

docs: .venv/.dev-ready  ## renew the generated pages
	@$(BIN)/python docs/make_docs.py

lock: .venv/.dev-ready  ## renew requirements/*.txt from pyproject.toml
	@sh scripts/lock.sh

clean:  ## remove what runs made (releases stay)
	@rm -rf .venv store .dagster .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
