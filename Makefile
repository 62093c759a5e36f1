# Every verb sets up what it needs: a fresh machine has Python 3.11, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GATEWAY := .venv-gateway
KILLS ?= 15
# More than there are CPUs: half of what a test does is wait for a service that works, or rests.
WORKERS ?= 4
# What runs side by side prints its output whole, where make can do that.
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync)

.PHONY: help run demo test test-gateway check lint types unit pytest crash-test fuzz bench clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/runtime: requirements.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt requirements.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/runtime      ## serve on port 8000
	@$(BIN)/python main.py

demo: $(VENV)/runtime     ## start the service without a key, ingest the sample, show what came out, stop
	@$(BIN)/python demo.py

# The tests end last: their count is what a reader, or a machine, sees of the run.
test: lint types fuzz     ## everything that CI runs
	@$(MAKE) --no-print-directory --jobs 2 $(SYNC) crash-test pytest

$(GATEWAY)/installed: tests/gateway/requirements.txt
	@test -d $(GATEWAY) || $(PYTHON) -m venv $(GATEWAY)
	@$(GATEWAY)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-gateway: $(VENV)/dev $(GATEWAY)/installed ## against LiteLLM's proxy, in a venv of its own; five minutes
	@$(BIN)/python -m pytest tests/gateway/check_litellm.py

check: lint types         ## lint and types only

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/dev
	@$(BIN)/mypy

unit: $(VENV)/dev         ## the tests that need nothing but a CPU, in under 30 seconds: is a change sane?
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal tests/unit

pytest: $(VENV)/dev       ## the tests of every room, on SQLite and PostgreSQL
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

crash-test: $(VENV)/dev   ## kill it KILLS times on SQLite and PostgreSQL, then count: nothing lost, nothing twice
	@$(BIN)/python -m tests.faults.crash --kills $(KILLS)

fuzz: $(VENV)/dev         ## Schemathesis against the OpenAPI document, on SQLite and PostgreSQL
	@$(BIN)/python -m tests.faults.fuzz

bench: $(VENV)/dev        ## the benchmarks, ten minutes; FULL=1 for all of it, at 10 million rows
	@$(BIN)/python -m benchmarks $(if $(FULL),--full)

clean:           ## remove what the other verbs made
	rm -rf $(VENV) $(GATEWAY) .pytest_cache .mypy_cache .ruff_cache .hypothesis
