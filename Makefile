# Every verb sets up what it needs: a fresh machine has Python 3.11, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KILLS ?= 15

.PHONY: help run demo test check lint types unit crash-test fuzz bench clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/runtime: requirements.txt
	@echo "Installing the requirements into $(VENV): once, a minute or two ..."
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

# The tests last: their count ends what a reader, or a machine, sees of the run.
test: lint types fuzz crash-test unit ## everything that CI runs

check: lint types         ## lint and types only

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/dev
	@$(BIN)/mypy

unit: $(VENV)/dev         ## the tests, on SQLite and PostgreSQL
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

crash-test: $(VENV)/dev   ## kill it KILLS times on SQLite and PostgreSQL, then count: nothing lost, nothing twice
	@$(BIN)/python -m tests.faults.crash --kills $(KILLS)

fuzz: $(VENV)/dev         ## Schemathesis against the OpenAPI document, on SQLite and PostgreSQL
	@$(BIN)/python -m tests.faults.fuzz

bench: $(VENV)/dev        ## the benchmarks, ten minutes; FULL=1 for all of it, at 10 million rows
	@$(BIN)/python -m benchmarks $(if $(FULL),--full)

clean:           ## remove what the other verbs made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
